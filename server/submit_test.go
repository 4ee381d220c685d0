package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

const ada = `{"lead":{"email":"ada@example.com","firstName":"Ada"}}`

func TestANewLeadIsCreatedAtItsLocation(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	a := h.post("/v1/leads", asJSON, ada, "Idempotency-Key", "k1").expect(t, 201, `"replayed":false`)
	location := a.header.Get("Location")
	if location != "/v1/leads/"+a.body["leadId"].(string) {
		t.Errorf("Location %q does not name lead %v", location, a.body["leadId"])
	}
	lead := h.send("GET", location, "", "").expect(t, 200, `"email":"ada@example.com"`, "STAGE_RECEIVED", "STAGE_VALIDATED", "STAGE_QUEUED")
	if strings.Contains(lead.text, "lastName") {
		t.Errorf("fields that are not set are shown: %s", lead.text)
	}
}

// Protobuf can hold what JSON cannot: once accepted, it would break every list of leads.
func TestWhatNoJSONCanHoldIsRefusedOverGRPC(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	leads := leadgatev1.NewLeadServiceClient(h.dial())
	consent := func(seconds int64, nanos int32) *leadgatev1.Lead {
		return &leadgatev1.Lead{Consents: []*leadgatev1.Consent{{Purpose: "news", Time: &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}}}}
	}
	custom := func(value *structpb.Value) *leadgatev1.Lead {
		return &leadgatev1.Lead{Custom: map[string]*structpb.Value{"x": value}}
	}
	nan := structpb.NewNumberValue(math.NaN())
	for name, c := range map[string]struct {
		lead *leadgatev1.Lead
		want codes.Code
	}{
		"not a number":            {custom(nan), codes.InvalidArgument},
		"infinite":                {custom(structpb.NewNumberValue(math.Inf(-1))), codes.InvalidArgument},
		"not a number, in a list": {custom(structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewNumberValue(1), nan}})), codes.InvalidArgument},
		"the largest number":      {custom(structpb.NewNumberValue(math.MaxFloat64)), codes.OK},
		"after the year 9999":     {consent(253402300800, 0), codes.InvalidArgument},
		"before the year 1":       {consent(-62135596801, 0), codes.InvalidArgument},
		"never":                   {consent(math.MaxInt64, 0), codes.InvalidArgument},
		"in more than a second":   {consent(1_700_000_000, 1_999_999_999), codes.OK},
		"before its second":       {consent(1_700_000_000, -1), codes.OK},
	} {
		c.lead.Email = "ada@example.com"
		if _, err := leads.SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{Lead: c.lead}); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		batch, err := leads.BatchSubmitLeads(t.Context(), &leadgatev1.BatchSubmitLeadsRequest{Leads: []*leadgatev1.SubmitLeadRequest{{Lead: c.lead}}})
		if err != nil || (batch.GetResults()[0].GetRefusal() == nil) != (c.want == codes.OK) {
			t.Errorf("%s, in a batch: %v, %v", name, batch, err)
		}
	}
	h.send("GET", "/v1/leads", "", "").expect(t, 200, "2023-11-14T22:13:21.999999999Z", "2023-11-14T22:13:19.999999999Z")
}

func TestAReplayedKeyAnswersOKWithTheFirstLead(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	first := h.post("/v1/leads", asJSON, ada, "Idempotency-Key", "k1").expect(t, 201)
	for name, send := range map[string]func() answer{
		"as header":            func() answer { return h.post("/v1/leads", asJSON, ada, "Idempotency-Key", "k1") },
		"as structured string": func() answer { return h.post("/v1/leads", asJSON, ada, "Idempotency-Key", `"k1"`) },
		"as field": func() answer {
			return h.post("/v1/leads", asJSON, `{"idempotencyKey":"k1","lead":{"first_name":"Ada","email":"ada@example.com"}}`)
		},
		"in other bytes": func() answer {
			return h.post("/v1/leads", asJSON, `{ "lead" : {"firstName":"\u0041da","email":" ADA@example.com "} }`, "Idempotency-Key", "k1")
		},
	} {
		a := send().expect(t, 200, `"replayed":true`)
		if a.header.Get("Idempotency-Replayed") != "true" || a.body["leadId"] != first.body["leadId"] || a.header.Get("Location") != "" {
			t.Errorf("%s: header %q, lead %v, want a replay of %v", name, a.header.Get("Idempotency-Replayed"), a.body["leadId"], first.body["leadId"])
		}
	}
}

