package leadgate_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	leadgate "github.com/leadgate/leadgate/clients/go"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func unavailable(calls ...int) func(int) error {
	return func(call int) error {
		for _, c := range calls {
			if c == call {
				return status.Error(codes.Unavailable, "the connection is lost")
			}
		}
		return nil
	}
}

func TestALostAnswerMakesNoSecondLead(t *testing.T) {
	t.Parallel()
	g, client := open(t, leadgate.WithAPIKey("secret"))
	g.fail = unavailable(1, 2)
	accepted, err := client.Submit(t.Context(), &leadgatev1.Lead{Email: "ada@example.com"})
	if err != nil || !accepted.Replayed || len(g.byKey) != 1 {
		t.Errorf("%+v, %v, %d leads", accepted, err, len(g.byKey))
	}
	if g.bearer != "Bearer secret" {
		t.Errorf("the API key came as %q", g.bearer)
	}
}

// Its leads may have no keys, and gRPC cannot see whether they do.
func TestABatchThatIsSentByHandIsNotRepeated(t *testing.T) {
	t.Parallel()
	g, client := open(t)
	g.fail = unavailable(1)
	_, err := leadgatev1.NewLeadServiceClient(client.Conn()).BatchSubmitLeads(t.Context(), &leadgatev1.BatchSubmitLeadsRequest{
		Leads: []*leadgatev1.SubmitLeadRequest{{Lead: &leadgatev1.Lead{Email: "ada@example.com"}}},
	})
	if status.Code(err) != codes.Unavailable || len(g.byKey) != 1 {
		t.Errorf("%v, %d leads", err, len(g.byKey))
	}
}

func TestAKeyOfOnesOwnIsKept(t *testing.T) {
	t.Parallel()
	_, client := open(t)
	for i, want := range []bool{false, true} {
		accepted, err := client.SubmitForm(t.Context(), "contact", []leadgate.Field{{Name: "email", Values: []string{"ada@example.com"}}}, leadgate.WithKey("k"))
		if err != nil || accepted.Replayed != want || accepted.LeadID != "lead-1" {
			t.Errorf("time %d: %+v, %v", i, accepted, err)
		}
	}
}

func TestAServerSaysWhoFilledInItsForm(t *testing.T) {
	t.Parallel()
	g, client := open(t)
	visitor := leadgate.Visitor{Address: "198.51.100.9", UserAgent: "Browser/1", Page: "https://www.example.com/contact"}
	accepted, err := client.SubmitForm(t.Context(), "contact", []leadgate.Field{{Name: "email", Values: []string{"ada@gmial.com"}}}, leadgate.WithVisitor(visitor))
	if err != nil || !slices.Equal(accepted.Suggestions, []leadgate.Suggestion{{Field: "email", DidYouMean: "ada@gmail.com"}}) {
		t.Errorf("%+v, %v", accepted, err)
	}
	if g.form.GetAddress() != visitor.Address || g.form.GetUserAgent() != visitor.UserAgent || g.form.GetPageUrl() != visitor.Page {
		t.Errorf("the gateway got %v", g.form)
	}
}

func TestASubmissionIsRepeatedUntilThereIsAnAnswerThatWillNotChange(t *testing.T) {
	t.Parallel()
	later := &errdetails.RetryInfo{RetryDelay: durationpb.New(500 * time.Millisecond)}
	for name, c := range map[string]struct {
		code    codes.Code
		details []protoadapt.MessageV1
		again   bool
	}{
		"the connection is lost":  {codes.Unavailable, nil, true},
		"nothing can be stored":   {codes.Unavailable, []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "STORE_UNAVAILABLE"}, later}, true},
		"a fault of the gateway":  {codes.Internal, []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "INTERNAL"}}, true},
		"a proxy's own":           {codes.Unknown, nil, true},
		"it took too long":        {codes.DeadlineExceeded, []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "REQUEST_TIMEOUT"}}, true},
		"too many submissions":    {codes.ResourceExhausted, []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "TOO_MANY_SUBMISSIONS"}, later}, true},
		"too large":               {codes.ResourceExhausted, []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "LEAD_TOO_LARGE"}}, false},
		"a key that is not known": {codes.Unauthenticated, []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: "API_KEY_UNKNOWN"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, client := open(t)
			answer, err := status.New(c.code, "no").WithDetails(c.details...)
			if err != nil {
				t.Fatal(err)
			}
			var failed time.Time
			g.fail = func(call int) error {
				if call > 1 {
					return nil
				}
				failed = time.Now()
				return answer.Err()
			}
			accepted, err := client.Submit(t.Context(), &leadgatev1.Lead{Email: "ada@example.com"})
			if c.again != (err == nil) || c.again != accepted.Replayed || len(g.byKey) != 1 {
				t.Errorf("%+v, %v", accepted, err)
			}
			if waited := time.Since(failed); slices.Contains(c.details, protoadapt.MessageV1(later)) && waited < later.GetRetryDelay().AsDuration() {
				t.Errorf("sent again after %s", waited)
			}
		})
	}
}

