package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/store"
)

func expectStatus(t *testing.T, err error, code codes.Code, reason string) *status.Status {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != code {
		t.Fatalf("status is %v, want %v: %v", st.Code(), code, err)
	}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "leadgate" && info.GetReason() == reason {
			return st
		}
	}
	t.Fatalf("details are %v, want reason %s", st.Details(), reason)
	return nil
}

func TestStoreErrorsHaveTheirStatus(t *testing.T) {
	t.Parallel()
	wrapped := func(err error) error { return fmt.Errorf("read: %w", err) }
	for _, test := range []struct {
		err    error
		code   codes.Code
		reason string
	}{
		{wrapped(store.ErrNotFound), codes.NotFound, "LEAD_NOT_FOUND"},
		{wrapped(store.ErrState), codes.FailedPrecondition, "LEAD_STATE"},
		{wrapped(store.ErrPageToken), codes.InvalidArgument, "PAGE_TOKEN_INVALID"},
		{wrapped(store.ErrConflict), codes.Aborted, "CONFLICT"},
		{wrapped(store.ErrUnavailable), codes.Unavailable, "STORE_UNAVAILABLE"},
		{errors.New("secret of ada@example.com"), codes.Internal, "INTERNAL"},
	} {
		err := worker.StatusOf(test.err, "lead")
		st := expectStatus(t, err, test.code, test.reason)
		if strings.Contains(st.Message(), "ada@") {
			t.Errorf("the client sees %q", st.Message())
		}
		if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.err.Error()) {
			t.Errorf("the log lacks the cause: %v", err)
		}
		if again := worker.StatusOf(err, "delivery"); !errors.Is(again, err) {
			t.Errorf("a status is changed to %v", again)
		}
	}
	if st := status.Convert(worker.StatusOf(context.Canceled, "lead")); st.Code() != codes.Canceled {
		t.Errorf("the end of a context is %v", st)
	}
	if worker.StatusOf(nil, "lead") != nil {
		t.Error("nil is an error")
	}
	retry := false
	for _, detail := range status.Convert(worker.StatusOf(store.ErrUnavailable, "lead")).Details() {
		info, ok := detail.(*errdetails.RetryInfo)
		retry = retry || ok && info.GetRetryDelay().AsDuration() > 0
	}
	if !retry {
		t.Error("nothing says when to try again")
	}
}

func TestDeliveriesAreListedPageByPageAndShownWithAttempts(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		ids := h.accept(people(5)...)
		h.rest(0)
		var listed []string
		request := &leadgatev1.ListDeliveriesRequest{PageSize: 2, State: done, Destination: "crm"}
		for {
			page, err := h.service.ListDeliveries(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range page.GetDeliveries() {
				listed = append(listed, d.GetDeliveryId())
			}
			if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
				break
			}
		}
		slices.Sort(listed)
		if want := slices.Sorted(slices.Values(ids)); !slices.Equal(listed, want) {
			t.Errorf("listed %v, want %v", listed, want)
		}
		_, err := h.service.ListDeliveries(t.Context(), &leadgatev1.ListDeliveriesRequest{PageToken: "made up"})
		expectStatus(t, err, codes.InvalidArgument, "PAGE_TOKEN_INVALID")
		got, err := h.service.GetDelivery(t.Context(), &leadgatev1.GetDeliveryRequest{DeliveryId: ids[0]})
		if err != nil || len(got.GetDelivery().GetAttempts()) != 1 {
			t.Errorf("got %v, %v", got, err)
		}
		for _, id := range []string{"nonsense", strings.Replace(ids[0], ".crm", ".other", 1)} {
			_, err = h.service.GetDelivery(t.Context(), &leadgatev1.GetDeliveryRequest{DeliveryId: id})
			expectStatus(t, err, codes.NotFound, "DELIVERY_NOT_FOUND")
			_, err = h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: id})
			expectStatus(t, err, codes.NotFound, "DELIVERY_NOT_FOUND")
		}
		_, err = h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: ids[0]})
		expectStatus(t, err, codes.FailedPrecondition, "DELIVERY_STATE")
	})
}

