package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// twoLines is the smallest configuration that accepts leads: the name of a form, and a single destination.
const twoLines = `
forms:
  contact: {}
destinations:
  crm:
    http: { url: "http://127.0.0.1:9/leads" }
`

const contact = "/v1/forms/contact/submissions"

func TestTheFormsOfEveryBuilderWorkWithTwoLines(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: twoLines})
	files, err := filepath.Glob("intake/testdata/builders/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sample struct {
			ContentType string `yaml:"content_type"`
			Body        string
			Lead        map[string]string
		}
		if err := yaml.Unmarshal(text, &sample); err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(sample.ContentType, asForm): // wrapped for readability
			sample.Body = strings.NewReplacer(" ", "", "\n", "").Replace(sample.Body)
		case strings.HasPrefix(sample.ContentType, "multipart"):
			sample.Body = strings.ReplaceAll(sample.Body, "\n", "\r\n")
		}
		a := h.post(contact, sample.ContentType, sample.Body).expect(t, 201)
		lead := h.send("GET", a.header.Get("Location"), "", "").expect(t, 200, `"state":"LEAD_STATE_OPEN"`, sample.Lead["email"])
		if name := sample.Lead["last_name"]; !strings.Contains(lead.text, `"lastName":"`+name+`"`) && name != "" {
			t.Errorf("%s: %s is not in %s", file, name, lead.text)
		}
	}
}

func TestALeadRecordSaysWhatWasChangedAndWhy(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: twoLines})
	a := h.post(contact, asForm, "E-Mail=mailto:ADA@example.com&Name=ADA+LOVELACE&Land=Deutschland").expect(t, 201)
	lead := h.send("GET", a.header.Get("Location"), "", "").expect(t, 200)
	changes, err := json.Marshal(lead.body["record"].(map[string]any)["changes"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"field":"E-Mail","leadField":"email","reason":"extracted from a mailto link; in lower case"}`,
		`{"field":"Name","leadField":"first_name","reason":"capitals mended; full name split"}`,
		`{"field":"Land","leadField":"country","reason":"as the ISO code of the country"}`,
	} {
		if !strings.Contains(string(changes), want) {
			t.Errorf("%s is not among %s", want, changes)
		}
	}
}

func TestAMissingFieldUnderAnotherNameIsHeldAndToldOnce(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(twoLines, "contact: {}", "contact: { fields: { email: email, company: company }, required: [email, company] }", 1)})
	for _, company := range []string{"Acme", "Engines"} {
		h.post(contact, asForm, "email=ada@example.com&company_name="+company).expect(t, 201)
	}
	h.send("GET", "/v1/leads?reason=UNMAPPED", "", "").expect(t, 200, "Acme", "Engines", `company_name probably is company, which is missing; add \"company_name: company\" under fields`)
	event := h.await(func(e *leadgatev1.Event) bool { return e.GetForm() != nil }).GetForm()
	if event.GetField() != "company_name" || event.GetLeadField() != "company" || event.GetSuggestion() != "company_name: company" || event.GetLeadId() == "" {
		t.Errorf("the event is %v", event)
	}
	// A field that the visitor left empty is the visitor's to correct.
	h.post(contact, asForm, "email=ada@example.com&company=").expect(t, 400, `"field":"company"`)
	h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetStage() == leadgatev1.Stage_STAGE_REJECTED })
	if told := h.matching(func(e *leadgatev1.Event) bool { return e.GetForm() != nil }); len(told) != 1 {
		t.Errorf("%d events tell of the renamed field, want 1", len(told))
	}
}