func TestAReusedKeyNamesWhatDiffersAndNoValue(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	first := h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com","firstName":"Ada","custom":{"budget":"1","size":2}}}`, "Idempotency-Key", "k1").expect(t, 201)
	a := h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com","firstName":"Grace","custom":{"budget":"1","size":3}}}`, "Idempotency-Key", "k1").expect(t, 422)
	fields, _ := json.Marshal(a.body["fields"])
	if string(fields) != `["custom.size","first_name"]` || a.body["leadId"] != first.body["leadId"] || strings.Contains(a.text, "Grace") {
		t.Errorf("want the fields custom.size and first_name, lead %v and no value: %s", first.body["leadId"], a.text)
	}
}

func TestAFormKeepsWhatCameUnderAReusedKey(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	const path = "/v1/forms/contact/submissions"
	first := h.post(path, asForm, "email=ada@example.com&csrf=1", "Idempotency-Key", "k1").expect(t, 201)
	h.post(path, asForm, "email=ada@example.com&csrf=2", "Idempotency-Key", "k1").expect(t, 200)
	for range 2 {
		a := h.post(path, asForm, "email=grace@example.com", "Idempotency-Key", "k1").expect(t, 200)
		if a.body["leadId"] != first.body["leadId"] {
			t.Errorf("lead %v, want the first one %v", a.body["leadId"], first.body["leadId"])
		}
	}
	held := h.send("GET", "/v1/leads?state=held", "", "").expect(t, 200, "grace@example.com", "HOLD_REASON_KEY_REUSED", first.body["leadId"].(string))
	if leads := held.body["leads"].([]any); len(leads) != 1 {
		t.Errorf("%d leads are held, want 1", len(leads))
	}
}

func TestAStrangerFindsOutByNoKeyWhatSomebodyElseFilledIn(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: withKeys, env: keys})
	const path = "/v1/forms/strict/submissions"
	first := h.post(path, asForm, "email=ada@example.com", "Idempotency-Key", "k1").expect(t, 201).body["leadId"].(string)
	guess := h.post(path, asForm, "email=grace@example.com", "Idempotency-Key", "k1").expect(t, 422, "IDEMPOTENCY_KEY_REUSED")
	if strings.Contains(guess.text, first) || strings.Contains(guess.text, "email") {
		t.Errorf("a stranger is told %s", guess.text)
	}
	h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { // the operator is told
		return e.GetReason() == "IDEMPOTENCY_KEY_REUSED" && strings.Contains(e.GetError(), "lead "+first+" differs in email")
	})
	h.post(path, asForm, "email=grace@example.com", "Idempotency-Key", "k1", "Authorization", "Bearer shop-key").expect(t, 422, `"fields":["email"]`, first)
}

func TestAStrangerFindsOutByNoRepetitionWhoSentAForm(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: contactForm + `trusted_proxies: ["127.0.0.0/8"]`})
	send := func(address string, status int) {
		h.post("/v1/forms/strict/submissions", asForm, "email=ada@example.com", "X-Forwarded-For", address).expect(t, status)
	}
	send("203.0.113.7", 201)
	send("203.0.113.7", 200)
	send("203.0.113.8", 201)
}

func TestALeadThatNobodyTakesIsHeld(t *testing.T) {
	t.Parallel()
	h := open(t, options{change: func(cfg *configv1.Config) { cfg.Leads.Destinations = nil }})
	h.post("/v1/leads", asJSON, ada).expect(t, 201)
	h.send("GET", "/v1/leads?reason=NO_ROUTE", "", "").expect(t, 200, "ada@example.com", "leads.destinations")
}