func TestACallerWithoutTheTimeToWaitIsToldWhenToComeAgain(t *testing.T) {
	t.Parallel()
	g, client := open(t, leadgate.WithTimeout(time.Second))
	g.fail = func(int) error {
		answer, err := status.New(codes.ResourceExhausted, "too many").WithDetails(
			&errdetails.ErrorInfo{Reason: "TOO_MANY_SUBMISSIONS"}, &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)})
		if err != nil {
			t.Error(err)
		}
		return answer.Err()
	}
	_, err := client.SubmitForm(t.Context(), "contact", []leadgate.Field{{Name: "email", Values: []string{"ada@example.com"}}})
	var refused *leadgate.Error
	if !errors.As(err, &refused) || !refused.Temporary || refused.RetryAfter != time.Hour || g.calls != 1 {
		t.Errorf("%v after %d calls", err, g.calls)
	}
}

func TestARefusalNamesEveryField(t *testing.T) {
	t.Parallel()
	g, client := open(t)
	_, err := client.Submit(t.Context(), &leadgatev1.Lead{})
	var refused *leadgate.Error
	if !errors.As(err, &refused) {
		t.Fatalf("not an Error: %v", err)
	}
	want := leadgate.Violation{Field: "lead.email", Rule: "string.email", Message: "must be a valid email address"}
	if refused.Reason != "RULES_BROKEN" || len(refused.Violations) != 1 || refused.Violations[0] != want || refused.Temporary || status.Code(err) != codes.InvalidArgument {
		t.Errorf("%+v, code %v", refused, status.Code(err))
	}
	if g.calls != 1 {
		t.Errorf("%d calls, want 1: what is refused is not tried again", g.calls)
	}
}

func TestACallEndsInTime(t *testing.T) {
	t.Parallel()
	client, err := leadgate.New("127.0.0.1:1", leadgate.WithoutTLS(), leadgate.WithTimeout(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Submit(t.Context(), &leadgatev1.Lead{Email: "a@example.com"}); status.Code(err) != codes.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a gateway: %v", err)
	}
}

// people returns n leads; every fifth has no address.
func people(n int) iter.Seq[leadgate.Submission] {
	return func(yield func(leadgate.Submission) bool) {
		for i := range n {
			lead := &leadgatev1.Lead{Email: fmt.Sprintf("p%d@example.com", i)}
			if i%5 == 4 {
				lead.Email = ""
			}
			if !yield(leadgate.Submission{Lead: lead, Key: fmt.Sprint("k", i)}) {
				return
			}
		}
	}
}

func TestManyLeadsArriveOnceThroughABrokenStream(t *testing.T) {
	t.Parallel()
	g, client := open(t)
	g.fail = func(call int) error {
		switch call {
		case 700, 1500:
			return status.Error(codes.Unavailable, "the connection is lost")
		case 900, 1100:
			return status.Error(codes.ResourceExhausted, "this one later")
		}
		return nil
	}
	const n = 5000
	seen := map[string]bool{}
	for result, err := range client.SubmitAll(t.Context(), people(n)) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[result.Key] {
			t.Errorf("%s has two results", result.Key)
		}
		seen[result.Key] = true
		if refused := result.Err != nil; refused != (result.Lead.GetEmail() == "") || refused == (result.LeadID != "") {
			t.Errorf("%s: %+v, %v", result.Key, result.Accepted, result.Err)
		}
	}
	if len(seen) != n || len(g.byKey) != n*4/5 {
		t.Errorf("%d results, %d leads, want %d and %d", len(seen), len(g.byKey), n, n*4/5)
	}
}

func TestManyLeadsStopWhenNobodyWantsMore(t *testing.T) {
	t.Parallel()
	_, client := open(t)
	for range client.SubmitAll(t.Context(), people(100_000)) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := 0
	for _, err := range client.SubmitAll(ctx, people(100_000)) {
		if got++; got == 10 {
			cancel()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

func TestManyLeadsOfACallerWithoutAKeyFailAtOnce(t *testing.T) {
	t.Parallel()
	g, client := open(t)
	g.fail = func(int) error { return status.Error(codes.Unauthenticated, "an API key is needed") }
	for _, err := range client.SubmitAll(t.Context(), people(10)) {
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("%v", err)
		}
	}
	if g.calls != 1 {
		t.Errorf("%d calls, want 1", g.calls)
	}
}

func TestACallThatIsCancelledSaysSo(t *testing.T) {
	t.Parallel()
	_, client := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Submit(ctx, &leadgatev1.Lead{Email: "a@example.com"}); !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
		t.Error(err)
	}
}

func TestAnAddressForRESTIsNoTarget(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"https://leads.example.com", "http://localhost:8080"} {
		if _, err := leadgate.New(target); err == nil || !strings.Contains(err.Error(), "leads.example.com:443") {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestWhatIsNoUTF8FailsAloneAndAtOnce(t *testing.T) {
	t.Parallel()
	g, client := open(t)
	_, err := client.Submit(t.Context(), &leadgatev1.Lead{Email: "a@example.com", FirstName: "\xff"})
	if refused := (*leadgate.Error)(nil); !errors.As(err, &refused) || refused.Temporary || !strings.Contains(refused.Message, "UTF-8") || len(g.byKey) > 0 {
		t.Errorf("%v, %d leads", err, len(g.byKey))
	}
	refused := map[string]bool{}
	leads := slices.Collect(people(4))
	leads[2].Lead.FirstName = "\xff"
	for result, err := range client.SubmitAll(t.Context(), slices.Values(leads)) {
		if err != nil {
			t.Fatal(err)
		}
		refused[result.Key] = result.Err != nil
	}
	for i, lead := range leads {
		if is, ok := refused[lead.Key]; !ok || is != (i == 2) {
			t.Errorf("lead %d: refused %v, seen %v", i, is, ok)
		}
	}
}