func TestRetryingMakesAWaitingDeliveryDueNow(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Retry.InitialDelay, cfg.Retry.MaxDelay = nil, nil })
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "busy"})
		id := h.accept("ada@example.com Ada")[0]
		for h.delivery(id).GetFailureCount() < 8 { // the next wait is minutes long
			h.rest(time.Second)
		}
		h.crm.always(delivered)
		answer, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: id})
		if err != nil || answer.GetDelivery().GetDeliveryId() != id {
			t.Fatalf("got %v, %v", answer, err)
		}
		h.rest(0)
		h.expectState(id, done)
	})
}

func TestManyDeadDeliveriesAreRetriedByFilter(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Refused, Reason: "no"})
		h.accept(people(1203)...) // more than two transactions of RetryDeliveries
		h.rest(time.Second)
		h.crm.always(delivered)
		filter := &leadgatev1.DeliveryFilter{Destination: "crm"}
		answer, err := h.service.RetryDeliveries(t.Context(), &leadgatev1.RetryDeliveriesRequest{Filter: filter, DryRun: true})
		if err != nil || answer.GetMatched() != 1203 || answer.GetRetried() != 0 || h.status("crm").GetDead() != 1203 {
			t.Fatalf("a dry run: %v, %v", answer, err)
		}
		_, err = h.service.RetryDeliveries(t.Context(), &leadgatev1.RetryDeliveriesRequest{Filter: filter, ExpectedCount: 1202})
		expectStatus(t, err, codes.FailedPrecondition, "EXPECTED_COUNT_MISMATCH")
		h.rest(0)
		if h.status("crm").GetDead() != 1203 {
			t.Error("something was done although the count was wrong")
		}
		answer, err = h.service.RetryDeliveries(t.Context(), &leadgatev1.RetryDeliveriesRequest{Filter: filter, ExpectedCount: 1203})
		if err != nil || answer.GetMatched() != 1203 || answer.GetRetried() != 1203 {
			t.Fatalf("got %v, %v", answer, err)
		}
		h.rest(time.Second)
		if s := h.status("crm"); s.GetDelivered() != 1203 || s.GetDead() != 0 {
			t.Errorf("afterwards: %v", s)
		}
	})
}

func TestADestinationShowsHowItIsDoing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(func(cfg *configv1.Destination) { cfg.Limits.RequestsPerSecond = 50 })
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "maintenance"})
		h.accept("ada@example.com Ada")
		h.rest(1100 * time.Millisecond)
		s := h.status("crm")
		if s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_FAILING || s.GetLastError() != "maintenance" || s.GetLastErrorTime() == nil ||
			s.GetWaiting() != 1 || s.GetKind() != "fake" || s.GetRequestsPerSecondLimit() != 50 || s.GetRequestsPerSecond() < 1 ||
			s.GetOldestWaiting().AsDuration() != 1100*time.Millisecond {
			t.Errorf("while failing: %v", s)
		}
		h.crm.always(delivered)
		h.rest(10 * time.Second)
		s = h.status("crm")
		if s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_FLOWING || s.GetLastError() != "" || s.GetWaiting() != 0 ||
			s.GetDelivered() != 1 || s.GetOldestWaiting() != nil {
			t.Errorf("afterwards: %v", s)
		}
		_, err := h.service.PauseDestination(t.Context(), &leadgatev1.PauseDestinationRequest{Name: "cmr"})
		if st := expectStatus(t, err, codes.NotFound, "DESTINATION_NOT_FOUND"); !strings.Contains(st.Message(), "there are: crm") {
			t.Errorf("the message does not help: %s", st.Message())
		}
		_, err = h.service.ResumeDestination(t.Context(), &leadgatev1.ResumeDestinationRequest{Name: "cmr"})
		expectStatus(t, err, codes.NotFound, "DESTINATION_NOT_FOUND")
	})
}

