package telemetry

import (
	"strings"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func TestNoSpanHasAnAddress(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{"4711": true, "ada@example.com": false} {
		has := false
		for _, a := range attributes(&leadgatev1.LeadEvent{RecordId: id, Person: "a***@example.com", IdempotencyKey: "ada@example.com", Error: "ada@example.com", RecordUrl: "https://crm/ada@example.com"}) {
			has = has || a.Value.AsString() == id
			if strings.Contains(a.Value.AsString(), "@") {
				t.Errorf("%s is %s", a.Key, a.Value.AsString())
			}
		}
		if has != want {
			t.Errorf("record %s: there is %t", id, has)
		}
	}
}
