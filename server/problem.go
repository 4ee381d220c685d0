package server

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// statusOfReason is the HTTP status of reasons (google.rpc.ErrorInfo) for which the one of the gRPC code is wrong.
var statusOfReason = map[string]int{
	"IDEMPOTENCY_KEY_REUSED":  http.StatusUnprocessableEntity,
	"METHOD_NOT_ALLOWED":      http.StatusMethodNotAllowed,
	"MEDIA_TYPE_UNSUPPORTED":  http.StatusUnsupportedMediaType,
	"BODY_TOO_LARGE":          http.StatusRequestEntityTooLarge,
	"LEAD_TOO_LARGE":          http.StatusRequestEntityTooLarge,
	"REQUEST_TIMEOUT":         http.StatusRequestTimeout,
	"DELIVERY_STATE":          http.StatusConflict,
	"EXPECTED_COUNT_MISMATCH": http.StatusConflict,
}

// problem is the body of an error over REST: RFC 9457, extended by the members after detail.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Reason identifies the error for programs, as in google.rpc.ErrorInfo over gRPC.
	Reason string `json:"reason,omitempty"`
	// RequestID identifies the request in logs.
	RequestID string `json:"requestId,omitempty"`
	// LeadID and Fields say, for a reused idempotency key, which lead came first and which fields differ.
	LeadID     string             `json:"leadId,omitempty"`
	Fields     []string           `json:"fields,omitempty"`
	Violations []problemViolation `json:"violations,omitempty"`

	retryAfter int // in seconds; 0 for none
}

type problemViolation struct {
	Field   string `json:"field"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// problemOf converts an error with a gRPC status.
func problemOf(err error) *problem {
	st := status.Convert(err)
	p := &problem{Status: runtime.HTTPStatusFromCode(st.Code()), Detail: st.Message()}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			p.Reason = d.GetReason()
			if code, ok := statusOfReason[p.Reason]; ok {
				p.Status = code
			}
			p.LeadID = d.GetMetadata()["leadId"]
			if fields := d.GetMetadata()["fields"]; fields != "" {
				p.Fields = strings.Split(fields, ",")
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				p.Violations = append(p.Violations, problemViolation{v.GetField(), v.GetReason(), v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			p.retryAfter = int(math.Ceil(d.GetRetryDelay().AsDuration().Seconds()))
		}
	}
	if p.Title = http.StatusText(p.Status); p.Title == "" {
		p.Title = "Client closed request" // 499 is in no RFC
	}
	return p
}

// translate puts the violations into a visitor's language. The detail is for the maintainer of the page and stays in English.
func (p *problem) translate(in spoken) {
	for i, v := range p.Violations {
		p.Violations[i].Message = in.say(v.Rule, v.Message)
	}
}

// writeProblem answers a request with an error.
func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	c := callOf(r.Context())
	p.RequestID = c.id
	header := w.Header()
	if c.fromPage {
		header.Add("Vary", "Accept-Language")
		p.translate(s.words.spokenBy(r.Header.Get("Accept-Language")))
	}
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="leadgate"`)
	}
	if c.fromPage && wantsPage(r) {
		s.writeRefusal(w, r, p)
		return
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // fails if the client went away
}
