package dynamics_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/dynamics"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/dynamics"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const (
	upsert = leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT
	blanks = leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS

	leadID = "01a217a2-8a0b-7353-99bc-f2177c76df3c"
)

// rig is a destination in front of a simulated environment.
type rig struct {
	*crmtest.Rig
	environment environment
}

func newRig(t *testing.T, cfg *configv1.Dynamics, options simulated.Options) *rig {
	t.Helper()
	clock := crmtest.NewClock(noon)
	options.Now = clock.Now
	r := &rig{environment: environment{simulated.New(options)}}
	r.Rig = crmtest.NewRig(t, clock, r.environment, func(req *http.Request, _ string) string {
		return req.Method + " " + strings.TrimPrefix(req.URL.RequestURI(), "/api/data/v9.2/")
	})
	cfg.Url, cfg.LoginUrl, cfg.Tenant, cfg.ClientId, cfg.ClientSecret = r.URL, r.URL, "t", "c", "s"
	r.Open(dynamics.New(cfg, r.Env))
	return r
}

func (r *rig) deliver(mode leadgatev1.DeliveryMode, payload string) crm.Outcome {
	r.T.Helper()
	var values struct{ EMailAddress1 string }
	_ = json.Unmarshal([]byte(payload), &values)
	return r.Destination.Deliver(r.T.Context(), []crm.Item{{IdempotencyValue: leadID + ".crm-1", Email: values.EMailAddress1, Payload: []byte(payload)}}, mode)[0]
}

const ada = `{"emailaddress1":"ada.o'neil@example.com","firstname":"Ada","lastname":"Lovelace"}`

func TestALeadIsWrittenToTheRecordOfItsKeyItsAddressOrItsOwn(t *testing.T) {
	t.Parallel()
	const (
		found = "GET leads?%24filter=emailaddress1%20eq%20%27ada.o%27%27neil%40example.com%27%20and%20%28statecode%20eq%200%20or%20merged%20eq%20true%29&%24orderby=statecode%20asc%2Ccreatedon%20desc&%24select=leadid%2Cmerged%2C_masterid_value&%24top=1"
		shown = "?$select=leadid,merged,_masterid_value"
	)
	for name, test := range map[string]struct {
		key, payload string
		calls        []string
	}{
		"address": {"", ada, []string{found, "PATCH leads(" + leadID + ")" + shown, found, "PATCH leads(" + leadID + ")" + shown}},
		"key":     {"new_gatewaykey", ada, slices.Repeat([]string{"PATCH leads(new_gatewaykey='ada.o%27%27neil@example.com')" + shown}, 2)},
		"mapped":  {"new_gatewaykey", `{"new_gatewaykey":"k/1","lastname":"L"}`, slices.Repeat([]string{"PATCH leads(new_gatewaykey='k%2F1')" + shown}, 2)},
		"neither": {"", `{"telephone1":"+14155550132","lastname":"L"}`, slices.Repeat([]string{"PATCH leads(" + leadID + ")" + shown}, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, &configv1.Dynamics{Key: test.key}, simulated.Options{})
			for range 2 {
				outcome := r.deliver(upsert, test.payload)
				r.Expect(outcome, crm.Delivered, "")
				if outcome.RecordID == "" || !strings.HasSuffix(outcome.RecordURL, "/main.aspx?pagetype=entityrecord&etn=lead&id="+outcome.RecordID) {
					t.Errorf("record %s at %s", outcome.RecordID, outcome.RecordURL)
				}
			}
			if n := r.environment.Records(); n != 1 || !slices.Equal(r.Calls, test.calls) {
				t.Errorf("%d records, called\n%s\nwant\n%s", n, strings.Join(r.Calls, "\n"), strings.Join(test.calls, "\n"))
			}
		})
	}
}

func TestALostAnswerMakesNoSecondRecord(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{ada, `{"telephone1":"+14155550132"}`} {
		r := newRig(t, &configv1.Dynamics{}, simulated.Options{})
		r.environment.SetFaults(simulator.Faults{Kind: simulator.KindLost, Method: "PATCH", Times: 1})
		r.Expect(r.deliver(upsert, payload), crm.Unknown, "lost")
		r.Expect(r.deliver(upsert, payload), crm.Delivered, "")
		if n := r.environment.Records(); n != 1 {
			t.Errorf("%d records", n)
		}
	}
}

func TestColumnsThatDynamicsRefusesAreLeftOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Dynamics{}, simulated.Options{})
	outcome := r.deliver(upsert, `{"emailaddress1":"a@example.com","lastname":"L","budget":"9","numberofemployees":"many","leadsourcecode":7,"subject":"`+strings.Repeat("x", 301)+`"}`)
	r.Expect(outcome, crm.Delivered, "")
	slices.Sort(outcome.Dropped)
	if got := strings.Join(outcome.Dropped, " "); got != "budget leadsourcecode numberofemployees subject" {
		t.Errorf("left out %s", got)
	}
}

