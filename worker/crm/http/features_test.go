package http_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/http"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/http"
	"github.com/leadgate/leadgate/worker/mapping"
)

// The conformance suite again, with batches and OAuth 2 tokens, against the simulated API.
func TestConformanceInBatches(t *testing.T) {
	t.Parallel()
	for name, batch := range map[string]*configv1.HTTPBatch{
		"array":  {MaxLeads: 7, Results: "/results"},
		"under":  {MaxLeads: 7, Results: "/results", Under: "leads"},
		"ndjson": {MaxLeads: 7, Results: "/results", Format: "ndjson"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := crmtest.Harness{
				Open: func(base string, env crm.Environment) (crm.Destination, error) {
					return http.New(&configv1.HTTP{
						Url: base + "/leads", PingUrl: base + "/health", RecordId: "/id", Batch: batch, IdempotencyField: "request_id",
						SuccessWhen: "item.ok == true", Rules: []*configv1.HTTPRule{{When: `item.error == "invalid_lead"`, Is: "refused"}},
						Auth: &configv1.HTTPAuth{Kind: &configv1.HTTPAuth_Oauth2{Oauth2: &configv1.OAuth2{
							TokenUrl: base + "/oauth/token", ClientId: "site", ClientSecret: crmtest.SecretReference,
						}}},
					}, env)
				},
				TokenPath: "/oauth/token",
				CRM:       func(secret string) crmtest.CRM { return shop{simulated.New(simulated.Options{Token: secret})} },
				Mapped:    map[string]string{"mail": "email", "first": "first_name", "last": "last_name"},
			}
			crmtest.Run(t, h)
			if name == "under" {
				return // faults do not depend on this
			}
			crmtest.RunFaults(t, h, func(secret string, now func() time.Time) crmtest.Faulty {
				return shop{simulated.New(simulated.Options{Token: secret, Now: now})}
			})
		})
	}
}

// shop is the simulated API.
type shop struct{ *simulated.Simulator }

type shopLead struct {
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties"`
}

func (s shop) leads() []shopLead {
	encoded, err := json.Marshal(s.Contacts())
	if err != nil {
		panic(err)
	}
	var leads []shopLead
	if err := json.Unmarshal(encoded, &leads); err != nil {
		panic(err)
	}
	return leads
}

func (s shop) RecordID(email string) string {
	for _, lead := range s.leads() {
		if lead.Properties["mail"] == email {
			return lead.ID
		}
	}
	return ""
}

func (s shop) Records() int { return len(s.leads()) }

func encode(t *testing.T, d crm.Destination, properties ...mapping.Property) string {
	t.Helper()
	payload, err := d.Encode(properties)
	if err != nil {
		t.Fatal(err)
	}
	return string(payload)
}

var ada = []mapping.Property{{Name: "mail", Value: "ada+x/y@example.com"}, {Name: "name", Value: `Ada "the" <Lovelace>`}, {Name: "tags", Value: []any{"a", "b"}}}

func TestABodyIsWrittenAsConfigured(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body              *configv1.HTTPBody
		sent, contentType string
	}{
		"cel": {
			&configv1.HTTPBody{Kind: &configv1.HTTPBody_Cel{Cel: `{"contact": {"mail": properties.mail, "n": 3, "who": properties.name.split(" ")[0]}, "z": has(properties.none) ? properties.none : null}`}},
			`{"contact":{"mail":"ada+x/y@example.com","n":3,"who":"Ada"},"z":null}`, "application/json",
		},
		"template": {
			&configv1.HTTPBody{Kind: &configv1.HTTPBody_Template{Template: `{ "who": {{json .name}}, "none": {{json .none}} }`}},
			`{"who":"Ada \"the\" <Lovelace>","none":""}`, "application/json",
		},
		"xml": {
			&configv1.HTTPBody{Kind: &configv1.HTTPBody_Template{Template: `<lead>{{xml .name}}</lead>`}, ContentType: "text/xml"},
			`<lead>Ada &#34;the&#34; &lt;Lovelace&gt;</lead>`, "text/xml",
		},
		"form": {
			&configv1.HTTPBody{Kind: &configv1.HTTPBody_Form{Form: &configv1.HTTPForm{}}},
			`mail=ada%2Bx%2Fy%40example.com&name=Ada+%22the%22+%3CLovelace%3E&tags=a&tags=b`, "application/x-www-form-urlencoded",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			d := a.destination(t, func(cfg *configv1.HTTP) { cfg.Body = test.body })
			outcome := deliver(t, d, encode(t, d, ada...))
			if outcome.Kind != crm.Delivered || a.lastBody != test.sent || a.last.Header.Get("Content-Type") != test.contentType {
				t.Errorf("%+v, sent %s as %s", outcome, a.lastBody, a.last.Header.Get("Content-Type"))
			}
		})
	}
}

