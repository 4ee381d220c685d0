package prepare_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/prepare"
	"github.com/leadgate/leadgate/worker/store"
)

const engines = `{"name":"Engines Ltd","metrics":{"employeesRange":"11-50"},"category":{"industry":"Machinery"}}`

func ada() *leadgatev1.Lead { return &leadgatev1.Lead{Email: "ada@engines.example"} }

func TestWhatIsLearntInTimeGoesWithTheLeadAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, companyConfig(nil), func(t *testing.T, h *house) {
		h.rest(2 * time.Second) // the rate limiter's first window
		h.answers(300*time.Millisecond, 200, engines)
		id := h.accept(ada())
		h.rest(299 * time.Millisecond)
		if got := h.due(); got != nil {
			t.Fatalf("due before it is prepared: %v", got)
		}
		h.rest(time.Millisecond)
		if got := h.due(); !slices.Equal(got, []string{id}) {
			t.Fatalf("due afterwards: %v", got)
		}
		record := h.record(id)
		if e := record.GetLead().GetEnrichment(); e.GetCompanyName() != "Engines Ltd" || e.GetCompanySize() != "11-50" || e.GetIndustry() != "Machinery" || record.GetPrepareTime() == nil {
			t.Errorf("the record is %v", record)
		}
		if got := h.prepared(id); got != "prepared: learnt company_name, company_size, industry" {
			t.Errorf("the event says %q", got)
		}
		if got := h.asked(); !slices.Equal(got, []string{"https://company.example/find?domain=engines.example Bearer secret of key"}) {
			t.Errorf("asked %v", got)
		}
	})
}

func TestALeadNeverWaitsLongerThanItsTime(t *testing.T) {
	t.Parallel()
	bubble(t, companyConfig(nil), func(t *testing.T, h *house) {
		h.rest(2 * time.Second)
		h.answers(5*time.Second, 200, engines)
		id := h.accept(ada())
		h.rest(2*time.Second - 1)
		if got := h.due(); got != nil {
			t.Fatalf("due too early: %v", got)
		}
		h.rest(1)
		if got := h.due(); !slices.Equal(got, []string{id}) {
			t.Fatalf("due when its time is over: %v", got)
		}
		if got := h.prepared(id); !strings.Contains(got, "goes without company") {
			t.Errorf("the event says %q", got)
		}
		h.rest(5 * time.Second) // the answer arrives, and is kept
		again := h.accept(&leadgatev1.Lead{Email: "bob@engines.example"})
		h.rest(0)
		if name := h.record(again).GetLead().GetEnrichment().GetCompanyName(); name != "Engines Ltd" || len(h.asked()) != 1 {
			t.Errorf("the next lead has %q after %d requests", name, len(h.asked()))
		}
	})
}

func TestAnswersAndMissesAreKeptAcrossRestarts(t *testing.T) {
	t.Parallel()
	bubble(t, companyConfig(func(c *configv1.Company) { c.KeepUnknown = durationpb.New(time.Hour) }), func(t *testing.T, h *house) {
		h.rest(2 * time.Second)
		h.answers(0, 404, "")
		first := h.accept(ada())
		h.rest(0)
		if got := h.prepared(first); got != "prepared: " || h.record(first).GetLead().GetEnrichment() != nil {
			t.Errorf("an unknown domain: %q, %v", got, h.record(first))
		}
		h.stop()
		h.open()
		h.answers(0, 200, engines)
		h.accept(ada())
		h.rest(0)
		if got := len(h.asked()); got != 1 {
			t.Errorf("%d requests for a domain that nobody knew a moment ago", got)
		}
		h.rest(time.Hour)
		id := h.accept(ada())
		h.rest(0)
		if got := len(h.asked()); got != 2 || h.record(id).GetLead().GetEnrichment().GetCompanyName() == "" {
			t.Errorf("%d requests an hour later: %v", got, h.record(id))
		}
	})
}

