package server

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/store"
)

// How long a browser may cache the answer to a form's preflight, in seconds. Chromium allows at most two hours.
const preflightAge = "7200"

// SubmitForm implements LeadServiceServer.
func (s *leads) SubmitForm(ctx context.Context, r *leadgatev1.SubmitFormRequest) (*leadgatev1.SubmitFormResponse, error) {
	c, h := callOf(ctx), s.house()
	form := h.forms[r.GetForm()]
	if form == nil {
		return nil, formNotFound(r.GetForm())
	}
	c.form = form.name
	notes := h.introduce(c)
	if err := s.checkRate(form, c); err != nil {
		return nil, err
	}
	key, err := agreedKey(c.key, r.GetIdempotencyKey(), keyField(r.GetSubmission()))
	if err != nil {
		return nil, err
	}
	c.describe(r.GetSubmission())
	result := form.Lead(r.GetSubmission())
	verdicts := result.Judge(s.count(form, c, result.Lead.GetEmail(), key))
	a := &arrival{
		call: c, house: h, form: form.name, lead: result.Lead, submission: result.Stored, scope: form.name, key: key,
		holds: holdsOf(result, verdicts), holdReuse: !form.rejectsReuses,
		changes: withoutValues(result.Changes), detail: strings.Join(append(remarks(result, verdicts), notes...), "; "),
	}
	refusing := s.decide(form, a)
	switch {
	case key != "":
		a.payload = form.payload(result.Stored)
	case form.contentWindow > 0:
		a.content, a.contentWindow = form.content(s.hasher, result.Stored), form.contentWindow
	}
	if err := s.checkForm(result, verdicts, refusing); err != nil {
		// What was accepted once gets the same answer again, even if the rules have changed since.
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
	if !replayed {
		s.drift.tell(ctx, form.name, result.Drift, leadID, c.received)
	}
	return &leadgatev1.SubmitFormResponse{LeadId: leadID, Replayed: &replayed, Suggestions: suggestions(verdicts)}, nil
}

// checkForm returns an error with everything that the form and the rules of a lead find wrong, under the names of the form's own fields.
// A field that the form complains about gets no second complaint from the rules. If a required field probably came under another name, it
// is not the visitor's to correct, and no violation.
func (s *leads) checkForm(result *intake.Result, verdicts []intake.Verdict, refusing *formRule) error {
	var violations []violation
	named := map[string]bool{}
	for _, v := range result.Violations {
		violations = append(violations, violation{v.Field, v.Rule, v.Message})
		named[v.Field] = true
	}
	for _, v := range verdicts {
		if v.Policy == intake.Reject {
			violations = append(violations, violation{v.Field, v.Rule(), v.Message})
		}
	}
	if refusing != nil {
		violations = append(violations, refusing.violation())
	}
	found, err := broken(s.validator.Validate(result.Lead, protovalidate.WithFilter(protovalidate.FilterFunc(intake.MayBreak))))
	if err != nil {
		return err
	}
	for _, v := range found {
		v.field = result.FieldOf(v.field)
		if v.field == "" && (len(violations) > 0 || len(result.Waiting) > 0) || named[v.field] {
			continue
		}
		violations = append(violations, v)
	}
	if len(violations) == 0 {
		return nil
	}
	return violated("the submission", violations)
}

// holdsOf returns the reasons to hold a submission.
func holdsOf(result *intake.Result, verdicts []intake.Verdict) []*leadgatev1.Hold {
	var holds []*leadgatev1.Hold
	for _, v := range result.Waiting {
		holds = append(holds, &leadgatev1.Hold{Reason: leadgatev1.HoldReason_HOLD_REASON_UNMAPPED, Detail: v.Field + " " + v.Message})
	}
	for _, v := range verdicts {
		if v.Policy == intake.Hold {
			holds = append(holds, &leadgatev1.Hold{Reason: leadgatev1.HoldReason_HOLD_REASON_SPAM, Detail: finding(v)})
		}
	}
	return holds
}

// finding describes a verdict, with the name of the check that sets its policy in the configuration.
func finding(v intake.Verdict) string {
	return strings.TrimSpace(v.Field+" "+v.Message) + " (" + v.Check + ")"
}

// suggestions returns what the visitor probably meant.
func suggestions(verdicts []intake.Verdict) []*leadgatev1.SubmitFormResponse_Suggestion {
	var all []*leadgatev1.SubmitFormResponse_Suggestion
	for _, v := range verdicts {
		if v.Suggestion != "" {
			all = append(all, &leadgatev1.SubmitFormResponse_Suggestion{Field: v.Field, DidYouMean: v.Suggestion})
		}
	}
	return all
}

// withoutValues removes the values from changes, as lead records keep them: the submission has the old ones, the lead the new ones.
func withoutValues(changes []*leadgatev1.Change) []*leadgatev1.Change {
	for _, change := range changes {
		change.From, change.To = "", ""
	}
	return changes
}

// remarks returns notes on how a submission was read: what it contains and the lead does not, and what checks found but let pass. They
// contain no values.
func remarks(result *intake.Result, verdicts []intake.Verdict) (parts []string) {
	if len(result.Unmapped) > 0 {
		parts = append(parts, "nothing maps "+some(result.Unmapped))
	}
	for _, omitted := range result.Omitted {
		parts = append(parts, omitted.Field+" is left out: "+omitted.Message)
	}
	for _, file := range result.Stored.GetFiles() {
		parts = append(parts, fmt.Sprintf("the file in %s was dropped, %d bytes: files are not kept", file.GetField(), file.GetSize()))
	}
	for _, d := range result.Drift {
		if d.Taken {
			parts = append(parts, fmt.Sprintf("auto_map took %s as %s", d.Field, d.LeadField))
		}
	}
	for _, v := range verdicts {
		if v.Policy == intake.Accept {
			parts = append(parts, finding(v))
		}
	}
	return parts
}

// some joins the first names of a list, which may be a flood of made-up fields.
func some(names []string) string {
	const most = 20
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// introduce sets whether a submission comes on behalf of visitors, and returns notes about that. The form is open to everybody: an API
// key that does not allow to submit costs no lead.
func (h *house) introduce(c *call) (notes []string) {
	if c.pageHidden {
		notes = append(notes, "the browser does not say which page sent it (Origin: null)")
	}
	if c.bearer == "" || c.cookie { // a browser sends its cookie with everything
		return notes
	}
	if err := h.authorize(c, submit); err != nil {
		return append(notes, "its caller counts as a visitor: "+status.Convert(err).Message())
	}
	c.onBehalf = true
	return notes
}

// describe adds to a submission what the request says beside its fields. The address of a caller that submits on behalf of visitors is
// not the visitor's.
func (c *call) describe(submission *leadgatev1.Submission) {
	submission.Time = timestamppb.New(c.received)
	visitor := c.address
	if c.onBehalf {
		if visitor = parseAddress(submission.GetAddress()); !visitor.IsValid() {
			visitor = c.visitor
		}
	}
	submission.Address = ""
	if visitor.IsValid() {
		submission.Address = visitor.String()
	}
	if submission.GetUserAgent() == "" && c.fromPage { // over gRPC it is that of a program
		submission.UserAgent = clip(c.userAgent, 1024)
	}
	if submission.GetPageUrl() == "" {
		// A page elsewhere sends only its origin as the referrer; the browser client sends the full URL.
		page := intake.ClientField(submission, intake.FieldPage)
		if page == "" {
			page = c.page
		}
		submission.PageUrl = clip(page, 2048)
	}
}

// clip shortens text from a browser to a number of characters, and drops it if it is not UTF-8.
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

// payload returns what makes two submissions under one key the same: the fields that have a value, except those that pages set anew for
// each attempt.
func (f *form) payload(stored *leadgatev1.Submission) []store.Field {
	payload := make([]store.Field, 0, len(stored.GetFields()))
	for name, value := range f.lasting(stored) {
		payload = append(payload, store.Field{Name: name, Value: []byte(value)})
	}
	return payload
}

// content returns a hash of the same, for submissions without a key: a browser without JavaScript sends a form again in the same order.
// The hash includes the visitor's network, so that nobody can find out what somebody else has sent by sending the same.
func (f *form) content(hasher *store.Hasher, stored *leadgatev1.Submission) string {
	var all strings.Builder
	all.WriteString(networkOf(parseAddress(stored.GetAddress())).String() + "\x00\x00")
	for name, value := range f.lasting(stored) {
		all.WriteString(name + "\x00" + value + "\x00\x00")
	}
	return hex.EncodeToString(hasher.Hash(all.String()))
}

// lasting yields the fields that have a value and do not change with each attempt. Several values of a field are joined with NUL.
func (f *form) lasting(stored *leadgatev1.Submission) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, field := range stored.GetFields() {
			if value := strings.Join(field.GetValues(), "\x00"); strings.Trim(value, "\x00") != "" && !f.Volatile(field.GetName()) {
				if !yield(field.GetName(), value) {
					return
				}
			}
		}
	}
}