// The CRM was down. Now it is back, but refuses the credentials, which is the error to show.
func TestWhatAProbeFindsIsTheLastError(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.always(crm.Outcome{Kind: crm.Retry, Reason: "no answer"})
		h.crm.pongs(crm.Outcome{Kind: crm.Retry, Reason: "no answer"})
		h.apply(nil)
		h.accept(people(20)...)
		h.rest(time.Minute)
		if s := h.status("crm"); s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE || s.GetLastError() != "no answer" {
			t.Fatalf("the destination is %v", s)
		}
		h.crm.pongs(crm.Outcome{Kind: crm.CredentialsRefused, Reason: "the token expired", Status: 401})
		s := h.status("crm")
		for range 120 {
			if s.GetStatus() == leadgatev1.DestinationStatus_DESTINATION_STATUS_CREDENTIALS_REFUSED {
				break
			}
			h.rest(time.Second)
			s = h.status("crm")
		}
		if s.GetStatus() != leadgatev1.DestinationStatus_DESTINATION_STATUS_CREDENTIALS_REFUSED || s.GetLastError() != "the token expired" {
			t.Errorf("the destination is %v", s)
		}
	})
}

// watcher is the server's end of a stream.
type watcher struct {
	grpc.ServerStreamingServer[leadgatev1.WatchDeliveriesResponse]
	ctx  context.Context
	sent chan *leadgatev1.WatchDeliveriesResponse
}

func (w *watcher) Context() context.Context { return w.ctx }

func (w *watcher) Send(m *leadgatev1.WatchDeliveriesResponse) error {
	select {
	case w.sent <- m:
		return nil
	case <-w.ctx.Done():
		return io.EOF
	}
}

// watch starts a watch that ends with the test; ended receives its error.
func (h *house) watch(t *testing.T, r *leadgatev1.WatchDeliveriesRequest, md ...string) (w *watcher, ended <-chan error) {
	ctx, cancel := context.WithCancel(metadata.NewIncomingContext(t.Context(), metadata.Pairs(md...)))
	w = &watcher{ctx: ctx, sent: make(chan *leadgatev1.WatchDeliveriesResponse, 1000)}
	result := make(chan error, 1)
	go func() { result <- h.service.WatchDeliveries(r, w) }()
	h.stop = append([]func(){cancel}, h.stop...)
	synctest.Wait() // it is subscribed: later events will be shown
	return w, result
}

func (w *watcher) take() []*leadgatev1.WatchDeliveriesResponse {
	time.Sleep(time.Second) // on the bubble's clock
	synctest.Wait()
	var all []*leadgatev1.WatchDeliveriesResponse
	for len(w.sent) > 0 {
		all = append(all, <-w.sent)
	}
	return all
}

// shown returns the stages in messages.
func shown(messages []*leadgatev1.WatchDeliveriesResponse) []leadgatev1.Stage {
	var stages []leadgatev1.Stage
	for _, m := range messages {
		if event := m.GetEvent(); event != nil {
			stages = append(stages, event.GetLead().GetStage())
		}
	}
	return stages
}

func TestAWatchBeginsWithHelloThenShowsWhatHappensAndBeats(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		w, _ := h.watch(t, &leadgatev1.WatchDeliveriesRequest{})
		first := w.take()
		if len(first) != 1 || first[0].GetHello().GetVersion() != "v1.2.3" || first[0].GetHello().GetLatestEventId() == "" {
			t.Fatalf("begins with %v", first)
		}
		h.accept("ada@example.com Ada")
		if got := shown(w.take()); !slices.Equal(got, []leadgatev1.Stage{stageCall, stageSuccess}) {
			t.Errorf("shown are %v", got)
		}
		h.rest(45 * time.Second)
		beats := w.take()
		if len(beats) != 3 || beats[2].GetHeartbeat().GetLatestEventId() != h.journal.Latest() || beats[2].GetHeartbeat().GetTime() == nil {
			t.Errorf("in 46 quiet seconds came %v", beats)
		}
	})
}