func TestWhatWasAskedForOtherFieldsIsAskedAnew(t *testing.T) {
	t.Parallel()
	with := func(pointer string) prepare.Config {
		return companyConfig(func(c *configv1.Company) { c.Fields = map[string]string{"company_name": pointer} })
	}
	bubble(t, with("/wrong"), func(t *testing.T, h *house) {
		h.rest(2 * time.Second)
		h.answers(0, 200, engines)
		company := func() string {
			id := h.accept(ada())
			h.rest(0)
			return h.record(id).GetLead().GetEnrichment().GetCompanyName()
		}
		if got := company(); got != "" {
			t.Errorf("by a wrong pointer the company is %q", got)
		}
		h.apply(with("/name"))
		if got := company(); got != "Engines Ltd" {
			t.Errorf("once it is mended the company is %q", got)
		}
		h.apply(with("/name"))
		if company(); len(h.asked()) != 2 {
			t.Errorf("%d requests", len(h.asked()))
		}
	})
}

func TestNobodyIsAskedForWhatSaysNothing(t *testing.T) {
	t.Parallel()
	bubble(t, companyConfig(func(c *configv1.Company) { c.SkipDomains = []string{"ours.example"} }), func(t *testing.T, h *house) {
		for _, email := range []string{"ada@gmail.com", "ada@yahoo.ca", "ada@hotmail.com.br", "ada@ours.example", ""} {
			if wait := h.preparer.Wants("contact", &leadgatev1.Lead{Email: email, Phone: "+14155550132"}); wait != 0 {
				t.Errorf("%q waits %s", email, wait)
			}
		}
		id := h.accept(&leadgatev1.Lead{Email: "ada@gmail.com"})
		if got := h.due(); !slices.Equal(got, []string{id}) {
			t.Errorf("due: %v", got)
		}
	})
}

func TestAnAPIThatFailsIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	bubble(t, companyConfig(nil), func(t *testing.T, h *house) {
		h.rest(2 * time.Second)
		h.answers(0, 500, "")
		company := func(i int) string {
			id := h.accept(&leadgatev1.Lead{Email: fmt.Sprintf("ada@engines%d.example", i)})
			h.rest(0)
			if got := h.due(); !slices.Contains(got, id) {
				t.Fatalf("lead %d is not due: %v", i, got)
			}
			return h.record(id).GetLead().GetEnrichment().GetCompanyName()
		}
		for i := range 10 {
			company(i)
		}
		if got := len(h.asked()); got != 5 {
			t.Errorf("%d requests were made", got)
		}
		if got := h.failures(); len(got) != 1 || !strings.Contains(got[0], "HTTP 500") {
			t.Errorf("told %v", got)
		}
		h.rest(time.Minute)
		company(10)
		company(11) // the first failure after the pause begins another pause
		if got := len(h.asked()); got != 6 {
			t.Errorf("%d requests were made", got)
		}
		h.rest(time.Minute)
		h.answers(0, 200, engines)
		if got := company(12); got != "Engines Ltd" {
			t.Errorf("afterwards the company is %q", got)
		}
		h.answers(0, 401, "")
		company(13)
		company(14)
		if got := len(h.asked()); got != 8 {
			t.Errorf("%d requests were made, refused credentials were tried again", got)
		}
	})
}

func TestOneDomainIsAskedForOnceAtATime(t *testing.T) {
	t.Parallel()
	bubble(t, companyConfig(nil), func(t *testing.T, h *house) {
		h.rest(2 * time.Second)
		h.answers(time.Second, 200, engines)
		var ids []string
		for i := range 20 {
			ids = append(ids, h.accept(&leadgatev1.Lead{Email: fmt.Sprintf("p%d@engines.example", i)}))
		}
		h.rest(time.Second)
		for _, id := range ids {
			if h.record(id).GetLead().GetEnrichment().GetCompanyName() != "Engines Ltd" {
				t.Errorf("lead %s has no company", id)
			}
		}
		if got := len(h.asked()); got != 1 {
			t.Errorf("%d requests for one domain", got)
		}
	})
}

