package http_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/http"
	"github.com/leadgate/leadgate/worker/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	crmtest.Run(t, crmtest.Harness{
		Open: func(base string, env crm.Environment) (crm.Destination, error) {
			return http.New(&configv1.HTTP{
				Url: base + "/leads", RecordId: "/id",
				Auth: &configv1.HTTPAuth{Kind: &configv1.HTTPAuth_Bearer{Bearer: crmtest.SecretReference}},
			}, env)
		},
		CRM:    func(secret string) crmtest.CRM { return &leads{secret: secret, byKey: map[string]string{}} },
		Mapped: map[string]string{"mail": "email", "first": "first_name", "last": "last_name"},
	})
}

// leads is an API that supports idempotency keys.
type leads struct {
	secret string

	mu    sync.Mutex
	byKey map[string]string // idempotency key to address
}

func (l *leads) ServeHTTP(w nethttp.ResponseWriter, r *nethttp.Request) {
	if r.Header.Get("Authorization") != "Bearer "+l.secret {
		w.WriteHeader(nethttp.StatusUnauthorized)
		return
	}
	var lead struct{ Mail string }
	if r.Method != nethttp.MethodPost || json.NewDecoder(r.Body).Decode(&lead) != nil {
		w.WriteHeader(nethttp.StatusMethodNotAllowed)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byKey[r.Header.Get("Idempotency-Key")] = lead.Mail
	fmt.Fprintf(w, `{"id":"record of %s"}`, lead.Mail)
}

func (l *leads) RecordID(email string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(slices.Collect(maps.Values(l.byKey)), email) {
		return "record of " + email
	}
	return ""
}

func (l *leads) Records() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byKey)
}

// api is a server that gives every call the same answer, and remembers the last call.
type api struct {
	*httptest.Server
	status       int
	body         string
	header       map[string]string
	last         *nethttp.Request
	lastBody     string
	unreadSecret error
}