// serveForm takes what a page's form sends, and submits it through the same interceptors as over gRPC.
func (s *Server) serveForm(w http.ResponseWriter, r *http.Request) {
	c, form := callOf(r.Context()), s.house().forms[r.PathValue("form")]
	shareWith(w.Header(), r.Header.Get("Origin"))
	c.fromPage = true
	switch r.Method {
	case http.MethodOptions:
		preflight(w)
		return
	case http.MethodPost:
	default:
		err := methodNotAllowed(w, "POST, OPTIONS")
		if r.Method == http.MethodGet && r.URL.RawQuery != "" {
			err = worker.Failure(nil, codes.Unimplemented, &errdetails.ErrorInfo{Reason: "METHOD_NOT_ALLOWED"},
				`fields in the URL are not accepted; give the form method="post"`)
		}
		s.writeProblem(w, r, err)
		return
	}
	c.intake = true
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
		s.writeThanks(w, r, form, status, answer.GetSuggestions())
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
	_ = json.NewEncoder(w).Encode(formAnswer(answer)) // fails if the client went away
}

// formsPath is the prefix of the paths of forms.
const formsPath = "/v1/forms/"

// serveAstray answers a form that was sent to a wrong address below formsPath. It shares the answer with the page, so that whoever builds
// the page can read why: to a script, an answer that is not shared looks like a network failure, after which it would retry.
func (s *Server) serveAstray(w http.ResponseWriter, r *http.Request) {
	shareWith(w.Header(), r.Header.Get("Origin"))
	if r.Method == http.MethodOptions {
		preflight(w)
		return
	}
	callOf(r.Context()).fromPage = true
	s.writeProblem(w, r, worker.Failure(nil, codes.NotFound, &errdetails.ErrorInfo{Reason: "PATH_NOT_FOUND"},
		fmt.Sprintf("there is nothing at %s; a form is sent to %s{form}/submissions", r.URL.Path, formsPath)))
}