func TestWhatTheLastProcessLeftIsTakenUp(t *testing.T) {
	t.Parallel()
	bubble(t, companyConfig(nil), func(t *testing.T, h *house) {
		h.rest(2 * time.Second)
		h.answers(time.Hour, 200, engines)
		id := h.accept(ada())
		h.rest(100 * time.Millisecond)
		h.stop()
		h.answers(0, 200, engines)
		h.open()
		h.rest(1500 * time.Millisecond)
		if got := h.due(); !slices.Equal(got, []string{id}) || h.record(id).GetLead().GetEnrichment().GetCompanyName() != "Engines Ltd" {
			t.Errorf("due: %v, the record is %v", got, h.record(id))
		}
		late := h.accept(&leadgatev1.Lead{Email: "bob@looms.example"})
		h.stop()
		h.rest(time.Minute)
		h.open()
		if got := h.prepared(late); !strings.Contains(got, "goes without") {
			t.Errorf("the event says %q", got)
		}
		if got := h.due(); !slices.Contains(got, late) {
			t.Errorf("due: %v", got)
		}
	})
}

func TestThePlaceIsLookedUpAndTheDatabaseMayBeReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "places.mmdb")
	places(t, path, "London")
	bubble(t, prepare.Config{Enrich: &configv1.Enrich{Place: &configv1.Place{Database: path}}}, func(t *testing.T, h *house) {
		people := 0
		city := func(ip string) *leadgatev1.Enrichment {
			people++
			id := h.accept(&leadgatev1.Lead{Email: fmt.Sprintf("p%d@gmail.com", people), Source: &leadgatev1.Source{Ip: ip}})
			h.rest(0)
			if got := h.due(); !slices.Contains(got, id) {
				t.Errorf("%s is not due", ip)
			}
			return h.record(id).GetLead().GetEnrichment()
		}
		if e := city("81.2.69.142"); e.GetGeoCity() != "London" || e.GetGeoRegion() != "England" || e.GetGeoCountry() != "GB" {
			t.Errorf("it is %v", e)
		}
		for _, ip := range []string{"10.1.2.3", "192.0.2.1", "::1"} {
			if e := city(ip); e != nil {
				t.Errorf("%s is in %v", ip, e)
			}
		}
		places(t, path, "Londinium")
		h.rest(time.Minute)
		if e := city("81.2.69.142"); e.GetGeoCity() != "Londinium" {
			t.Errorf("after it was replaced it is %v", e)
		}
	})
}

func TestADatabaseThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	bubble(t, prepare.Config{}, func(t *testing.T, h *house) {
		_, err := h.preparer.Prepare(prepare.Config{Enrich: &configv1.Enrich{Place: &configv1.Place{Database: filepath.Join(t.TempDir(), "gone")}}})
		if err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestADatabaseOfAConfigurationThatIsRefusedIsNotKeptOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "places.mmdb")
	places(t, path, "London")
	bubble(t, prepare.Config{}, func(t *testing.T, h *house) {
		if _, err := h.preparer.Prepare(prepare.Config{Enrich: &configv1.Enrich{Place: &configv1.Place{Database: path}}}); err != nil {
			t.Fatal(err) // another package refuses the configuration, so that it is never used
		}
		mapped, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Skip("what a process has open is seen on Linux")
		}
		if strings.Contains(string(mapped), path) {
			t.Error("the database is open")
		}
	})
}

func screened(captcha *configv1.Captcha, noMX string) prepare.Config {
	return prepare.Config{Forms: map[string]*configv1.Form{"contact": {Captcha: captcha, Quality: &configv1.Quality{NoMx: noMX}}}}
}

func token(name, value string) *leadgatev1.Submission_Field {
	return &leadgatev1.Submission_Field{Name: name, Values: []string{value}}
}