func newAPI(t *testing.T) *api {
	a := &api{status: 200, body: `{}`}
	a.Server = httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		a.last, a.lastBody = r, string(body)
		for name, value := range a.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *api) destination(t *testing.T, change func(*configv1.HTTP)) crm.Destination {
	t.Helper()
	cfg := &configv1.HTTP{Url: a.URL + "/leads?list=7"}
	if change != nil {
		change(cfg)
	}
	client := a.Client()
	client.CheckRedirect = func(*nethttp.Request, []*nethttp.Request) error { return nethttp.ErrUseLastResponse }
	d, err := http.New(cfg, crm.Environment{
		Client: client,
		Secret: func(value string) (string, error) {
			return strings.ReplaceAll(value, "${env:KEY}", "k-123456"), a.unreadSecret
		},
		Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func deliver(t *testing.T, d crm.Destination, payload string) crm.Outcome {
	t.Helper()
	return d.Deliver(context.WithoutCancel(t.Context()), []crm.Item{{
		IdempotencyValue: "l1.erp-1", Email: "ada@example.com", Payload: []byte(payload),
	}}, leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT)[0]
}

func TestALeadIsOneRequest(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	deliver(t, a.destination(t, nil), `{"mail":"ada@example.com"}`)
	if a.last.Method != "POST" || a.last.URL.String() != "/leads?list=7" || a.lastBody != `{"mail":"ada@example.com"}` {
		t.Errorf("sent %s %s %s", a.last.Method, a.last.URL, a.lastBody)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json", "Idempotency-Key": "l1.erp-1", "Authorization": "",
	} {
		if got := a.last.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestMethodAndHeadersAreAsConfigured(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	deliver(t, a.destination(t, func(cfg *configv1.HTTP) {
		cfg.Method = "PUT"
		cfg.Headers = map[string]string{
			"X-Key": "Key ${env:KEY}", "content-type": "application/vnd.erp+json", "Host": "erp.internal", "idempotency-key": "mine",
		}
	}), `{}`)
	if a.last.Method != "PUT" || a.last.Host != "erp.internal" {
		t.Errorf("sent %s to %s", a.last.Method, a.last.Host)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/vnd.erp+json", "X-Key": "Key k-123456", "Idempotency-Key": "l1.erp-1",
	} {
		if got := a.last.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		auth         *configv1.HTTPAuth
		header, want string
	}{
		"bearer": {
			&configv1.HTTPAuth{Kind: &configv1.HTTPAuth_Bearer{Bearer: "${env:KEY}"}},
			"Authorization", "Bearer k-123456",
		},
		"basic": {
			&configv1.HTTPAuth{Kind: &configv1.HTTPAuth_Basic{Basic: &configv1.HTTPBasic{Username: "site", Password: "${env:KEY}"}}},
			"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("site:k-123456")),
		},
		"header": {
			&configv1.HTTPAuth{Kind: &configv1.HTTPAuth_Header{Header: &configv1.HTTPHeader{Name: "X-Api-Token", Value: "${env:KEY}"}}},
			"X-Api-Token", "k-123456",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			d := a.destination(t, func(cfg *configv1.HTTP) { cfg.Auth = test.auth })
			a.status, a.body = 500, "you sent "+test.want
			outcome := deliver(t, d, `{}`)
			if got := a.last.Header.Get(test.header); got != test.want {
				t.Errorf("%s is %q, want %q", test.header, got, test.want)
			}
			if want := strings.TrimPrefix(test.want, "Bearer "); strings.Contains(outcome.Body, strings.TrimPrefix(want, "Basic ")) {
				t.Errorf("the body shows the secret: %s", outcome.Body)
			}
			a.unreadSecret, a.last = errors.New("no such variable"), nil
			if outcome := deliver(t, d, `{}`); outcome.Kind != crm.CredentialsRefused || !strings.Contains(outcome.Reason, "http.auth."+name) || a.last != nil {
				t.Errorf("without the secret: %+v", outcome)
			}
		})
	}
}

func TestASecretThatStandsWithinAHeaderIsNotKeptByItself(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.status, a.body = 401, `{"error":"no such key: k-123456"}`
	d := a.destination(t, func(cfg *configv1.HTTP) {
		cfg.Headers = map[string]string{"Authorization": "Token ${env:KEY}; lead={email}"}
	})
	outcome := deliver(t, d, `{"leadgate":"envelope","values":{"email":"ada@example.com"},"json":{}}`)
	if got := a.last.Header.Get("Authorization"); got != "Token k-123456; lead=ada@example.com" {
		t.Errorf("sent %q", got)
	}
	if outcome.Status != 401 || strings.Contains(outcome.Body, "k-123456") {
		t.Errorf("ended as %+v", outcome)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]crm.OutcomeKind{
		200: crm.Delivered, 201: crm.Delivered, 202: crm.Delivered, 204: crm.Delivered,
		301: crm.Retry, 302: crm.Retry, 307: crm.Retry,
		400: crm.Refused, 401: crm.CredentialsRefused, 403: crm.Retry, 404: crm.Retry, 405: crm.Retry, 408: crm.Retry,
		409: crm.Unknown, 410: crm.Retry, 413: crm.Refused, 415: crm.Refused, 422: crm.Refused, 423: crm.Retry, 425: crm.Retry,
		429: crm.RateLimited, 500: crm.Unknown, 502: crm.Unknown, 503: crm.Unknown, 504: crm.Unknown,
	} {
		a := newAPI(t)
		a.status, a.body = status, ""
		if outcome := deliver(t, a.destination(t, nil), `{}`); outcome.Kind != want || outcome.Status != status {
			t.Errorf("%d ended as %+v, want %d", status, outcome, want)
		}
	}
}

func TestAPingIsPongUnlessSomethingIsWrong(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]crm.OutcomeKind{
		200: crm.Delivered, 204: crm.Delivered, 400: crm.Delivered, 404: crm.Delivered, 405: crm.Delivered, 501: crm.Delivered,
		302: crm.Retry, 401: crm.CredentialsRefused, 403: crm.CredentialsRefused, 429: crm.RateLimited, 500: crm.Retry, 503: crm.Retry,
	} {
		a := newAPI(t)
		a.status = status
		outcome := a.destination(t, nil).Ping(t.Context())
		if outcome.Kind != want {
			t.Errorf("%d ended as %+v, want %d", status, outcome, want)
		}
		if a.last.Method != "HEAD" || a.last.Header.Get("Idempotency-Key") != "" {
			t.Errorf("the ping was %s with %v", a.last.Method, a.last.Header)
		}
	}
}

func TestTheRecordsIdentifierIsEscapedForItsPlace(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://erp.example.com/leads/{id}": "https://erp.example.com/leads/a&b+c%2Fd", "https://erp.example.com/?lead={id}&tab=1": "https://erp.example.com/?lead=a%26b%2Bc%2Fd&tab=1",
	} {
		a := newAPI(t)
		a.body = `{"id":"a&b+c/d"}`
		outcome := deliver(t, a.destination(t, func(cfg *configv1.HTTP) { cfg.RecordId, cfg.RecordUrl = "/id", address }), `{}`)
		if outcome.RecordURL != want {
			t.Errorf("the record is at %s, want %s", outcome.RecordURL, want)
		}
	}
}

func TestTheRecordIsWhereThePointerLeads(t *testing.T) {
	t.Parallel()
	for pointer, want := range map[string]string{
		"/id": "501", "/data/0/id": "a-7", "/data/1/id": "12345678901234567890", "/a~1b/m~0n": "slash", "/~01": "tilde one", "/": "empty key",
		"/data/-": "", "/data/2": "", "/data/00": "", "/id/x": "", "/none": "", "/flag": "", "/data": "",
	} {
		a := newAPI(t)
		a.body = `{"id":501,"flag":true,"data":[{"id":"a-7"},{"id":12345678901234567890}],"a/b":{"m~n":"slash"},"~1":"tilde one","":"empty key"}`
		outcome := deliver(t, a.destination(t, func(cfg *configv1.HTTP) { cfg.RecordId = pointer }), `{}`)
		if delivered := want != ""; outcome.RecordID != want || (outcome.Kind == crm.Delivered) != delivered {
			t.Errorf("%s: %+v, want record %q", pointer, outcome, want)
		} else if !delivered && !strings.Contains(outcome.Reason, pointer) {
			t.Errorf("%s: the reason does not name it: %s", pointer, outcome.Reason)
		}
	}
}

func TestAWrongConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]*configv1.HTTP{
		"record_id": {Url: "http://x", RecordId: "id"},
		"~1":        {Url: "http://x", RecordId: "/a~b"},
		"http.url":  {Url: "http://x\n"},
	} {
		if _, err := http.New(cfg, crm.Environment{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error is %v, want one about %s", cfg, err, want)
		}
	}
}

func TestPayloadsAreSortedJSON(t *testing.T) {
	t.Parallel()
	d := newAPI(t).destination(t, nil)
	got, err := d.Encode([]mapping.Property{
		{Name: "z", Value: []any{"a", 1.5, true}}, {Name: "name", Value: "A & B <\"c\">"}, {Name: "newsletter", Value: false},
	})
	if want := `{"name":"A & B <\"c\">","newsletter":false,"z":["a",1.5,true]}`; err != nil || string(got) != want {
		t.Errorf("encoded as %s (%v), want %s", got, err, want)
	}
	if _, err := d.Encode([]mapping.Property{{Name: "n", Value: math.NaN()}}); err == nil {
		t.Error("not a number was encoded")
	}
}

func TestDefaultsAreTheLeadsOwnFields(t *testing.T) {
	t.Parallel()
	defaults := newAPI(t).destination(t, nil).Traits().Defaults
	if _, err := mapping.Compile(defaults); err != nil {
		t.Error(err)
	}
	if defaults["first_name"] != "first_name" || defaults["message"] != "message" || defaults["source.ip"] != "" {
		t.Errorf("defaults are %v", defaults)
	}
}