func TestABodyThatCannotBeWrittenIsTold(t *testing.T) {
	t.Parallel()
	for want, body := range map[string]*configv1.HTTPBody{
		"has(properties.email)": {Kind: &configv1.HTTPBody_Cel{Cel: `{"x": properties.none}`}},
		"{{json .email}}":       {Kind: &configv1.HTTPBody_Template{Template: `{"x": "{{.name}}"}`}},
	} {
		d := newAPI(t).destination(t, func(cfg *configv1.HTTP) { cfg.Body = body })
		if _, err := d.Encode(ada); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Lovelace") {
			t.Errorf("error is %v, want one about %s", err, want)
		}
	}
}

func TestURLAndHeadersTakeProperties(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	d := a.destination(t, func(cfg *configv1.HTTP) {
		cfg.Url, cfg.Method = a.URL+"/leads/{mail}", "PUT"
		cfg.Headers = map[string]string{"X-Who": "${env:KEY} {name}"}
	})
	evil := []mapping.Property{{Name: "mail", Value: "../x?y#z"}, {Name: "name", Value: "${env:KEY}\r\nX-Evil: 1"}}
	deliver(t, d, encode(t, d, evil...))
	if got := a.last.URL.EscapedPath(); got != "/leads/..%2Fx%3Fy%23z" {
		t.Errorf("called %s", got)
	}
	if got := a.last.Header.Get("X-Who"); got != "k-123456 ${env:KEY}  X-Evil: 1" || a.last.Header.Get("X-Evil") != "" {
		t.Errorf("X-Who is %q", got)
	}
	if a.lastBody != `{"mail":"../x?y#z","name":"${env:KEY}\r\nX-Evil: 1"}` {
		t.Errorf("sent %s", a.lastBody)
	}
	if _, err := d.Encode(evil[:1]); err == nil || !strings.Contains(err.Error(), "{name}") {
		t.Errorf("without a name: %v", err)
	}
	if outcome := deliver(t, d, `{"mail":"made by another configuration"}`); outcome.Kind != crm.Refused {
		t.Errorf("ended as %+v", outcome)
	}
}

func TestAValueInTheQueryStaysOne(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	d := a.destination(t, func(cfg *configv1.HTTP) { cfg.Url = a.URL + "/leads/{mail}/x?mail={mail}&company={company}&who=is" })
	deliver(t, d, encode(t, d, mapping.Property{Name: "mail", Value: "ada+news@example.com"}, mapping.Property{Name: "company", Value: "A&B = 100% ?; #1&status=won"}))
	query := a.last.URL.Query()
	if query.Get("mail") != "ada+news@example.com" || query.Get("company") != "A&B = 100% ?; #1&status=won" || query.Get("who") != "is" || len(query) != 3 || strings.Contains(a.last.URL.RawQuery, "+") {
		t.Errorf("called with %s", a.last.URL.RawQuery)
	}
	if a.last.URL.Path != "/leads/ada+news@example.com/x" {
		t.Errorf("called %s", a.last.URL.Path)
	}
}