func TestMadeUpNamesDoNotHideARenamedField(t *testing.T) {
	t.Parallel()
	const form = `
forms:
  contact:
    fields: { email: email, company: company }
    %s
destinations:
  crm:
    http: { url: "http://127.0.0.1:9/leads" }
`
	h := open(t, options{config: fmt.Sprintf(form, "limits: { per_address: 1000 }")})
	for i := range 102 {
		h.post(contact, asForm, fmt.Sprintf("email=eve%d@example.com&company_%d=Acme", i, i)).expect(t, 201)
	}
	h.post(contact, asForm, "email=ada@example.com&Contact[Company]=Acme").expect(t, 201)
	h.await(func(e *leadgatev1.Event) bool { return e.GetForm().GetField() == "Contact[Company]" })
	flood := h.matching(func(e *leadgatev1.Event) bool { return strings.Contains(e.GetForm().GetDetail(), "made names up") })
	if len(flood) != 1 {
		t.Errorf("%d events tell of too many names, want 1", len(flood))
	}
	listed := func(want int) {
		t.Helper()
		if got := strings.Count(h.send("GET", "/v1/drift", "", "").expect(t, 200).text, `"type"`); got != want {
			t.Errorf("%d fields are listed, want %d", got, want)
		}
	}
	listed(100) // the newest
	h.reload(fmt.Sprintf(form, "ignore: [company_100, company_101]"))
	listed(98)
	h.reload(fmt.Sprintf(strings.Replace(form, "company: company", "contact.company: company", 1), ""))
	listed(97) // another spelling of the same field
}

func TestWhatIsNoConsentIsToldInTheLeadsEvents(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(twoLines, "contact: {}", "contact: { consents: { newsletter: { field: news } } }", 1)})
	a := h.post(contact, asForm, "email=ada@example.com&news=No+thanks").expect(t, 201)
	lead := h.send("GET", a.header.Get("Location"), "", "").expect(t, 200, "news is left out: is neither yes nor no to newsletter")
	if strings.Contains(lead.text, `"consents"`) {
		t.Errorf("a consent is recorded: %s", lead.text)
	}
}

func TestAutoMapDeliversAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(twoLines, "contact: {}", "contact: { fields: { email: email, company: company }, required: [email, company], auto_map: true }", 1)})
	a := h.post(contact, asForm, "email=ada@example.com&company_name=Acme").expect(t, 201)
	h.send("GET", a.header.Get("Location"), "", "").expect(t, 200, `"company":"Acme"`, "LEAD_STATE_OPEN", "auto_map took company_name as company")
	h.await(func(e *leadgatev1.Event) bool { return e.GetForm().GetSuggestion() == "company_name: company" })
}

func TestADoubleClickWithoutAKeyMakesOneLead(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(twoLines, "contact: {}", "contact: {}\n  twice: { derive_key_window: 0s }", 1)})
	first := h.post(contact, asForm, "email=ada@example.com&message=Hello&csrf_token=1").expect(t, 201)
	second := h.post(contact, asForm, "email=ada@example.com&message=Hello&csrf_token=2").expect(t, 200, `"replayed":true`)
	if first.body["leadId"] != second.body["leadId"] {
		t.Errorf("leads %v and %v", first.body["leadId"], second.body["leadId"])
	}
	h.await(func(e *leadgatev1.Event) bool {
		return e.GetLead().GetStage() == leadgatev1.Stage_STAGE_DUPLICATE && strings.Contains(e.GetLead().GetDetail(), "double click")
	})
	h.post(contact, asForm, "email=ada@example.com&message=Hello+again").expect(t, 201)
	for range 2 {
		h.post("/v1/forms/twice/submissions", asForm, "email=ada@example.com").expect(t, 201)
	}
}

func TestABotIsAnsweredLikeAPersonAndHeld(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(twoLines, "contact: {}", "contact: { honeypot: [url2], quality: { role_account: reject } }", 1)})
	person := h.post(contact, asForm, "email=ada@example.com&url2=").expect(t, 201)
	bot := h.post(contact, asForm, "email=eve@example.com&url2=http://spam.example").expect(t, 201)
	person.text, bot.text = strings.Replace(person.text, person.body["leadId"].(string), "", 1), strings.Replace(bot.text, bot.body["leadId"].(string), "", 1)
	if person.text != bot.text || len(person.header) != len(bot.header) {
		t.Errorf("a person is answered %s, a bot %s", person.text, bot.text)
	}
	h.send("GET", "/v1/leads?reason=SPAM", "", "").expect(t, 200, "eve@example.com", "url2 is filled in, which no person can (honeypot)")
	h.post(contact, asForm, "email=info@example.com").expect(t, 400, "quality.role_account", `"field":"email"`)
}