func TestAWatchShowsWhatItsFilterChooses(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.addCRM("other", crm.Traits{Kind: "fake", MaxBatch: 10, Account: "other"})
		h.applyAll("r1", map[string]*configv1.Destination{"crm": fakeDestination("crm", nil), "other": fakeDestination("other", nil)})
		id := h.accept("ada@example.com Ada")[0]
		h.accept("eve@example.com Eve")
		h.rest(0)
		h.pause("crm")
		leadID, _, _ := strings.Cut(id, ".")
		lead := func(stage leadgatev1.Stage, form string) *leadgatev1.Event {
			return &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Stage: stage, Form: form}}}
		}
		h.journal.Publish(lead(leadgatev1.Stage_STAGE_REJECTED, "trial"), &leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{}}})
		for name, test := range map[string]struct {
			request *leadgatev1.WatchDeliveriesRequest
			want    int
		}{
			"all":                  {&leadgatev1.WatchDeliveriesRequest{}, 7},
			"the destination":      {&leadgatev1.WatchDeliveriesRequest{Destination: []string{"crm"}}, 7},
			"another destination":  {&leadgatev1.WatchDeliveriesRequest{Destination: []string{"other"}}, 2},
			"a lead":               {&leadgatev1.WatchDeliveriesRequest{LeadId: leadID}, 2},
			"a stage":              {&leadgatev1.WatchDeliveriesRequest{Stage: []leadgatev1.Stage{stageSuccess}}, 2},
			"stages and forms":     {&leadgatev1.WatchDeliveriesRequest{Stage: []leadgatev1.Stage{stageSuccess, leadgatev1.Stage_STAGE_REJECTED}, Form: []string{"trial"}}, 1},
			"a form without leads": {&leadgatev1.WatchDeliveriesRequest{Form: []string{"none"}}, 0},
		} {
			test.request.Last = 100
			w, _ := h.watch(t, test.request)
			if got := len(shown(w.take())); got != test.want {
				t.Errorf("%s: %d events, want %d", name, got, test.want)
			}
		}
	})
}

func TestAWatchResumesAfterAnEventOrSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		w, _ := h.watch(t, &leadgatev1.WatchDeliveriesRequest{})
		h.accept("ada@example.com Ada")
		messages := w.take()
		called := messages[1].GetEvent().GetId()
		for name, resumed := range map[string]*watcher{
			"by field":        first(h.watch(t, &leadgatev1.WatchDeliveriesRequest{ResumeAfter: called})),
			"by header":       first(h.watch(t, &leadgatev1.WatchDeliveriesRequest{}, "last-event-id", called)),
			"header is newer": first(h.watch(t, &leadgatev1.WatchDeliveriesRequest{Last: 100}, "last-event-id", called)),
		} {
			if got := shown(resumed.take()); !slices.Equal(got, []leadgatev1.Stage{stageSuccess}) {
				t.Errorf("%s: %v", name, got)
			}
		}
		other, _ := h.watch(t, &leadgatev1.WatchDeliveriesRequest{ResumeAfter: "another-1"})
		if got := other.take(); got[1].GetGap().GetReason() == "" || len(shown(got)) != 2 {
			t.Errorf("after an event of another store: %v", got)
		}
		for _, request := range []*leadgatev1.WatchDeliveriesRequest{{ResumeAfter: "nonsense"}, {ResumeAfter: called, Last: 3}} {
			_, ended := h.watch(t, request)
			synctest.Wait()
			expectStatus(t, <-ended, codes.InvalidArgument, "RESUME_TOKEN_INVALID")
		}
	})
}

func first(w *watcher, _ <-chan error) *watcher { return w }

func TestASlowWatcherSlowsNoDeliveryAndIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		w, _ := h.watch(t, &leadgatev1.WatchDeliveriesRequest{})
		w.sent <- nil // once the buffer is full, Send blocks
		h.apply(nil)
		ids := h.accept(people(6000)...) // 12,000 events, of which 10,000 are kept
		h.rest(time.Second)
		h.expectState(ids[0], done)
		h.expectState(ids[5999], done)
		missed, seen := uint64(0), 0
		for {
			messages := w.take()
			if len(messages) == 0 {
				break
			}
			for _, m := range messages {
				missed += m.GetGap().GetMissed()
			}
			seen += len(shown(messages))
		}
		if missed == 0 || int(missed)+seen != 12000 {
			t.Errorf("%d events were shown and %d told as missing", seen, missed)
		}
	})
}

func TestAWatchEndsWithTheGateway(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		_, ended := h.watch(t, &leadgatev1.WatchDeliveriesRequest{})
		synctest.Wait()
		h.journal.Close()
		expectStatus(t, <-ended, codes.Unavailable, "STOPPING")
	})
}