func TestWhatWasStoredIsSentAsTheLeadItIsWhateverTheConfigurationIsNow(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	named := a.destination(t, func(cfg *configv1.HTTP) { cfg.Url = a.URL + "/leads/{mail}" })
	other := a.destination(t, func(cfg *configv1.HTTP) { cfg.Url = a.URL + "/leads/{name}" })
	plain := a.destination(t, nil)
	batch := a.destination(t, func(cfg *configv1.HTTP) { cfg.Batch = &configv1.HTTPBatch{} })
	form := a.destination(t, func(cfg *configv1.HTTP) {
		cfg.Body = &configv1.HTTPBody{Kind: &configv1.HTTPBody_Form{Form: &configv1.HTTPForm{}}}
	})
	mail := mapping.Property{Name: "mail", Value: "ada@example.com"}
	for name, test := range map[string]struct {
		from, to crm.Destination
		sent     string // nothing if empty
	}{
		"no name any more":           {named, plain, `{"mail":"ada@example.com"}`},
		"in batches":                 {named, batch, `[{"mail":"ada@example.com"}]`},
		"a name":                     {plain, named, ""},
		"another name":               {named, other, ""},
		"a form":                     {named, form, ""},
		"no form any more":           {form, plain, ""},
		"no form any more, in batch": {form, batch, ""},
		"the same":                   {named, named, `{"mail":"ada@example.com"}`},
	} {
		a.lastBody = ""
		outcome := deliver(t, test.to, encode(t, test.from, mail))
		if want := map[bool]crm.OutcomeKind{true: crm.Refused, false: crm.Delivered}[test.sent == ""]; outcome.Kind != want || a.lastBody != test.sent {
			t.Errorf("%s: ended as %+v, sent %s", name, outcome, a.lastBody)
		}
	}
}

func TestAForbiddenMessageStopsNoOther(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		body   string
		header string
		about  bool // whether it is about the credentials
	}{
		{`<html>Request blocked</html>`, "", false},
		{`{"message":"the token in your message looks like an attack"}`, "", false},
		{`{"error":"blocked","detail":{"mail":"token@example.com"}}`, "", false},
		{``, `Bearer error="insufficient_scope"`, true},
		{`{"error":"invalid_token"}`, "", true},
		{`{"error":{"code":"INVALID_API_KEY"}}`, "", true},
		{`{"errors":[{"errorCode":"missing-scope"}]}`, "", true},
		{`{"type":"https://api.example.com/problems/unauthorized"}`, "", true},
	} {
		a := newAPI(t)
		a.status, a.body = 403, test.body
		if test.header != "" {
			a.header = map[string]string{"WWW-Authenticate": test.header}
		}
		alone, each := crm.Retry, crm.Split
		if test.about {
			alone, each = crm.CredentialsRefused, crm.CredentialsRefused
		}
		if outcome := deliver(t, a.destination(t, nil), `{}`); outcome.Kind != alone || outcome.Reason == "" {
			t.Errorf("%q, %q: ended as %+v", test.body, test.header, outcome)
		}
		d := a.destination(t, func(cfg *configv1.HTTP) { cfg.Batch = &configv1.HTTPBatch{Results: "/data"} })
		for _, outcome := range d.Deliver(t.Context(), []crm.Item{{Payload: []byte(`{}`)}, {Payload: []byte(`{}`)}}, leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT) {
			if outcome.Kind != each {
				t.Errorf("%q, %q: in a batch it ended as %+v", test.body, test.header, outcome)
			}
		}
	}
}

func TestABatchIsNotSearchedForWhatARuleSaysIsAboutTheCall(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.status, a.body = 403, `maintenance`
	d := a.destination(t, func(cfg *configv1.HTTP) {
		cfg.Batch, cfg.Rules = &configv1.HTTPBatch{Results: "/data"}, []*configv1.HTTPRule{{When: `text == "maintenance"`, Is: "retry"}}
	})
	for _, outcome := range d.Deliver(t.Context(), []crm.Item{{Payload: []byte(`{}`)}, {Payload: []byte(`{}`)}}, leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT) {
		if outcome.Kind != crm.Retry {
			t.Errorf("ended as %+v", outcome)
		}
	}
}