// TestBadInput checks the answer to each kind of bad input, and that an event says why nothing was accepted.
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	const (
		leads = "/v1/leads"
		form  = "/v1/forms/contact/submissions"
	)
	many := func(n int, format string) string {
		var pairs []string
		for i := range n {
			pairs = append(pairs, fmt.Sprintf(format, i))
		}
		return strings.Join(pairs, "&")
	}
	for name, c := range map[string]struct {
		path, contentType, body string
		headers                 []string
		status                  int
		words                   []string
	}{
		"nothing":                 {leads, "", "", nil, 400, []string{`"field":"lead"`}},
		"an empty object":         {leads, asJSON, "{}", nil, 400, []string{`"field":"lead"`}},
		"malformed JSON":          {leads, asJSON, `{"lead":`, nil, 400, []string{"BODY_MALFORMED", "it ends too early"}},
		"a misspelt field":        {leads, asJSON, `{"lead":{"emial":"ada@example.com"}}`, nil, 400, []string{`1:10: unknown field \"emial\"; did you mean \"email\"?`}},
		"a field without lead":    {leads, asJSON, `{"email":"ada@example.com"}`, nil, 400, []string{`unknown field \"email\"; it belongs in \"lead\"`}},
		"the key within lead":     {leads, asJSON, `{"lead":{"email":"ada@example.com","idempotency_key":"k"}}`, nil, 400, []string{"it stands at the top"}},
		"a campaign within lead":  {leads, asJSON, `{"lead":{"email":"ada@example.com","utmSource":"x"}}`, nil, 400, []string{`it belongs in \"lead.source\"`}},
		"an own field":            {leads, asJSON, `{"lead":{"email":"ada@example.com","shoeSize":"44"}}`, nil, 400, []string{`fields of your own go into \"lead.custom\"`}},
		"a batch of nothing":      {leads + ":batch", asJSON, `{}`, nil, 400, []string{`"field":"leads"`}},
		"a batch too large":       {leads + ":batch", asJSON, `"` + strings.Repeat("x", 4<<20) + `"`, nil, 413, nil},
		"a batch without wrapper": {leads + ":batch", asJSON, `{"leads":[{"email":"ada@example.com"}]}`, nil, 400, []string{`it belongs in \"leads.lead\"`}},
		"something after it":      {leads, asJSON, ada + " garbage", nil, 400, []string{"BODY_MALFORMED", "1:"}},
		"two values":              {leads, asJSON, ada + ada, nil, 400, []string{"BODY_MALFORMED"}},
		"an unknown field":        {leads, asJSON, `{"lead":{"emial":"x@y.example"}}`, nil, 400, []string{"emial"}},
		"a number for text":       {leads, asJSON, `{"lead":{"phone":4930123456}}`, nil, 400, []string{"1:18: lead.phone takes a string, in quotes"}},
		"text for a boolean":      {leads, asJSON, `{"lead":{"consents":[{"granted":"yes"}]}}`, nil, 400, []string{"lead.consents[0].granted takes true or false"}},
		"a date for a time":       {leads, asJSON, `{"lead":{"consents":[{},{"time":"2026-01-02"}]}}`, nil, 400, []string{"lead.consents[1].time takes a time, such as"}},
		"an object for a list":    {leads, asJSON, `{"lead":{"consents":{"newsletter":true}}}`, nil, 400, []string{"1:21: lead.consents takes a list"}},
		"a list for an object":    {leads, asJSON, `{"lead":{"custom":["x"]}}`, nil, 400, []string{"lead.custom takes an object"}},
		"a list of leads":         {leads, asJSON, "[" + ada + "]", nil, 400, []string{"1:1: it takes an object"}},
		"a wrong lead of many":    {leads + ":batch", asJSON, "{\"leads\":[" + ada + ",\n{\"lead\":{\"email\":\"ä@example.com\", \"phone\":1}}]}", nil, 400, []string{"2:43: leads[1].lead.phone takes a string"}},
		"quotes of another kind":  {leads, asJSON, `{'lead':{}}`, nil, 400, []string{"1:2: syntax error"}},
		"two broken rules":        {leads, asJSON, `{"lead":{"email":"ada","country":"Utopia"}}`, nil, 400, []string{"lead.email", "string.email", "lead.country"}},
		"enrichment":              {leads, asJSON, `{"lead":{"email":"a@example.com","enrichment":{}}}`, nil, 400, []string{"enrichment"}},
		"an object in a field":    {leads, asJSON, `{"lead":{"email":"a@example.com","custom":{"size":2,"shoe":{"left":1}}}}`, nil, 400, []string{`lead.custom[\"shoe\"]`, "lists"}},
		"a list of lists":         {leads, asJSON, `{"lead":{"email":"a@example.com","custom":{"sizes":[1,"2",[true]]}}}`, nil, 400, []string{`lead.custom[\"sizes\"]`, "lists"}},
		"null in a list":          {leads, asJSON, `{"lead":{"email":"a@example.com","custom":{"size":[null]}}}`, nil, 400, []string{`lead.custom[\"size\"]`, "lists"}},
		"an unknown form of it":   {leads, asJSON, `{"lead":{"email":"a@example.com","source":{"form":"nope"}}}`, nil, 400, []string{"nope"}},
		"XML":                     {leads, "text/xml", "<lead/>", nil, 415, []string{"application/json"}},
		"a form to the API":       {leads, asForm, "email=a@example.com", nil, 415, nil},
		"no content type":         {leads, "", ada, nil, 415, nil},
		"packed":                  {leads, asJSON, "\x1f\x8b", []string{"Content-Encoding", "gzip"}, 415, []string{"Content-Encoding"}},
		"a packed form":           {form, asForm, "\x1f\x8b", []string{"Content-Encoding", "gzip"}, 415, []string{"Content-Encoding"}},
		"packed files":            {form, "multipart/form-data; boundary=b", "\x1f\x8b", []string{"Content-Encoding", "gzip"}, 415, []string{"Content-Encoding"}},
		"half an emoji":           {leads, asJSON, `{"lead":{"email":"ada@example.com","message":"Call me \ud83d, please"}}`, nil, 400, []string{"half a character"}},
		"half an emoji, at last":  {leads, asJSON, `{"lead":{"email":"ada@example.com","message":"Call me \ud83d"}}`, nil, 400, []string{"half a character"}},
		"Latin-1":                 {leads, asJSON, `{"lead":{"email":"ada@example.com","firstName":"Ren` + "\xe9" + `"}}`, nil, 400, []string{"1:", "it is not UTF-8"}},
		"a query":                 {leads + "?idempotency_key=k", asJSON, ada, nil, 400, []string{"Idempotency-Key"}},
		"too large":               {leads, asJSON, strings.Repeat(" ", 65<<10), nil, 413, []string{"65536"}},
		"an empty key":            {leads, asJSON, ada, []string{"Idempotency-Key", ""}, 400, []string{"empty"}},
		"an empty quoted key":     {leads, asJSON, ada, []string{"Idempotency-Key", `""`}, 400, []string{"empty"}},
		"a long key":              {leads, asJSON, ada, []string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, []string{"255"}},
		"a long key as field":     {leads, asJSON, `{"idempotencyKey":"` + strings.Repeat("k", 256) + `","lead":{"email":"a@example.com"}}`, nil, 400, []string{"255"}},
		"an unclosed key":         {leads, asJSON, ada, []string{"Idempotency-Key", `"k`}, 400, []string{"closing quote"}},
		"two keys":                {leads, asJSON, ada, []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}, 400, []string{"more than once"}},
		"keys that disagree":      {leads, asJSON, `{"idempotencyKey":"a","lead":{"email":"a@example.com"}}`, []string{"Idempotency-Key", "b"}, 400, []string{"different keys"}},

		"form: unknown":            {"/v1/forms/nope/submissions", asForm, "email=a@example.com", nil, 404, []string{"nope"}},
		"form: nothing":            {form, asForm, "", nil, 400, []string{`"field":"email"`}},
		"form: broken rules":       {form, asForm, "email=ada&firstname=" + strings.Repeat("x", 256), nil, 400, []string{`"field":"email"`, `"field":"firstname"`}},
		"form: malformed JSON":     {form, asJSON, `{"email":`, nil, 400, []string{"BODY_MALFORMED"}},
		"form: something after it": {form, asJSON, `{"email":"a@example.com"} x`, nil, 400, []string{"BODY_MALFORMED"}},
		"form: 40,000 fields":      {form, asForm, many(40_000, "f%d=1"), nil, 413, nil},
		"form: 201 fields":         {form, asForm, many(201, "f%d=1"), nil, 400, []string{"200"}},
		"form: invalid UTF-8":      {form, asForm, "email=a%ff@example.com", nil, 400, []string{"UTF-8"}},
		"form: XML":                {form, "text/xml", "<email/>", nil, 415, nil},
		"form: key in the query":   {form + "?idempotency_key=k", asForm, "email=a@example.com", nil, 400, []string{"header Idempotency-Key"}},
		"form: empty key":          {form, asForm, "email=a@example.com", []string{"Idempotency-Key", ""}, 400, []string{"empty"}},
		"form: keys disagree":      {form, asForm, "email=a@example.com&idempotency_key=a", []string{"Idempotency-Key", "b"}, 400, []string{"different"}},
		"form: another origin":     {form, asForm, "email=a@example.com", []string{"Origin", "https://evil.example"}, 403, []string{"allowed_origins"}},
	} {
		t.Run(name, func(t *testing.T) {
			id := strings.NewReplacer(" ", "-", ":", "", ",", "").Replace(name)
			a := h.post(c.path, c.contentType, c.body, append(c.headers, "X-Request-Id", id)...)
			a.expect(t, c.status, c.words...)
			if a.body["requestId"] != id || a.header.Get("X-Request-Id") != id {
				t.Errorf("the request's identifier is lost: %s", a.text)
			}
			event := h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetRequestId() == id })
			if event.GetStage() != leadgatev1.Stage_STAGE_REJECTED || event.GetError() == "" {
				t.Errorf("no event says why it was refused: %v", event)
			}
		})
	}
	if leads := h.send("GET", leads, "", "").expect(t, 200); leads.body["leads"] != nil {
		t.Errorf("something was kept: %s", leads.text)
	}
}

func TestLongNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for given, want := range map[string]any{
		"23851234567890123": "23851234567890123", "-9007199254740993": "-9007199254740993", "12345678901234567890": "12345678901234567890",
		"9007199254740992": 9007199254740992.0, "1e21": 1e21, "0.12345678901234567": 0.12345678901234567, `"12345678901234567 \" 12345678901234567"`: `12345678901234567 " 12345678901234567`,
	} {
		id := h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com","custom":{"ad":`+given+`,"ads":[`+given+`]}}}`).expect(t, 201).body["leadId"].(string)
		record := h.send("GET", "/v1/leads/"+id, "", "").expect(t, 200).body["record"].(map[string]any)
		custom := record["lead"].(map[string]any)["custom"].(map[string]any)
		if got := custom["ad"]; got != want {
			t.Errorf("%s is kept as %v", given, got)
		}
		if got := custom["ads"].([]any)[0]; got != want {
			t.Errorf("%s in a list is kept as %v", given, got)
		}
	}
}

func TestAValueNeverStandsInARefusal(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for _, body := range []string{
		`{"lead":{"email":"secret-value"}}`, `{"lead":{"email":["secret-value"]}}`, `{"lead":{"message":"secret-value" "x"}}`,
		`{"lead":{"consents":[{"granted":"secret-value"}]}}`,
	} {
		a := h.post("/v1/leads", asJSON, body, "X-Request-Id", "r").expect(t, 400)
		if strings.Contains(a.text, "secret-value") {
			t.Errorf("%s is answered with its value: %s", body, a.text)
		}
	}
}

