package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// People woken at night want to know how long a destination waits, how fast it may be called, and what waits for a person.
func TestTheListOfDestinationsSaysWhenAWaitIsOver(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) *timestamppb.Timestamp {
		return timestamppb.New(time.Now().Add(d + 500*time.Millisecond))
	}
	var text strings.Builder
	err := printDestinations(&output{format: "text"}, &text, []*leadgatev1.Destination{
		{Name: "quota", Status: leadgatev1.DestinationStatus_DESTINATION_STATUS_RATE_LIMITED, ResumeTime: in(106 * time.Minute), RequestsPerSecondLimit: 1.0 / 3600},
		{Name: "down", Status: leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE, ResumeTime: in(17 * time.Second), RequestsPerSecondLimit: .5},
		{Name: "restored", Status: leadgatev1.DestinationStatus_DESTINATION_STATUS_FLOWING, Held: 3792, RequestsPerSecondLimit: 9},
	})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string][]string{
		"quota":    {"rate limited, goes on in 1 h 46 min", "0 of 1/h"},
		"down":     {"unreachable, asked again in 17 s", "0 of 30/min"},
		"restored": {"flowing  ", " 3792 ", "0 of 9/s"},
	} {
		_, rest, _ := strings.Cut(text.String(), line)
		rest, _, _ = strings.Cut(rest, "\n")
		for _, part := range want {
			if !strings.Contains(rest, part) {
				t.Errorf("of %s there is no %q in\n%s", line, part, text.String())
			}
		}
	}
}
