package server

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
)

// role is what an API key may do.
type role string

const (
	anyone  role = ""        // no key needed
	known   role = "any key" // a key with any role
	submit  role = "submit"
	read    role = "read"
	operate role = "operate"
)

// roleOf returns the role that an RPC requires. One that is not listed requires operate, so that a new one is not open by mistake.
func roleOf(method string) role {
	switch method {
	case leadgatev1.LeadService_SubmitForm_FullMethodName,
		"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", "/grpc.health.v1.Health/List":
		return anyone
	case "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo":
		return known
	case leadgatev1.LeadService_SubmitLead_FullMethodName, leadgatev1.LeadService_BatchSubmitLeads_FullMethodName, leadgatev1.LeadService_SubmitLeads_FullMethodName:
		return submit
	case leadgatev1.LeadService_PreviewForm_FullMethodName, leadgatev1.LeadService_GetLead_FullMethodName, leadgatev1.LeadService_ListLeads_FullMethodName, leadgatev1.LeadService_ExportLeads_FullMethodName,
		leadgatev1.WorkerService_WatchDeliveries_FullMethodName, leadgatev1.WorkerService_ListDeliveries_FullMethodName,
		leadgatev1.WorkerService_GetDelivery_FullMethodName, leadgatev1.WorkerService_ListDestinations_FullMethodName,
		leadgatev1.WorkerService_GetOperation_FullMethodName, leadgatev1.WorkerService_ListOperations_FullMethodName,
		leadgatev1.WorkerService_GetStats_FullMethodName, leadgatev1.WorkerService_ListAlerts_FullMethodName,
		leadgatev1.WorkerService_ListDrift_FullMethodName:
		return read
	}
	return operate
}

// authorize returns an error if a call is not allowed. Without configured API keys, only callers on this machine are.
func (h *house) authorize(c *call, want role) error {
	switch {
	case want == anyone:
		return nil
	case len(h.keys) == 0 && c.local:
		return nil
	case len(h.keys) == 0:
		return worker.Failure(nil, codes.PermissionDenied, &errdetails.ErrorInfo{Reason: "NOT_LOCAL"},
			"without api_keys in the configuration only direct callers on the gateway's own machine are served; configure api_keys, and send one as Authorization: Bearer KEY")
	case c.bearer == "":
		return worker.Failure(nil, codes.Unauthenticated, &errdetails.ErrorInfo{Reason: "API_KEY_MISSING"},
			"an API key is needed; send it as Authorization: Bearer KEY")
	case c.foreign:
		return crossOrigin()
	}
	key := h.key(c.bearer)
	if key == nil {
		return worker.Failure(nil, codes.Unauthenticated, &errdetails.ErrorInfo{Reason: "API_KEY_UNKNOWN"}, "this API key is not known here")
	}
	if want != known && !slices.Contains(key.GetRoles(), string(want)) {
		return worker.Failure(nil, codes.PermissionDenied, &errdetails.ErrorInfo{Reason: "ROLE_MISSING"},
			"API key "+key.GetName()+" does not have the role "+string(want)+"; give it that role in the configuration, or use another key")
	}
	c.apiKey = key.GetName()
	return nil
}

// key returns the configured API key that a caller sent; nil if there is none.
func (h *house) key(bearer string) *configv1.APIKey { return h.keys[sha256.Sum256([]byte(bearer))] }

// letIn authorizes a call. It logs a refused API key, because somebody may be guessing: only one for each network within a while.
func (s *Server) letIn(c *call, want role) error {
	err := s.house().authorize(c, want)
	if err != nil && c.bearer != "" && s.once.Tell("key from "+networkOf(c.address).String()) {
		s.log.Warn("an API key was refused; more from the same network are not logged for a while", "address", c.address.String(), "request_id", c.id, "error", err.Error())
	}
	return err
}

// authenticate authorizes the call in the context for an RPC.
func (s *Server) authenticate(ctx context.Context, method string) error {
	return s.letIn(callOf(ctx), roleOf(method))
}

// guarded returns a plain HTTP handler for callers with a role.
func (s *Server) guarded(want role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.letIn(callOf(r.Context()), want); err != nil {
			s.writeProblem(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}
