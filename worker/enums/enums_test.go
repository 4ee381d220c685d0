package enums_test

import (
	"slices"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

func TestNamesAreAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		enums.Name(leadgatev1.Stage_STAGE_CRM_API_CALL):                 "crm_api_call",
		enums.Words(leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT): "retry wait",
		enums.Name(leadgatev1.DeliveryState_DELIVERY_STATE_UNSPECIFIED): "unspecified",
		enums.Name(leadgatev1.LeadState(99)):                            "99", // a newer gateway's
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	states := leadgatev1.LeadState(0).Descriptor()
	if names := enums.Names(states); !slices.Equal(names, []string{"open", "held", "discarded", "erased"}) {
		t.Errorf("lead states are %v", names)
	}
	if found := enums.Find(states, "Held"); found == nil || found.Number() != leadgatev1.LeadState_LEAD_STATE_HELD.Number() {
		t.Errorf("Held is %v", found)
	}
	if found := enums.Find(states, "flying"); found != nil {
		t.Errorf("flying is %v", found)
	}
}