func TestALateLeadIsDeliveredWithoutAColumnThatIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Dynamics{}, simulated.Options{})
	r.Expect(r.deliver(upsert, ada), crm.Delivered, "")
	outcome := r.deliver(blanks, strings.ReplaceAll(ada, `"firstname":"Ada"`, `"budget":"9","jobtitle":"Countess"`))
	r.Expect(outcome, crm.Delivered, "budget")
	if got := r.environment.records()[0].Properties; !slices.Equal(outcome.Dropped, []string{"budget"}) || got["jobtitle"] != "Countess" {
		t.Errorf("left out %v of %v", outcome.Dropped, got)
	}
}

func TestOtherRecordsAreReferredTo(t *testing.T) {
	t.Parallel()
	const spring, autumn, nowhere = "/campaigns(5f1d7a90-0000-4000-8000-00000000000a)", "/campaigns(5f1d7a90-0000-4000-8000-00000000000b)", "/campaigns(00000000-0000-0000-0000-000000000000)"
	lead := func(column, value string) string {
		return `{"emailaddress1":"ada@example.com","lastname":"Lovelace","` + column + `":"` + value + `"}`
	}
	for _, key := range []string{"", "new_gatewaykey"} {
		r := newRig(t, &configv1.Dynamics{Key: key}, simulated.Options{})
		r.Expect(r.deliver(upsert, lead("campaignid@odata.bind", spring)), crm.Delivered, "")
		r.Expect(r.deliver(blanks, lead("campaignid@odata.bind", autumn)), crm.Delivered, "")
		r.Expect(r.deliver(blanks, lead("new_Region@odata.bind", autumn)), crm.Delivered, "")
		if got := r.environment.records()[0].Properties; got["campaignid@odata.bind"] != spring || got["new_Region@odata.bind"] != autumn {
			t.Errorf("record is %v", got)
		}
		for _, mode := range []leadgatev1.DeliveryMode{upsert, blanks} {
			for column, value := range map[string]string{"shopid@odata.bind": spring, "ownerid@odata.bind": nowhere} {
				outcome := r.deliver(mode, lead(column, value))
				if r.Expect(outcome, crm.Delivered, ""); !slices.Equal(outcome.Dropped, []string{column}) {
					t.Errorf("%v: %s left out %v", mode, column, outcome.Dropped)
				}
			}
		}
		schema, outcome := r.Destination.Schema(t.Context())
		r.Expect(outcome, crm.Delivered, "")
		for _, column := range []string{"campaignid@odata.bind", "new_Region@odata.bind", "ownerid@odata.bind"} {
			if p := schema.Property(column); p == nil || p.Required || p.ReadOnly {
				t.Errorf("%s is %+v", column, p)
			}
		}
	}
}

func TestChoicesAreNumbersByTheirLabels(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Dynamics{}, simulated.Options{})
	schema, outcome := r.Destination.Schema(t.Context())
	r.Expect(outcome, crm.Delivered, "")
	source := schema.Property("leadsourcecode")
	if source.Type != crm.Enumeration || source.Of("web") != 8.0 || schema.Property("subject").MaxLength != 300 {
		t.Errorf("leadsourcecode is %+v", source)
	}
	r.Expect(r.deliver(upsert, `{"emailaddress1":"a@example.com","leadsourcecode":8,"donotemail":true,"numberofemployees":12}`), crm.Delivered, "")
	if got := r.environment.records()[0].Properties; got["leadsourcecode"] != 8.0 || got["donotemail"] != true || got["numberofemployees"] != 12.0 {
		t.Errorf("record is %v", got)
	}
}

func TestAWordThatIsReadAsInfinityIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"Infinity", "nan", "-inf"} {
		r := newRig(t, &configv1.Dynamics{}, simulated.Options{})
		_, outcome := r.Destination.Schema(t.Context())
		r.Expect(outcome, crm.Delivered, "")
		outcome = r.deliver(upsert, `{"emailaddress1":"a@example.com","numberofemployees":"`+word+`"}`)
		r.Expect(outcome, crm.Delivered, "")
		if !slices.Equal(outcome.Dropped, []string{"numberofemployees"}) {
			t.Errorf("%s: left out %v", word, outcome.Dropped)
		}
	}
}

func TestAKeyThatIsNotReadyIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Dynamics{Key: "new_gatewaykey"}, simulated.Options{KeyStatus: "Pending"})
	_, outcome := r.Destination.Schema(t.Context())
	r.Expect(outcome, crm.Refused, "Pending")
	r.Expect(r.deliver(upsert, ada), crm.Retry, "dynamics.key")
	_, outcome = newRig(t, &configv1.Dynamics{Key: "new_other"}, simulated.Options{}).Destination.Schema(t.Context())
	r.Expect(outcome, crm.Refused, "no key")
}