func TestRulesDecideBeforeTheStatus(t *testing.T) {
	t.Parallel()
	change := func(cfg *configv1.HTTP) {
		cfg.SuccessWhen = `body.ok == true`
		cfg.Rules = []*configv1.HTTPRule{
			{When: `body.error == "duplicate"`, Is: "delivered"},
			{When: `status == 403 && text.contains("quota")`, Is: "rate_limited", Reason: "the quota is used up"},
			{When: `body.error == "no such list"`, Is: "refused"},
			{When: `headers["content-type"].startsWith("text/plain") && status == 500`, Is: "retry"},
			{When: `body.error == "key"`, Is: "credentials_refused"},
		}
	}
	for _, test := range []struct {
		status int
		body   string
		want   crm.OutcomeKind
	}{
		{200, `{"ok":true}`, crm.Delivered},
		{200, "\xef\xbb\xbf" + `{"ok":true}`, crm.Delivered},
		{200, `{"ok":false}`, crm.Unknown},
		{200, `{"ok":"true"}`, crm.Unknown},
		{200, `<html>ok</html>`, crm.Unknown},
		{200, ``, crm.Unknown},
		{409, `{"error":"duplicate"}`, crm.Delivered},
		{403, `over quota`, crm.RateLimited},
		{403, `forbidden`, crm.Retry},
		{200, `{"error":"no such list"}`, crm.Refused},
		{500, `oops`, crm.Retry},
		{500, `{"error":"oops"}`, crm.Retry},
		{200, `{"error":"key"}`, crm.CredentialsRefused},
	} {
		a := newAPI(t)
		a.status, a.body = test.status, test.body
		if outcome := deliver(t, a.destination(t, change), `{}`); outcome.Kind != test.want {
			t.Errorf("%d %s ended as %+v, want %d", test.status, test.body, outcome, test.want)
		}
	}
}

