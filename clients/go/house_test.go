package leadgate_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	leadgate "github.com/leadgate/leadgate/clients/go"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gateway is a minimal gateway: it keeps keys, refuses leads without an address, and fails on demand.
type gateway struct {
	leadgatev1.UnimplementedLeadServiceServer
	address string

	mu     sync.Mutex
	byKey  map[string]string // the lead's identifier
	fail   func(call int) error
	calls  int
	bearer string
	form   *leadgatev1.Submission // the last one submitted through a form
}

// newGateway serves until the test or example ends.
func newGateway(cleanup func(func())) *gateway {
	g := &gateway{byKey: map[string]string{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	g.address = listener.Addr().String()
	server := grpc.NewServer()
	leadgatev1.RegisterLeadServiceServer(server, g)
	go func() { _ = server.Serve(listener) }()
	cleanup(server.Stop)
	return g
}

func (g *gateway) accept(r *leadgatev1.SubmitLeadRequest) (id string, replayed bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.GetLead().GetEmail() == "" {
		return "", false, refused("the request breaks a rule", "RULES_BROKEN", "lead.email", "string.email", "must be a valid email address")
	}
	if id, ok := g.byKey[r.GetIdempotencyKey()]; ok {
		return id, true, nil
	}
	id = fmt.Sprintf("lead-%d", len(g.byKey)+1)
	g.byKey[r.GetIdempotencyKey()] = id
	return id, false, nil
}

func refused(message, reason, field, rule, violation string) error {
	st, err := status.New(codes.InvalidArgument, message).WithDetails(
		&errdetails.ErrorInfo{Reason: reason},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Reason: rule, Description: violation}}})
	if err != nil {
		panic(err)
	}
	return st.Err()
}

// failure returns the error that the test wants this call to fail with.
func (g *gateway) failure(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if md, _ := metadata.FromIncomingContext(ctx); len(md["authorization"]) > 0 {
		g.bearer = md["authorization"][0]
	}
	if g.fail == nil {
		return nil
	}
	return g.fail(g.calls)
}

func (g *gateway) SubmitLead(ctx context.Context, r *leadgatev1.SubmitLeadRequest) (*leadgatev1.SubmitLeadResponse, error) {
	id, replayed, err := g.accept(r)
	if failed := g.failure(ctx); failed != nil {
		return nil, failed // after it was accepted: the answer is lost
	}
	if err != nil {
		return nil, err
	}
	return &leadgatev1.SubmitLeadResponse{LeadId: id, Replayed: &replayed}, nil
}

func (g *gateway) BatchSubmitLeads(ctx context.Context, r *leadgatev1.BatchSubmitLeadsRequest) (*leadgatev1.BatchSubmitLeadsResponse, error) {
	for range r.GetLeads() { // without keys, each is a new lead
		g.mu.Lock()
		g.byKey[fmt.Sprintf("batch-%d", len(g.byKey))] = ""
		g.mu.Unlock()
	}
	return &leadgatev1.BatchSubmitLeadsResponse{}, g.failure(ctx)
}

func (g *gateway) SubmitForm(ctx context.Context, r *leadgatev1.SubmitFormRequest) (*leadgatev1.SubmitFormResponse, error) {
	g.mu.Lock()
	g.form = r.GetSubmission()
	g.mu.Unlock()
	lead := &leadgatev1.Lead{}
	for _, field := range r.GetSubmission().GetFields() {
		if field.GetName() == "email" {
			lead.Email = field.GetValues()[0]
		}
	}
	answer, err := g.SubmitLead(ctx, &leadgatev1.SubmitLeadRequest{Lead: lead, IdempotencyKey: r.GetIdempotencyKey()})
	if err != nil {
		return nil, err
	}
	taken := &leadgatev1.SubmitFormResponse{LeadId: answer.GetLeadId(), Replayed: answer.Replayed}
	if name, ok := strings.CutSuffix(lead.GetEmail(), "@gmial.com"); ok {
		taken.Suggestions = []*leadgatev1.SubmitFormResponse_Suggestion{{Field: "email", DidYouMean: name + "@gmail.com"}}
	}
	return taken, nil
}

func (g *gateway) SubmitLeads(stream leadgatev1.LeadService_SubmitLeadsServer) error {
	for i := uint32(0); ; i++ {
		r, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the client has said all, or went away
		}
		result := &leadgatev1.LeadResult{Index: &i}
		id, replayed, err := g.accept(r.GetRequest())
		if failed := g.failure(stream.Context()); failed != nil {
			if status.Code(failed) == codes.ResourceExhausted { // this lead alone
				result.Refusal = &leadgatev1.Refusal{Status: 500, Reason: "INTERNAL", Message: "later"}
			} else {
				return failed
			}
		} else if err != nil {
			result.Refusal = &leadgatev1.Refusal{Status: 400, Reason: "RULES_BROKEN", Message: err.Error()}
		} else {
			result.LeadId, result.Replayed = id, &replayed
		}
		if err := stream.Send(&leadgatev1.SubmitLeadsResponse{Result: result}); err != nil {
			return err
		}
	}
}

// open starts a gateway and returns it with a client.
func open(t *testing.T, options ...leadgate.Option) (*gateway, *leadgate.Client) {
	t.Helper()
	g := newGateway(t.Cleanup)
	client, err := leadgate.New(g.address, append(options, leadgate.WithoutTLS())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return g, client
}