func TestGRPCRefusesWithReasonsAndViolations(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	client := leadgatev1.NewLeadServiceClient(h.dial())
	_, err := client.SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "ada", Country: "Utopia"}})
	st := status.Convert(err)
	var reason string
	var fields []string
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	if st.Code() != codes.InvalidArgument || reason != "RULES_BROKEN" || fmt.Sprint(fields) != "[lead.email lead.country]" {
		t.Errorf("code %v, reason %q, fields %v", st.Code(), reason, fields)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "idempotency-key", "k1")
	first, err := client.SubmitLead(ctx, &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "ada@example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.SubmitLead(ctx, &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "grace@example.com"}})
	if st := status.Convert(err); st.Code() != codes.InvalidArgument || !strings.Contains(st.Message(), first.GetLeadId()) {
		t.Errorf("a reused key: %v", err)
	}
	if _, err = client.SubmitForm(t.Context(), &leadgatev1.SubmitFormRequest{Form: "nope", Submission: &leadgatev1.Submission{}}); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown form: %v", err)
	}
}

// failingStore cannot write.
type failingStore struct {
	store.Store
	err error
}

func (s failingStore) Accept(context.Context, ...*store.Acceptance) ([]store.Accepted, error) {
	if s.err == nil {
		panic("personal data: ada@example.com")
	}
	return nil, s.err
}

