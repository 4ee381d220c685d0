package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func TestOneBadLeadOfABatchFailsAlone(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	const batch = `{"leads":[
		{"lead":{"email":" Ada@Example.com "},"idempotencyKey":"a"},
		{"lead":{"email":"nobody","country":"Utopia"}},
		{},
		{"lead":{"email":"grace@example.com","source":{"form":"contact"}},"idempotencyKey":"b"},
		{"lead":{"email":"else@example.com"},"idempotencyKey":"a"}
	]}`
	for round, replayed := range []string{"false", "true"} {
		a := h.post("/v1/leads:batch", asJSON, batch).expect(t, 200)
		results, _ := a.body["results"].([]any)
		if len(results) != 5 {
			t.Fatalf("%d results: %s", len(results), a.text)
		}
		for i, want := range []string{`replayed:` + replayed, `reason:RULES_BROKEN`, `field:lead`, `replayed:` + replayed, `reason:IDEMPOTENCY_KEY_REUSED`} {
			if got := fmt.Sprint(results[i]); !strings.Contains(got, want) {
				t.Errorf("round %d: result %d is %s, want %s", round, i, got, want)
			}
		}
		for i, result := range results { // a number, also for the first
			if got := result.(map[string]any)["index"]; got != float64(i) {
				t.Errorf("round %d: result %d has index %#v", round, i, got)
			}
		}
		if got := fmt.Sprint(results[1]); !strings.Contains(got, "field:lead.email") || !strings.Contains(got, "field:lead.country") || !strings.Contains(got, "status:400") {
			t.Errorf("not every broken rule is named: %s", got)
		}
		if got := fmt.Sprint(results[4]); !strings.Contains(got, "status:422") || !strings.Contains(got, "fields:[email]") {
			t.Errorf("a reused key: %s", got)
		}
	}
	if leads := h.send("GET", "/v1/leads", "", "").body["leads"].([]any); len(leads) != 2 {
		t.Errorf("%d leads are kept, want 2", len(leads))
	}
	refused := h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetStage() == leadgatev1.Stage_STAGE_REJECTED })
	if !strings.Contains(refused.GetError(), "lead.email") {
		t.Errorf("no event says which lead was refused: %v", refused)
	}
}

func TestABatchHasBounds(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.post("/v1/leads:batch", asJSON, `{"leads":[]}`).expect(t, 400, `"field":"leads"`)
	h.post("/v1/leads:batch", asJSON, `{"leads":[{"lead":{"email":"a@example.com"}}]}`, "Idempotency-Key", "k").expect(t, 400, "each lead its own")
	large := `{"leads":[{"lead":{"email":"a@example.com","message":"` + strings.Repeat("x", 30<<10) + `"}}` + strings.Repeat(`,{"lead":{"email":"a@example.com","message":"`+strings.Repeat("x", 30<<10)+`"}}`, 99) + `]}`
	h.post("/v1/leads:batch", asJSON, large).expect(t, 200)
	h.post("/v1/leads:batch", asJSON, large+strings.Repeat(" ", 4<<20)).expect(t, 413, "4194304")
	h.post("/v1/leads", asJSON, ada+strings.Repeat(" ", 64<<10)).expect(t, 413)
	// A single lead may be no larger over gRPC.
	client := leadgatev1.NewLeadServiceClient(h.dial())
	lead := &leadgatev1.Lead{Email: "a@example.com", Message: strings.Repeat("x", 70<<10)}
	if _, err := client.SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{Lead: lead}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large lead over gRPC: %v", err)
	}
}

