package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
	"github.com/leadgate/leadgate/worker"
)

// How long a browser may remember what a form's preflight said, in seconds; two hours is the most that Chromium honours.
const preflightAge = "7200"

// SubmitForm implements LeadServiceServer.
func (s *leads) SubmitForm(ctx context.Context, r *leadgatev1.SubmitFormRequest) (*leadgatev1.SubmitFormResponse, error) {
	c, h := callOf(ctx), s.house()
	form := h.forms[r.GetForm()]
	if form == nil {
		return nil, formNotFound(r.GetForm())
	}
	c.form = form.name
	if err := s.checkRate(form, c); err != nil {
		return nil, err
	}
	key, err := agreedKey(c.key, r.GetIdempotencyKey(), keyField(r.GetSubmission()))
	if err != nil {
		return nil, err
	}
	c.describe(r.GetSubmission())
	result := form.Lead(r.GetSubmission())
	a := &arrival{
		call: c, house: h, form: form.name, lead: result.Lead, submission: result.Stored, scope: form.name, key: key,
		destinations: form.cfg.GetDestinations(), holdReuse: !form.rejectsReuses, detail: leftOut(result),
	}
	if c.pageHidden {
		a.detail = strings.TrimPrefix(a.detail+"; the browser does not say which page sent it (Origin: null)", "; ")
	}
	if key != "" {
		a.payload = formPayload(result.Stored)
	}
	if err := s.checkForm(result); err != nil {
		// What was accepted once is answered so again, even if the rules have changed since.
		if leadID, ok := s.lookUp(ctx, a); ok {
			replayed := true
			return &leadgatev1.SubmitFormResponse{LeadId: leadID, Replayed: &replayed}, nil
		}
		return nil, err
	}
	leadID, replayed, err := s.accept(ctx, a)
	if err != nil {
		return nil, err
	}
	return &leadgatev1.SubmitFormResponse{LeadId: leadID, Replayed: &replayed}, nil
}

// checkForm collects what the form and the rules of a lead find wrong, named by the form's own fields. Where the form says
// what is wrong with a field, the rules need not say it again.
func (s *leads) checkForm(result *intake.Result) error {
	var violations []violation
	named := map[string]bool{}
	for _, v := range result.Violations {
		violations = append(violations, violation{v.Field, v.Rule, v.Message})
		named[v.Field] = true
	}
	found, err := broken(s.validator.Validate(result.Lead))
	if err != nil {
		return err
	}
	for _, v := range found {
		v.field = result.FieldOf(v.field)
		if !named[v.field] && (v.field != "" || len(violations) == 0) {
			violations = append(violations, v)
		}
	}
	if len(violations) == 0 {
		return nil
	}
	return violated("the submission", violations)
}

// leftOut names what the submission holds and the lead does not, in words, and never a value.
func leftOut(result *intake.Result) string {
	var parts []string
	if len(result.Unmapped) > 0 {
		parts = append(parts, "nothing maps "+strings.Join(result.Unmapped, ", "))
	}
	for _, omitted := range result.Omitted {
		parts = append(parts, omitted.Field+" is left out: "+omitted.Message)
	}
	return strings.Join(parts, "; ")
}

// describe adds to a submission what the request says beside its fields.
func (c *call) describe(submission *leadgatev1.Submission) {
	submission.Time = timestamppb.New(c.received)
	submission.Address = ""
	if c.address.IsValid() {
		submission.Address = c.address.String()
	}
	if submission.GetUserAgent() == "" {
		submission.UserAgent = clip(c.userAgent, 1024)
	}
	if submission.GetPageUrl() == "" {
		// A page elsewhere sends only its origin as referrer; the browser client says all of it.
		page := intake.ClientField(submission, intake.FieldPage)
		if page == "" {
			page = c.page
		}
		submission.PageUrl = clip(page, 2048)
	}
}

// clip shortens what a browser says of itself to what a lead holds, in characters, and drops it if it is not text.
func clip(text string, length int) string {
	if !utf8.ValidString(text) {
		return ""
	}
	for at := range text {
		if length == 0 {
			return text[:at]
		}
		length--
	}
	return text
}

func keyField(submission *leadgatev1.Submission) string {
	for _, field := range submission.GetFields() {
		if field.GetName() == intake.KeyField && len(field.GetValues()) > 0 {
			return field.GetValues()[0]
		}
	}
	return ""
}

// volatileFields are what pages add anew for each attempt to send: they do not make two submissions different.
var volatileFields = map[string]bool{
	"g-recaptcha-response": true, "h-captcha-response": true, "cf-turnstile-response": true,
	"csrf_token": true, "csrfmiddlewaretoken": true, "authenticity_token": true, "_token": true, "_csrf": true,
}

