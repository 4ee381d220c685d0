package worker

import (
	"fmt"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/mapping"
)

// An expression that fails for one lead usually fails for the next as well, so it is reported this often.
const omittedEvery = 10 * time.Minute

// omitted reports that leads are sent without properties whose expressions failed.
func (l *lane) omitted(failures []mapping.Failure) {
	for _, failure := range failures {
		if l.once.Tell(failure.Property) {
			l.tell(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RULE_FAILED, fmt.Sprintf(
				"the expression for property %s failed for a lead, which is sent without the property: %s", failure.Property, failure.Reason), 0)
		}
	}
}