func TestAStreamAnswersEachLeadWhenItIsOnDisk(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	client := leadgatev1.NewLeadServiceClient(h.dial())
	stream, err := client.SubmitLeads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	send := func(email, key string) *leadgatev1.LeadResult {
		t.Helper()
		if err := stream.Send(&leadgatev1.SubmitLeadsRequest{Request: &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: email}, IdempotencyKey: key}}); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetResult()
	}
	first := send("ada@example.com", "a")
	if _, err := h.store.Lead(t.Context(), first.GetLeadId()); err != nil {
		t.Errorf("the lead is not kept: %v", err)
	}
	if bad := send("nobody", ""); bad.GetRefusal().GetReason() != "RULES_BROKEN" || bad.GetIndex() != 1 {
		t.Errorf("a bad lead: %v", bad)
	}
	if again := send("ada@example.com", "a"); !again.GetReplayed() || again.GetLeadId() != first.GetLeadId() {
		t.Errorf("again: %v", again)
	}
	const many = 2000
	go func() {
		for i := range many {
			_ = stream.Send(&leadgatev1.SubmitLeadsRequest{Request: &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: fmt.Sprintf("p%d@example.com", i)}}})
		}
		_ = stream.CloseSend()
	}()
	for i := range many {
		answer, err := stream.Recv()
		if err != nil || answer.GetResult().GetIndex() != uint32(i+3) || answer.GetResult().GetLeadId() == "" {
			t.Fatalf("result %d: %v, %v", i, answer, err)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ends with %v", err)
	}
	keyed, err := client.SubmitLeads(metadata.AppendToOutgoingContext(t.Context(), "idempotency-key", "k"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyed.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a key for the whole stream: %v", err)
	}
}

// Watchers see a sender with a wrong key, over every transport, but nothing of one that disconnects.
func TestAStreamThatIsRefusedIsAnEvent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		metadata []string
		reason   string
	}{
		"without a key":    {nil, "API_KEY_MISSING"},
		"a wrong key":      {[]string{"authorization", "Bearer wrong"}, "API_KEY_UNKNOWN"},
		"without the role": {[]string{"authorization", "Bearer ops-key"}, "ROLE_MISSING"},
		"a key for all":    {[]string{"authorization", "Bearer shop-key", "idempotency-key", "k"}, "IDEMPOTENCY_KEY_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{config: withKeys, env: keys})
			ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), c.metadata...))
			stream, err := leadgatev1.NewLeadServiceClient(h.dial()).SubmitLeads(ctx)
			if err != nil {
				t.Fatal(err)
			}
			_, refused := stream.Recv()
			cancel()
			if refused == nil {
				t.Fatal("it is not refused")
			}
			told := h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetStage() == leadgatev1.Stage_STAGE_REJECTED })
			if told.GetReason() != c.reason || !strings.Contains(told.GetError(), status.Convert(refused).Message()) || told.GetRequestId() == "" {
				t.Errorf("refused with %v, told as %v", refused, told)
			}
		})
	}
}

func TestAStoppingServerEndsAStreamOfLeads(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	stream, err := leadgatev1.NewLeadServiceClient(h.dial()).SubmitLeads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&leadgatev1.SubmitLeadsRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil { // the stream is open
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ends with %v", err)
	}
}

func TestAStreamThatIsCutByTheStopRefusesNoGoodLead(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	client := leadgatev1.NewLeadServiceClient(h.dial())
	var streams sync.WaitGroup
	var answered atomic.Int64
	busy := make(chan struct{})
	enough := sync.OnceFunc(func() { close(busy) })
	for sender := range 8 {
		stream, err := client.SubmitLeads(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		streams.Go(func() {
			for i := 0; ; i++ {
				lead := &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: fmt.Sprintf("p%d-%d@example.com", sender, i)}, IdempotencyKey: fmt.Sprintf("%d-%d", sender, i)}
				if stream.Send(&leadgatev1.SubmitLeadsRequest{Request: lead}) != nil {
					return // the receiver gets the reason
				}
			}
		})
		streams.Go(func() {
			for {
				answer, err := stream.Recv()
				if err != nil {
					if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "stopping") {
						t.Errorf("the stream ended with %v, want that leadgate is stopping", err)
					}
					return
				}
				if refusal := answer.GetResult().GetRefusal(); refusal != nil {
					t.Errorf("a good lead was refused: %v", refusal)
				}
				if answered.Add(1) == 2000 {
					enough()
				}
			}
		})
	}
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // the disk may be slow, and accepted leads are still written
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		t.Errorf("with senders: %v", err)
	}
	streams.Wait()
	if n := len(h.matching(func(e *leadgatev1.Event) bool { return e.GetLead().GetStage() == leadgatev1.Stage_STAGE_REJECTED })); n > 0 {
		t.Errorf("%d events tell of refusals", n)
	}
}