func TestTooManyFromOneAddressAreHeld(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: "trusted_proxies: [127.0.0.0/8]\n" + strings.Replace(twoLines, "contact: {}", "contact: { quality: { per_address: 2, per_email: 2 } }", 1)})
	post := func(email, message, address string) {
		h.post(contact, asForm, "email="+email+"&message="+message, "X-Forwarded-For", address).expect(t, 201)
	}
	held := func() int {
		leads, _ := h.send("GET", "/v1/leads?reason=SPAM", "", "").expect(t, 200).body["leads"].([]any)
		return len(leads)
	}
	for i, name := range []string{"a", "b", "c"} {
		post(name+"@example.com", "x", "203.0.113.7")
		post(name+"@example.org", "x", "10.0.0.7") // private, so not counted
		if got, want := held(), max(0, i-1); got != want {
			t.Fatalf("after %d from one address %d are held, want %d", i+1, got, want)
		}
	}
	for _, message := range []string{"1", "2", "3"} {
		post("same@example.com", message, "203.0.113.8"+message)
	}
	if got := held(); got != 2 {
		t.Errorf("%d are held, want one more for one e-mail address", got)
	}
}

func TestWhatComesAgainUnderItsKeyCountsOnce(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(twoLines, "contact: {}", "contact: { quality: { per_address: 2, per_email: 2 } }", 1)})
	post := func(message, key string, want int) {
		h.post(contact, asForm, "email=ada@example.com&message="+message, "Idempotency-Key", key, "X-Forwarded-For", "203.0.113.7").expect(t, want)
	}
	post("1", "first", 201)
	for range 5 {
		post("1", "first", 200)
	}
	post("2", "second", 201)
	if a := h.send("GET", "/v1/leads?reason=SPAM", "", "").expect(t, 200); a.body["leads"] != nil {
		t.Errorf("held after two: %s", a.text)
	}
	post("3", "third", 201)
	h.send("GET", "/v1/leads?reason=SPAM", "", "").expect(t, 200, "more than 2 submissions came for it")
}

func TestTheAnswerSaysWhatWasProbablyMeant(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: twoLines})
	h.post(contact, asForm, "Your-Email=ada@gmial.com").expect(t, 201, `"suggestions":[{"field":"Your-Email","didYouMean":"ada@gmail.com"}]`)
	h.post(contact, asForm, "email=grace@gmial.com", "Accept", browserAccept).expect(t, 201, "Thank you", "did you mean grace@gmail.com?")
	plain := h.post(contact, asForm, "email=ada@example.com").expect(t, 201)
	if strings.Contains(plain.text, "suggestions") {
		t.Errorf("nothing to suggest, and yet: %s", plain.text)
	}
}

// upload returns a multipart form with a file of the given size before its last field.
func upload(t *testing.T, size int64, pairs ...string) (contentType, body string) {
	t.Helper()
	var buffer bytes.Buffer
	w := multipart.NewWriter(&buffer)
	file, err := w.CreateFormFile("cv", "cv.pdf")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(file, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if err := w.WriteField(pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), buffer.String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAFormWithAFileIsTakenWithoutTheFile(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: twoLines})
	contentType, body := upload(t, 2<<20, "email", "ada@example.com", "name", "Ada")
	a := h.post(contact, contentType, body).expect(t, 201)
	h.send("GET", a.header.Get("Location"), "", "").expect(t, 200, `"firstName":"Ada"`, `"files":[{"field":"cv"`, `"mediaType":"application/octet-stream"`, `"size":2097152`,
		"the file in cv was dropped, 2097152 bytes: files are not kept")
	// A browser without JavaScript, and its violations.
	contentType, body = upload(t, 10, "email", "nobody")
	if a := h.post(contact, contentType, body, "Accept", browserAccept); a.status != 400 || !strings.Contains(a.text, "<strong>email</strong>: must be a valid email address") {
		t.Errorf("a visitor without script is answered %d: %s", a.status, a.text)
	}
	contentType, body = upload(t, 10, "email", "grace@example.com")
	h.post(contact, contentType, body, "Accept", browserAccept).expect(t, 201, "Thank you")
	// Bounds of the text, and of everything.
	contentType, body = upload(t, 10, "email", "ada@example.com", "a", strings.Repeat("x", 30<<10), "b", strings.Repeat("x", 30<<10), "c", strings.Repeat("x", 30<<10))
	h.post(contact, contentType, body).expect(t, 413, "BODY_TOO_LARGE", "65536")
	h.post(contact, contentType, strings.TrimSuffix(body, "--\r\n")[:1000]).expect(t, 400, "BODY_MALFORMED")
	h.post(contact, "multipart/form-data", body).expect(t, 415, "boundary")
}