func TestWhatCannotBeMadeDurableIsNeverAccepted(t *testing.T) {
	t.Parallel()
	h := open(t, options{store: func(s store.Store) store.Store {
		return failingStore{s, fmt.Errorf("%w: the disk is full", store.ErrUnavailable)}
	}})
	for _, a := range []answer{h.post("/v1/leads", asJSON, ada), h.post("/v1/forms/contact/submissions", asForm, "email=ada@example.com")} {
		if a.expect(t, 503); a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
}

func TestFaultsInsideSayNothingToTheClient(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"panic": nil, "error": errors.New("personal data: ada@example.com")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{store: func(s store.Store) store.Store { return failingStore{s, err} }})
			a := h.post("/v1/leads", asJSON, ada).expect(t, 500)
			if strings.Contains(a.text, "personal") || strings.Contains(a.text, "goroutine") {
				t.Errorf("the fault is shown: %s", a.text)
			}
			_, err := leadgatev1.NewLeadServiceClient(h.dial()).SubmitLead(t.Context(), &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "ada@example.com"}})
			if st := status.Convert(err); st.Code() != codes.Internal || strings.Contains(st.Message(), "personal") {
				t.Errorf("over gRPC: %v", err)
			}
		})
	}
}

// slowStore is busy until the caller has gone away, or long enough to show that this does not matter.
type slowStore struct {
	store.Store
	entered chan struct{}
}

func (s slowStore) Accept(ctx context.Context, acceptances ...*store.Acceptance) ([]store.Accepted, error) {
	close(s.entered)
	select {
	case <-ctx.Done():
	case <-time.After(200 * time.Millisecond):
	}
	return s.Store.Accept(ctx, acceptances...)
}

// A visitor who closes the page has sent the form.
func TestWhatHasArrivedIsKeptThoughItsSenderGoesAway(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	h := open(t, options{store: func(s store.Store) store.Store { return slowStore{s, entered} }})
	const body = "email=ada@example.com"
	conn, _ := h.raw(fmt.Sprintf("POST /v1/forms/contact/submissions HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", asForm, len(body), body))
	<-entered
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	h.await(func(e *leadgatev1.Event) bool {
		if e.GetLead().GetStage() == leadgatev1.Stage_STAGE_REJECTED {
			t.Errorf("it is refused: %v", e)
		}
		return e.GetLead().GetStage() == leadgatev1.Stage_STAGE_QUEUED
	})
}

func TestNullForAFieldOfOnesOwnIsNoField(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	first := h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com","firstName":null,"custom":{"size":null,"budget":4000}}}`, "Idempotency-Key", "null").expect(t, 201)
	h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com","custom":{"budget":4000}}}`, "Idempotency-Key", "null").expect(t, 200)
	h.post("/v1/leads:batch", asJSON, `{"leads":[{"lead":{"email":"bob@example.com","custom":{"size":null}}}]}`).expect(t, 200, `"leadId"`)
	if a := h.send("GET", first.header.Get("Location"), "", "").expect(t, 200, `"budget":4000`); strings.Contains(a.text, "size") {
		t.Errorf("the lead: %s", a.text)
	}
}