func TestACaptchaHoldsWhatNoPersonSent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		answer string
		field  *leadgatev1.Submission_Field
		held   string // the reason; empty if the lead goes on
		failed bool
	}{
		"a person":        {200, `{"success":true}`, token("cf-turnstile-response", "good"), "", false},
		"a program":       {200, `{"success":false,"error-codes":["invalid-input-response"]}`, token("cf-turnstile-response", "bad"), "its token is not valid: invalid-input-response", false},
		"expired":         {200, `{"success":false,"error-codes":["timeout-or-duplicate"]}`, token("cf-turnstile-response", "old"), "its token has expired or was already used", false},
		"no token":        {200, `{"success":true}`, token("other", "x"), "no token arrived in cf-turnstile-response", false},
		"a low score":     {200, `{"success":true,"score":0.1}`, token("cf-turnstile-response", "low"), "it has the score 0.1, below 0.5", false},
		"a high score":    {200, `{"success":true,"score":0.9}`, token("cf-turnstile-response", "high"), "", false},
		"the service":     {503, `oh no`, token("cf-turnstile-response", "good"), "", true},
		"a wrong secret":  {200, `{"success":false,"error-codes":["invalid-input-secret"]}`, token("cf-turnstile-response", "good"), "", true},
		"too many calls":  {429, `{"message":"Too Many Requests"}`, token("cf-turnstile-response", "good"), "", true},
		"a wrong address": {404, `{"error":"not found"}`, token("cf-turnstile-response", "good"), "", true},
		"a refusal":       {400, `{"success":false,"error-codes":["invalid-input-response"]}`, token("cf-turnstile-response", "bad"), "its token is not valid: invalid-input-response", false},
		"not the service": {200, `<html>`, token("cf-turnstile-response", "good"), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, screened(&configv1.Captcha{Provider: "turnstile", Secret: "key"}, ""), func(t *testing.T, h *house) {
				h.answers(50*time.Millisecond, test.status, test.answer)
				lead := ada()
				lead.Source = &leadgatev1.Source{Ip: "192.0.2.7"}
				id := h.accept(lead, test.field)
				h.rest(100 * time.Millisecond)
				record := h.record(id)
				if test.held == "" {
					if got := h.due(); !slices.Equal(got, []string{id}) {
						t.Errorf("due: %v", got)
					}
				} else if record.GetState() != leadgatev1.LeadState_LEAD_STATE_HELD || !strings.Contains(record.GetHolds()[0].GetDetail(), test.held) ||
					record.GetHolds()[0].GetReason() != leadgatev1.HoldReason_HOLD_REASON_SPAM {
					t.Errorf("the record is %v", record)
				} else if got := h.due(); got != nil {
					t.Errorf("a held lead is due: %v", got)
				}
				if failed := len(h.failures()) > 0; failed != test.failed {
					t.Errorf("told: %v", h.failures())
				}
				if asked := h.asked(); name == "a person" && (len(asked) != 1 ||
					asked[0] != "https://challenges.cloudflare.com/turnstile/v0/siteverify  remoteip=192.0.2.7&response=good&secret=secret+of+key") {
					t.Errorf("asked %v", asked)
				}
			})
		})
	}
}

func TestEveryProviderIsAskedAtItsAddressWithItsField(t *testing.T) {
	t.Parallel()
	for provider, want := range map[string][2]string{
		"turnstile": {"cf-turnstile-response", "https://challenges.cloudflare.com/turnstile/v0/siteverify"},
		"hcaptcha":  {"h-captcha-response", "https://api.hcaptcha.com/siteverify"},
		"recaptcha": {"g-recaptcha-response", "https://www.google.com/recaptcha/api/siteverify"},
	} {
		bubble(t, screened(&configv1.Captcha{Provider: provider, Secret: "key"}, ""), func(t *testing.T, h *house) {
			h.answers(0, 200, `{"success":true}`)
			h.accept(ada(), token(want[0], "good"))
			h.rest(0)
			if asked := h.asked(); len(asked) != 1 || !strings.HasPrefix(asked[0], want[1]+" ") || !strings.Contains(asked[0], "response=good") {
				t.Errorf("%s: asked %v", provider, asked)
			}
		})
	}
	bubble(t, screened(&configv1.Captcha{Provider: "hcaptcha", Secret: "key", Field: "mine", Url: "https://captcha.example/verify"}, ""), func(t *testing.T, h *house) {
		h.answers(0, 200, `{"success":true}`)
		h.accept(ada(), token("mine", "good"))
		h.rest(0)
		if asked := h.asked(); len(asked) != 1 || !strings.HasPrefix(asked[0], "https://captcha.example/verify ") {
			t.Errorf("asked %v", asked)
		}
	})
}