func (s *Server) submitForm(w http.ResponseWriter, r *http.Request, form *form) (*leadgatev1.SubmitFormResponse, error) {
	name := r.PathValue("form")
	if form == nil {
		return nil, formNotFound(name)
	}
	callOf(r.Context()).form = form.name
	switch origin := r.Header.Get("Origin"); {
	case form.allows(origin):
	case origin == "null": // a sandboxed frame, or a redirect between origins; the lead's detail says so
		callOf(r.Context()).pageHidden = true
	default:
		return nil, originNotAllowed(form.name, origin)
	}
	if r.URL.RawQuery != "" && (r.URL.Query().Has(intake.KeyField) || r.URL.Query().Has("idempotencyKey")) {
		return nil, keyFailure("the idempotency key is in the URL, where logs would keep it; send it as header Idempotency-Key or as a field of the form")
	}
	submission, err := s.readForm(w, r)
	if err != nil {
		return nil, err
	}
	return s.client.SubmitForm(r.Context(), &leadgatev1.SubmitFormRequest{Form: name, Submission: submission})
}

// readForm reads what a form sends, in any of its encodings. In a multipart form, only text counts towards the largest body; files are
// dropped.
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) (*leadgatev1.Submission, error) {
	contentType := r.Header.Get("Content-Type")
	submission := &leadgatev1.Submission{ContentType: clip(contentType, 255)}
	err := encoded(w, r)
	if err != nil {
		return nil, err
	}
	if intake.IsMultipart(contentType) {
		body, done := s.upload(w, r)
		defer done()
		submission.Fields, submission.Files, err = intake.DecodeMultipart(contentType, body, s.house().maxBody)
	} else {
		var body []byte
		if body, err = s.readBody(w, r); err != nil {
			return nil, err
		}
		submission.Fields, err = intake.Decode(contentType, body)
	}
	switch tooLong := (*intake.TooLongError)(nil); {
	case err == nil:
		return submission, nil
	case errors.As(err, &tooLong):
		return nil, violated("the submission", []violation{{tooLong.Field, intake.RuleSize, tooLong.Message()}})
	case errors.Is(err, intake.ErrMediaType):
		return nil, worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "MEDIA_TYPE_UNSUPPORTED"}, err.Error())
	case errors.Is(err, intake.ErrTooLarge):
		return nil, bodyTooLarge(s.house().maxBody, "intake.max_body_bytes, without files")
	case errors.Is(err, intake.ErrMalformed):
		return nil, worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "BODY_MALFORMED"}, err.Error())
	}
	return nil, bodyFailure(err, MaxUpload, "a form with its files", uploadTimeout)
}