// formPayload is what makes two submissions under one key the same: every field that has a value, by its name.
func formPayload(stored *leadgatev1.Submission) map[string][]byte {
	payload := map[string][]byte{}
	for _, field := range stored.GetFields() {
		values := field.GetValues()
		if volatileFields[field.GetName()] || intake.IsClientField(field.GetName()) || strings.Join(values, "") == "" {
			continue
		}
		// No value holds a NUL that was not cleaned away or that two submissions would not share.
		payload[field.GetName()] = []byte(strings.Join(values, "\x00"))
	}
	return payload
}

// serveForm is the door for pages: whatever a form sends goes to SubmitForm through the same interceptors as over gRPC.
func (s *Server) serveForm(w http.ResponseWriter, r *http.Request) {
	c, name := callOf(r.Context()), r.PathValue("form")
	form := s.house().forms[name]
	if form == nil || form.allows(r.Header.Get("Origin")) { // whoever builds a page must be able to read that there is no such form
		shareWith(w.Header(), r.Header.Get("Origin"))
	}
	switch r.Method {
	case http.MethodOptions:
		s.preflight(w, r, form)
		return
	case http.MethodPost:
	default:
		s.writeProblem(w, r, methodNotAllowed(w, "POST, OPTIONS"))
		return
	}
	c.intake, c.fromPage = true, true
	answer, err := s.submitForm(w, r, form)
	if err != nil {
		s.refused(c, err)
		s.writeProblem(w, r, err)
		return
	}
	status := http.StatusCreated
	if answer.GetReplayed() {
		status = http.StatusOK
		w.Header().Set("Idempotency-Replayed", "true")
	} else {
		w.Header().Set("Location", leadPath(answer.GetLeadId())) // a redirect replaces it
	}
	if wantsPage(r) {
		s.writeThanks(w, r, form, status)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if prefersMinimal(r) {
		w.Header().Set("Preference-Applied", minimal)
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the client went away
		LeadID   string `json:"leadId"`
		Replayed bool   `json:"replayed"`
	}{answer.GetLeadId(), answer.GetReplayed()})
}

func (s *Server) submitForm(w http.ResponseWriter, r *http.Request, form *form) (*leadgatev1.SubmitFormResponse, error) {
	name := r.PathValue("form")
	if form == nil {
		return nil, formNotFound(name)
	}
	callOf(r.Context()).form = form.name
	switch origin := r.Header.Get("Origin"); {
	case form.allows(origin):
	case origin == "null": // a page in a frame, or one that was reached by a redirect: the lead says so
		callOf(r.Context()).pageHidden = true
	default:
		return nil, originNotAllowed(origin)
	}
	if r.URL.RawQuery != "" && (r.URL.Query().Has(intake.KeyField) || r.URL.Query().Has("idempotencyKey")) {
		return nil, keyFailure("the idempotency key came in the address, where logs keep it; send it as header Idempotency-Key or as a field of the form")
	}
	body, err := s.readBody(w, r)
	if err != nil {
		return nil, err
	}
	contentType := r.Header.Get("Content-Type")
	fields, err := intake.Decode(contentType, body)
	switch {
	case errors.Is(err, intake.ErrMediaType):
		return nil, worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "MEDIA_TYPE_UNSUPPORTED"}, err.Error())
	case err != nil:
		return nil, worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "BODY_MALFORMED"}, err.Error())
	}
	return s.client.SubmitForm(r.Context(), &leadgatev1.SubmitFormRequest{
		Form: name, Submission: &leadgatev1.Submission{Fields: fields, ContentType: contentType},
	})
}

// preflight answers a browser that asks whether a page may submit.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request, form *form) {
	switch origin := r.Header.Get("Origin"); {
	case form == nil:
		s.writeProblem(w, r, formNotFound(r.PathValue("form")))
	case !form.allows(origin):
		s.writeProblem(w, r, originNotAllowed(origin))
	default:
		header := w.Header()
		header.Set("Allow", "POST, OPTIONS")
		header.Set("Access-Control-Allow-Methods", "POST")
		header.Set("Access-Control-Allow-Headers", "Content-Type, Idempotency-Key, Prefer, X-Request-Id, traceparent")
		header.Set("Access-Control-Max-Age", preflightAge)
		w.WriteHeader(http.StatusNoContent)
	}
}

func originNotAllowed(origin string) error {
	return worker.Failure(nil, codes.PermissionDenied, &errdetails.ErrorInfo{Reason: "ORIGIN_NOT_ALLOWED"},
		"pages of "+origin+" may not submit this form; add the origin to allowed_origins of the form")
}

// shareWith lets the pages of an origin read the answer.
func shareWith(header http.Header, origin string) {
	header.Add("Vary", "Origin")
	if origin == "" {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", "Idempotency-Replayed, Location, Retry-After, X-Request-Id")
}

func leadPath(leadID string) string { return "/v1/leads/" + leadID }