func TestALeadThatWasSentMeanwhileIsNotHeld(t *testing.T) {
	t.Parallel()
	config := screened(&configv1.Captcha{Provider: "turnstile", Secret: "key"}, "")
	config.Enrich = &configv1.Enrich{Timeout: durationpb.New(time.Minute)}
	bubble(t, config, func(t *testing.T, h *house) {
		h.answers(10*time.Second, 200, `{"success":false}`)
		id := h.accept(ada(), token("cf-turnstile-response", "bad"))
		h.rest(time.Second)
		// An operator retries the delivery before it is prepared.
		if results, err := h.store.Redrive(t.Context(), &store.Redrive{DeliveryID: id + ".crm"}); err != nil || results[0].Err != nil {
			t.Fatal(results, err)
		}
		claims, err := h.store.Claim(t.Context(), "crm", 1)
		if err != nil || len(claims.Items) != 1 {
			t.Fatal(claims, err)
		}
		d := claims.Items[0].Delivery
		d.AttemptCount = 1
		if _, err := h.store.Begin(t.Context(), &store.Step{Claim: claims.Items[0], Delivery: d, Attempt: &leadgatev1.Attempt{Number: 1}}); err != nil {
			t.Fatal(err)
		}
		h.rest(10 * time.Second)
		if state := h.record(id).GetState(); state != leadgatev1.LeadState_LEAD_STATE_OPEN {
			t.Errorf("it is %v", state)
		}
		if got := h.prepared(id); !strings.Contains(got, "would be held, but was already sent") {
			t.Errorf("the event says %q", got)
		}
	})
}

func TestADomainThatTakesNoMailIsHeld(t *testing.T) {
	t.Parallel()
	gone := &net.DNSError{Err: "no such host", IsNotFound: true}
	for domain, test := range map[string]struct {
		mx    []*net.MX
		err   error
		hosts []string
		herr  error
		held  bool
	}{
		"takes.example":   {[]*net.MX{{Host: "mx.takes.example."}}, nil, nil, gone, false},
		"null.example":    {[]*net.MX{{Host: "."}}, nil, []string{"192.0.2.1"}, nil, true},
		"address.example": {nil, gone, []string{"192.0.2.1"}, nil, false},
		"gone.example":    {nil, gone, nil, gone, true},
		"unsure.example":  {nil, errors.New("server misbehaving"), nil, nil, false},
		"unsure2.example": {nil, gone, nil, &net.DNSError{Err: "timeout", IsTimeout: true}, false},
	} {
		bubble(t, screened(nil, "hold"), func(t *testing.T, h *house) {
			looked := 0
			h.mx = func(name string) ([]*net.MX, error) {
				if looked++; name != domain+"." {
					t.Errorf("looked up %q", name)
				}
				return test.mx, test.err
			}
			h.hosts = func(string) ([]string, error) { return test.hosts, test.herr }
			for range 2 {
				id := h.accept(&leadgatev1.Lead{Email: "ada@" + domain})
				h.rest(0)
				if held := h.record(id).GetState() == leadgatev1.LeadState_LEAD_STATE_HELD; held != test.held {
					t.Errorf("%s: held is %t", domain, held)
				}
			}
			if certain := !strings.HasPrefix(domain, "unsure"); certain && looked != 1 {
				t.Errorf("%s was looked up %d times", domain, looked)
			}
		})
	}
}

func TestAPlanWithoutAnythingAsksForNothing(t *testing.T) {
	t.Parallel()
	bubble(t, prepare.Config{}, func(t *testing.T, h *house) {
		if wait := h.preparer.Wants("contact", ada()); wait != 0 {
			t.Errorf("a lead waits %s", wait)
		}
		h.apply(companyConfig(nil))
		// Longer than it is prepared: results of the last moment must be written before it is sent.
		if wait := h.preparer.Wants("contact", ada()); wait <= prepare.DefaultTimeout || wait > prepare.DefaultTimeout+time.Second {
			t.Errorf("a lead waits %s", wait)
		}
		_, err := h.preparer.Prepare(prepare.Config{
			Enrich: &configv1.Enrich{Company: &configv1.Company{Url: "https://x.example/{domain}", Auth: &configv1.CompanyAuth{Kind: &configv1.CompanyAuth_Bearer{Bearer: "key"}}}},
			Secret: func(string) (string, error) { return "", errors.New("KEY is not set") },
		})
		if err == nil || !strings.Contains(err.Error(), "KEY is not set") {
			t.Errorf("the error is %v", err)
		}
	})
}

var _ http.RoundTripper = (*house)(nil)
