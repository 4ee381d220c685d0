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

// statusOfReason is the HTTP status of each reason (google.rpc.ErrorInfo) for which the one of its gRPC code is not right.
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

// problem is the body of an error over REST: RFC 9457, with members of our own behind detail.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Reason is the machine's name of the error, the same as in google.rpc.ErrorInfo over gRPC.
	Reason string `json:"reason,omitempty"`
	// RequestID finds the request in the logs.
	RequestID string `json:"requestId,omitempty"`
	// LeadID and Fields say, of a reused idempotency key, which lead came first and what differs.
	LeadID     string             `json:"leadId,omitempty"`
	Fields     []string           `json:"fields,omitempty"`
	Violations []problemViolation `json:"violations,omitempty"`

	retryAfter int // seconds; 0 for none
}

type problemViolation struct {
	Field   string `json:"field"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// problemOf turns an error with a gRPC status into a problem.
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
		p.Title = "Client closed request" // 499 stands in no RFC
	}
	return p
}

// translate says in a visitor's language what is wrong with each field. The detail is for whoever looks after the page.
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
	_ = json.NewEncoder(w).Encode(p) // the client went away
}