// formAnswer returns the answer to a page's script.
func formAnswer(answer *leadgatev1.SubmitFormResponse) any {
	type suggestion struct {
		Field      string `json:"field"`
		DidYouMean string `json:"didYouMean"`
	}
	told := struct {
		LeadID      string       `json:"leadId"`
		Replayed    bool         `json:"replayed"`
		Suggestions []suggestion `json:"suggestions,omitempty"`
	}{LeadID: answer.GetLeadId(), Replayed: answer.GetReplayed()}
	for _, s := range answer.GetSuggestions() {
		told.Suggestions = append(told.Suggestions, suggestion{s.GetField(), s.GetDidYouMean()})
	}
	return told
}

// preflight allows every page to submit. Whether this one may is said in the answer to the submission, which a script can read; it cannot
// read the answer to a preflight.
func preflight(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Allow", "POST, OPTIONS")
	header.Set("Access-Control-Allow-Methods", "POST")
	header.Set("Access-Control-Allow-Headers", "Content-Type, Idempotency-Key, Prefer, X-Request-Id, traceparent")
	header.Set("Access-Control-Max-Age", preflightAge)
	w.WriteHeader(http.StatusNoContent)
}

func originNotAllowed(form, origin string) error {
	return worker.Failure(nil, codes.PermissionDenied, &errdetails.ErrorInfo{Reason: "ORIGIN_NOT_ALLOWED"},
		fmt.Sprintf("pages of %s may not submit form %s; if the page is yours, add %q to allowed_origins of the form", origin, form, origin))
}

// shareWith lets the pages of an origin read the answer, even if they may not submit: whoever builds a page must be able to see why. The
// answer reveals nothing that the page did not send, and no browser sends cookies with the request.
func shareWith(header http.Header, origin string) {
	header.Add("Vary", "Origin")
	if origin == "" {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", "Idempotency-Replayed, Location, Retry-After, X-Request-Id")
}

func leadPath(leadID string) string { return "/v1/leads/" + leadID }