func TestWhatDynamicsSaysDecides(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Dynamics{Key: "new_gatewaykey"}, simulated.Options{})
	body := func(code string) string { return fmt.Sprintf(`{"error":{"code":%q,"message":"x"}}`, code) }
	for _, test := range []struct {
		status int
		body   string
		header []string
		want   crm.OutcomeKind
		after  time.Duration
	}{
		{429, body("0x80072322"), []string{"Retry-After", "37"}, crm.RateLimited, 37 * time.Second},
		{429, body("0x80072321"), nil, crm.RateLimited, 10 * time.Second},
		{403, body("0x80040220"), nil, crm.CredentialsRefused, 0},
		{412, body("0x80060892"), nil, crm.Retry, 0},
		{412, body("0x80060882"), nil, crm.Retry, 0},
		{500, body("0x80040333"), nil, crm.Refused, 0},
		{412, body("0x80040333"), nil, crm.Refused, 0},
		{500, body("0x80040216"), nil, crm.Unknown, 0},
		{400, body("0x80060891"), nil, crm.Retry, 0},
		{400, body("0x80048D19"), nil, crm.Refused, 0},
		{400, body("0x80040265"), nil, crm.Refused, 0},
		{204, ``, []string{"OData-EntityId", "https://x/api/data/v9.2/leads(" + leadID + ")"}, crm.Delivered, 0},
		{201, `{"leadid":"1"}`, nil, crm.Delivered, 0},
		{201, `{}`, nil, crm.Unknown, 0},
	} {
		r.Answer(test.status, test.body, test.header...)
		outcome := r.deliver(upsert, ada)
		if outcome.Kind != test.want || outcome.After != test.after || outcome.Kind != crm.Delivered && outcome.Reason == "" {
			t.Errorf("%d %s ended as %+v, want %d after %v", test.status, test.body, outcome, test.want, test.after)
		}
	}
}

func TestDuplicatesAreLookedForIfConfigured(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Dynamics{Key: "new_gatewaykey", Duplicates: "park"}, simulated.Options{DetectDuplicates: true})
	r.Expect(r.deliver(upsert, `{"emailaddress1":"a@example.com","new_gatewaykey":"1"}`), crm.Delivered, "")
	r.Expect(r.deliver(upsert, `{"emailaddress1":"a@example.com","new_gatewaykey":"2"}`), crm.Refused, "duplicate detection")
}

func TestWhatComesForARecordThatWasMergedReachesTheOther(t *testing.T) {
	t.Parallel()
	const (
		grace = `{"emailaddress1":"grace@example.com","firstname":"Grace","lastname":"Hopper"}`
		mary  = `{"emailaddress1":"mary@example.com","firstname":"Mary","lastname":"Shelley"}`
	)
	for _, key := range []string{"", "new_gatewaykey"} {
		for _, mode := range []leadgatev1.DeliveryMode{upsert, blanks} {
			r := newRig(t, &configv1.Dynamics{Key: key}, simulated.Options{})
			var into string
			for i, payload := range []string{ada, grace, mary} {
				outcome := r.Destination.Deliver(t.Context(), []crm.Item{{
					IdempotencyValue: fmt.Sprintf("01a217a2-8a0b-7353-99bc-f2177c76df%02d.crm-1", i), Email: strings.Split(payload, `"`)[3], Payload: []byte(payload),
				}}, upsert)[0]
				r.Expect(outcome, crm.Delivered, "")
				into = outcome.RecordID
			}
			for _, merge := range []string{`{"from":"ada.o'neil@example.com","into":"grace@example.com"}`, `{"from":"grace@example.com","into":"mary@example.com"}`} {
				merged := httptest.NewRecorder()
				r.environment.ServeHTTP(merged, httptest.NewRequest(http.MethodPost, "/_sim/merge", strings.NewReader(merge)))
				if merged.Code != http.StatusNoContent {
					t.Fatal(merged.Body)
				}
			}
			for range 2 {
				outcome := r.deliver(mode, strings.ReplaceAll(ada, `"lastname":"Lovelace"`, `"jobtitle":"Countess"`))
				if outcome.Kind != crm.Delivered || outcome.RecordID != into {
					t.Errorf("key %q, %s: ended as %+v, want it delivered to %s", key, mode, outcome, into)
				}
			}
			all := r.environment.records()
			first := map[leadgatev1.DeliveryMode]string{upsert: "Ada", blanks: "Mary"}[mode]
			if got := all[2].Properties; len(all) != 3 || got["jobtitle"] != "Countess" || got["emailaddress1"] != "mary@example.com" || got["firstname"] != first {
				t.Errorf("key %q, %s: records are %v", key, mode, all)
			}
		}
	}
}

func TestBlanksAreFilledAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "new_gatewaykey"} {
		r := newRig(t, &configv1.Dynamics{Key: key}, simulated.Options{})
		r.Expect(r.deliver(blanks, ada), crm.Delivered, "")
		r.Expect(r.deliver(blanks, strings.ReplaceAll(ada, `"firstname":"Ada"`, `"firstname":"Augusta","jobtitle":"Countess"`)), crm.Delivered, "")
		r.Expect(r.deliver(blanks, ada), crm.Delivered, "")
		if got := r.environment.records(); len(got) != 1 || got[0].Properties["firstname"] != "Ada" || got[0].Properties["jobtitle"] != "Countess" {
			t.Errorf("records are %v", got)
		}
	}
}
