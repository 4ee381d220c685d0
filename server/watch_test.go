package server_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

func TestAThousandWatchersSeeTheSameLead(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	const watchers, each = 1000, 50
	var seen atomic.Int64
	var watching sync.WaitGroup
	for range watchers / each {
		client := leadgatev1.NewWorkerServiceClient(h.dial())
		for range each {
			stream, err := client.WatchDeliveries(t.Context(), &leadgatev1.WatchDeliveriesRequest{Stage: []leadgatev1.Stage{leadgatev1.Stage_STAGE_QUEUED}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil { // the hello
				t.Fatal(err)
			}
			watching.Go(func() {
				for {
					m, err := stream.Recv()
					if err != nil {
						return
					}
					if m.GetEvent().GetLead().GetStage() == leadgatev1.Stage_STAGE_QUEUED {
						seen.Add(1)
						return
					}
				}
			})
		}
	}
	h.post("/v1/forms/contact/submissions", asForm, "email=a@example.com").expect(t, 201)
	watching.Wait()
	if n := seen.Load(); n != watchers {
		t.Errorf("%d of %d watchers saw it", n, watchers)
	}
}

func TestAWatchThatMakesNoSenseIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for query, want := range map[string]int{
		"stage=STAGE_LATE": 400, "lead_id=x": 400, "last=-1": 400, "last=10001": 400, "stages=STAGE_DEAD": 400, "resume_after=yesterday": 400,
		"last=1&resume_after=x": 400,
	} {
		a := h.send("GET", "/v1/deliveries:watch?"+query, "", "")
		if detail, _ := a.body["detail"].(string); a.status != want || detail == "" || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", query, a.status, a.text)
		}
	}
	for path, want := range map[string]string{
		"/v1/deliveries:watch?stage=late":      "it takes received, validated, rejected",
		"/v1/leads?state=hold":                 "it takes open, held, discarded, erased",
		"/v1/leads?page_size=all":              "page_size=all cannot be read; it takes a number",
		"/v1/leads?since=yesterday":            "it takes a time, such as 2026-11-01T12:00:00Z",
		"/v1/leads:export?form=contct":         `there is no form "contct"; did you mean "contact"?`,
		"/v1/deliveries:watch?resume_after=zz": "is not an event identifier",
	} {
		a := h.send("GET", path, "", "")
		if detail, _ := a.body["detail"].(string); !strings.Contains(detail, want) || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
	stream, err := leadgatev1.NewWorkerServiceClient(h.dial()).WatchDeliveries(t.Context(), &leadgatev1.WatchDeliveriesRequest{LeadId: "not an id"})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("over gRPC: %v", err)
	}
}

// endlessStore returns the same lead over and over.
type endlessStore struct{ store.Store }

func (endlessStore) Leads(context.Context, store.LeadQuery, int, string) ([]*leadgatev1.LeadRecord, string, error) {
	return []*leadgatev1.LeadRecord{{LeadId: "01a21b21-aebc-7045-a16b-605c88359c99"}}, "more", nil
}

func (endlessStore) LeadDeliveries(context.Context, string) ([]*leadgatev1.Delivery, error) {
	return nil, nil
}

func TestAnExportThatNobodyReadsToItsEndIsNoFault(t *testing.T) {
	t.Parallel()
	logs := &loggedText{}
	t.Cleanup(func() { // after the server has stopped
		if got := logs.String(); strings.Contains(got, "msg=rpc") {
			t.Errorf("logged:\n%s", got)
		}
	})
	h := open(t, options{logs: logs, store: func(s store.Store) store.Store { return endlessStore{s} }})
	for range 5 {
		if _, lines := h.lines("/v1/leads:export"); !lines.Scan() {
			t.Fatal("nothing is exported")
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream, err := leadgatev1.NewLeadServiceClient(h.dial()).ExportLeads(ctx, &leadgatev1.ExportLeadsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
}