func TestWhatIsTooLongIsToldByItsFieldInAnyScript(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	// Percent-encoding makes it three times as long.
	ideographs := func(n int) string { return "email=ada@example.com&message=" + strings.Repeat("%E6%BC%A2", n) }
	h.post(contact, asForm, ideographs(10_900)).expect(t, 201)
	h.post(contact, asForm, ideographs(11_000), "Accept-Language", "de").expect(t, 400, "RULES_BROKEN", `"field":"message"`, "ist zu lang")
	h.post(contact, asJSON, `{"email":"ada@example.com","message":"`+strings.Repeat("漢", 11_000)+`"}`).expect(t, 400, `"field":"message"`, "32 KiB")
	contentType, body := upload(t, 10, "email", "ada@example.com", "message", strings.Repeat("x", 33<<10))
	h.post(contact, contentType, body).expect(t, 400, `"field":"message"`, "32 KiB")
	h.post(contact, asForm, ideographs(21_000)).expect(t, 400, `"field":"message"`)
	h.post(contact, asForm, ideographs(22_000)+strings.Repeat("x", 1<<10)).expect(t, 413, "BODY_TOO_LARGE")
	h.post(contact, asForm, "email=ada@example.com"+fields(9, 8<<10)).expect(t, 413, "65536")
}

func TestALeadThatCannotBeKeptInOnePieceIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(twoLines, "forms:", "intake: { max_body_bytes: 2097152 }\nforms:", 1)})
	h.post(contact, asForm, "email=ada@example.com"+fields(140, 8<<10)).expect(t, 413, "LEAD_TOO_LARGE")
	h.post(contact, asForm, "email=bob@example.com").expect(t, 201)
}

// fields returns n form fields with meaningless names and values.
func fields(n, size int) (body string) {
	for i := range n {
		body += fmt.Sprintf("&f%d=%s", i, strings.Repeat("x", size))
	}
	return body
}

func TestConsentIsKeptWithTheLead(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(twoLines, "contact: {}", "contact: { consents: { newsletter: { field: news, text: Send me news., text_version: \"7\" } } }", 1)})
	a := h.post(contact, asForm, "email=ada@example.com&news=on", "Referer", "https://www.example.com/").expect(t, 201)
	h.send("GET", a.header.Get("Location"), "", "").expect(t, 200,
		`"consents":[{"purpose":"newsletter"`, `"granted":true`, `"text":"Send me news."`, `"textVersion":"7"`, `"ip":"127.0.0.1"}]`)
	a = h.post(contact, asForm, "email=ada@example.com&news=no").expect(t, 201)
	h.send("GET", a.header.Get("Location"), "", "").expect(t, 200, `"consents":[{"purpose":"newsletter"`, `"granted":false`) // explicitly, not omitted
	a = h.post("/v1/leads", asJSON, `{"lead":{"email":"ada@example.com","consents":[{"purpose":"newsletter"}]}}`).expect(t, 201)
	h.send("GET", a.header.Get("Location"), "", "").expect(t, 200, `"granted":false`)
}

func TestAPersonIsFoundHoweverTheDomainIsWritten(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.post("/v1/forms/contact/submissions", asForm, "email=Info@M%C3%BCller.example").expect(t, 201)
	h.post("/v1/forms/contact/submissions", asForm, "work_email=info@M%C3%BCller.example").expect(t, 201) // held, since nothing maps it
	for _, email := range []string{"info@müller.example", " Info@MÜLLER.example", "info@xn--mller-kva.example"} {
		of := `{"email":"` + email + `"}`
		if leads, _ := h.post("/v1/leads:search", asJSON, of).expect(t, 200).body["leads"].([]any); len(leads) != 2 {
			t.Errorf("%s: %d leads are listed", email, len(leads))
		}
		if n := strings.Count(h.post("/v1/leads:export", asJSON, of).text, `"result"`); n != 2 {
			t.Errorf("%s: %d leads are exported", email, n)
		}
		h.post("/v1/leads:erase", asJSON, `{"email":"`+email+`","dryRun":true}`).expect(t, 200, `"matched":"2"`)
		h.post("/v1/leads:discard", asJSON, `{"filter":{"email":"`+email+`"},"dryRun":true}`).expect(t, 200, `"matched":"1"`)
	}
}