func TestARequestIsSigned(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	deliver(t, a.destination(t, func(cfg *configv1.HTTP) {
		cfg.Signature = &configv1.HTTPSignature{Kind: &configv1.HTTPSignature_Hmac{Hmac: &configv1.HTTPHMAC{
			Secret: "${env:KEY}", Prefix: "sha256=", Header: "X-Hub-Signature-256", TimestampHeader: "X-Time",
		}}}
	}), `{"a":1}`)
	mac := hmac.New(sha256.New, []byte("k-123456"))
	fmt.Fprintf(mac, `%s.{"a":1}`, a.last.Header.Get("X-Time"))
	if got, want := a.last.Header.Get("X-Hub-Signature-256"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want || a.last.Header.Get("X-Time") == "" {
		t.Errorf("signed %s, want %s", got, want)
	}
}

func TestStandardWebhooksAreTakenByTheirReceiver(t *testing.T) {
	t.Parallel()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of twenty-four bytes"))
	sim := simulated.New(simulated.Options{SigningSecret: secret})
	for _, secrets := range [][]string{{secret}, {"whsec_b2xk", secret}} {
		a := newAPI(t)
		a.Config.Handler = sim
		d := a.destination(t, func(cfg *configv1.HTTP) {
			cfg.Signature = &configv1.HTTPSignature{Kind: &configv1.HTTPSignature_StandardWebhooks{
				StandardWebhooks: &configv1.HTTPStandardWebhooks{Secrets: secrets},
			}}
			cfg.Url = a.URL + "/leads"
		})
		if outcome := deliver(t, d, `{"mail":"ada@example.com"}`); outcome.Kind != crm.Delivered {
			t.Errorf("signed with %d secrets: %+v", len(secrets), outcome)
		}
	}
	a := newAPI(t)
	a.Config.Handler = sim
	if outcome := deliver(t, a.destination(t, func(cfg *configv1.HTTP) { cfg.Url = a.URL + "/leads" }), `{}`); outcome.Kind != crm.Refused {
		t.Errorf("unsigned: %+v", outcome)
	}
}

func TestABatchIsReadLeadByLead(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	d := a.destination(t, func(cfg *configv1.HTTP) {
		cfg.Batch = &configv1.HTTPBatch{Results: "/data"}
		cfg.RecordId, cfg.RecordUrl = "/id", "https://erp.example.com/{id}"
		cfg.SuccessWhen = "item.ok"
		cfg.Rules = []*configv1.HTTPRule{{When: `item.error == "bad"`, Is: "refused", Reason: "the API calls it bad"}}
	})
	items := make([]crm.Item, 3)
	for i := range items {
		items[i] = crm.Item{IdempotencyValue: fmt.Sprintf("l%d.erp-1", i), Payload: []byte(`{"n":1}`)}
	}
	kinds := func() string {
		var all []string
		for _, o := range d.Deliver(context.WithoutCancel(t.Context()), items, leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT) {
			all = append(all, fmt.Sprintf("%d%s%s", o.Kind, o.RecordID, o.RecordURL))
		}
		return strings.Join(all, " ")
	}
	for _, test := range []struct {
		status int
		body   string
		want   string
	}{
		{200, `{"data":[{"ok":true,"id":7},{"ok":false,"error":"bad"},{"ok":true}]}`, fmt.Sprintf("%d7https://erp.example.com/7 %d %d", crm.Delivered, crm.Refused, crm.Unknown)},
		{200, `{"data":[{"ok":true,"id":7}]}`, fmt.Sprintf("%d %[1]d %[1]d", crm.Unknown)},
		{200, `{}`, fmt.Sprintf("%d %[1]d %[1]d", crm.Unknown)},
		{422, `{}`, fmt.Sprintf("%d %[1]d %[1]d", crm.Split)},
		{401, `{}`, fmt.Sprintf("%d %[1]d %[1]d", crm.CredentialsRefused)},
	} {
		a.status, a.body = test.status, test.body
		if got := kinds(); got != test.want {
			t.Errorf("%d %s ended as %s, want %s", test.status, test.body, got, test.want)
		}
	}
	if a.lastBody != `[{"n":1},{"n":1},{"n":1}]` || a.last.Header.Get("Idempotency-Key") != "" {
		t.Errorf("sent %s", a.lastBody)
	}
}

func TestWhatDoesNotFitTogetherIsRefused(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]*configv1.HTTP{
		"success_when: column 1: undeclared reference to 'statsu'": {Url: "http://x", SuccessWhen: "statsu == 200"},
		"rules[0].when":     {Url: "http://x", Rules: []*configv1.HTTPRule{{When: "(", Is: "retry"}}},
		"body: column":      {Url: "http://x", Body: &configv1.HTTPBody{Kind: &configv1.HTTPBody_Cel{Cel: "{"}}},
		"body: template":    {Url: "http://x", Body: &configv1.HTTPBody{Kind: &configv1.HTTPBody_Template{Template: "{{"}}},
		"needs results":     {Url: "http://x", RecordId: "/id", Batch: &configv1.HTTPBatch{}},
		"nothing around":    {Url: "http://x", Batch: &configv1.HTTPBatch{Format: "ndjson", Under: "x"}},
		"neither url":       {Url: "http://x/{mail}", Batch: &configv1.HTTPBatch{}},
		"a batch is JSON":   {Url: "http://x", Batch: &configv1.HTTPBatch{}, Body: &configv1.HTTPBody{Kind: &configv1.HTTPBody_Template{Template: "x"}, ContentType: "text/xml"}},
		"not a placeholder": {Url: "http://x/{ mail }"},
	} {
		if _, err := http.New(cfg, crm.Environment{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one about %s", err, want)
		}
	}
}
