package worker_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// An answer 403 that does not mention the credentials may mean that something in front of the API refused one message. But every one?
func TestAnAPIThatForbidsEverythingIsNoticedSoonAndCostsFewCalls(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, kind, method string
		leads              int
		want               leadgatev1.DestinationStatus
	}{
		{"each way", "http", "", 50, leadgatev1.DestinationStatus_DESTINATION_STATUS_CREDENTIALS_REFUSED},
		{"each way, one lead", "http", "", 1, leadgatev1.DestinationStatus_DESTINATION_STATUS_CREDENTIALS_REFUSED},
		{"each lead", "http", http.MethodPost, 50, leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE},
		{"each lead, in batches", "http in batches", http.MethodPost, 50, leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newMixed(t, mixedKinds()[test.kind])
				m.crm.SetFaults(simulator.Faults{Status: http.StatusForbidden, HTML: true, Method: test.method})
				m.start()
				var leads []lead
				for i := range test.leads {
					leads = append(leads, lead{email: fmt.Sprintf("p%d@example.com", i), name: fmt.Sprintf("Ada%06d", i)})
				}
				m.door.expect(leads)
				m.accept(leads...)
				time.Sleep(time.Minute) // on the bubble's clock
				all, err := worker.NewService(m.worker, "").ListDestinations(t.Context(), &leadgatev1.ListDestinationsRequest{})
				if err != nil || all.GetDestinations()[0].GetStatus() != test.want {
					t.Errorf("after a minute: %v, %v", all, err)
				}
				time.Sleep(time.Hour)
				if n := m.door.requests(); n > 400 {
					t.Errorf("%d calls in an hour", n)
				}
				m.crm.SetFaults(simulator.Faults{})
				time.Sleep(20 * time.Minute)
				if n := m.counts()[done]; n != int64(test.leads) {
					t.Errorf("%d leads were delivered", n)
				}
			})
		})
	}
}
