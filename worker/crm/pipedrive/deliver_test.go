package pipedrive_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/pipedrive"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/pipedrive"
	"github.com/leadgate/leadgate/worker/mapping"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const (
	upsert = leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT
	blanks = leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS
)

// rig is a destination in front of a simulated company.
type rig struct {
	*crmtest.Rig
	cfg     *configv1.Pipedrive
	company company
}

func newRig(t *testing.T, cfg *configv1.Pipedrive, options simulated.Options) *rig {
	t.Helper()
	clock := crmtest.NewClock(noon)
	options.Now = clock.Now
	r := &rig{cfg: cfg, company: company{simulated.New(options)}}
	r.Rig = crmtest.NewRig(t, clock, r.company, func(req *http.Request, _ string) string {
		return req.Method + " " + req.URL.Path
	})
	cfg.BaseUrl, cfg.Auth = r.URL, &configv1.Pipedrive_ApiToken{ApiToken: "t"}
	r.restart()
	return r
}

// restart creates a new destination, as after a restart.
func (r *rig) restart() {
	r.T.Helper()
	r.Open(pipedrive.New(r.cfg, r.Env))
}

func (r *rig) took() []string {
	calls := r.Calls
	r.Calls = nil
	return calls
}

func item(id, payload string) crm.Item {
	var values map[string]string
	_ = json.Unmarshal([]byte(payload), &values)
	return crm.Item{IdempotencyValue: id + ".crm-1", Email: values["person.email"], Payload: []byte(payload)}
}

func (r *rig) deliver(it crm.Item, mode leadgatev1.DeliveryMode) crm.Outcome {
	r.T.Helper()
	r.Clock.Pass(3 * time.Second) // after the burst window
	return r.Destination.Deliver(r.T.Context(), []crm.Item{it}, mode)[0]
}

func (r *rig) expectCalls(want ...string) {
	r.T.Helper()
	if got := r.took(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		r.T.Errorf("called\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (r *rig) expectCounts(persons, leads, notes int) {
	r.T.Helper()
	all := r.company.leads()
	n := 0
	for _, l := range all {
		n += len(l.Notes)
	}
	if got := r.company.Persons(); got != persons || len(all) != leads || n != notes {
		r.T.Errorf("%d persons, %d leads, %d notes; want %d, %d, %d", got, len(all), n, persons, leads, notes)
	}
}

const ada = `{"person.email":"ada@example.com","person.first_name":"Ada","person.last_name":"Lovelace","person.phone":"+14155550132","lead.title":"Engines","note":"12 km\n<each> way"}`

func TestALeadIsAPersonALeadAndANote(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
	r.Clock.Pass(time.Hour) // since the start
	if ping := r.Destination.Ping(t.Context()); ping.Account != "4711" {
		t.Errorf("the ping ended as %+v", ping)
	}
	r.took()
	outcome := r.deliver(item("l1", ada), upsert)
	r.Expect(outcome, crm.Delivered, "")
	if got := r.company.leads()[0]; got.Properties["title"] != "Engines" || got.Properties["origin_id"] != "l1" || got.Person.Name != "Ada Lovelace" ||
		got.Notes[0] != "12 km<br>&lt;each&gt; way" || outcome.RecordID != got.ID || outcome.RecordURL != "https://example.pipedrive.com/leads/inbox/"+got.ID {
		t.Errorf("lead is %+v, ended as %+v", got, outcome)
	}
	r.expectCalls("GET /api/v2/persons/search", "POST /api/v2/persons", "POST /v1/leads", "POST /v1/notes")

	// Another lead of the same person; the person is remembered, and updated only if something is new.
	second := item("l2", `{"person.email":"ADA@example.com","person.first_name":"Ada","person.last_name":"Lovelace","person.phone":"+442079460000","person.job_title":"Countess"}`)
	r.Expect(r.deliver(second, upsert), crm.Delivered, "")
	r.expectCalls("GET /api/v2/persons/1", "PATCH /api/v2/persons/1", "GET /v1/leads", "POST /v1/leads")
	r.expectCounts(1, 2, 1)
	if got := r.company.leads()[1]; len(got.Person.Phones) != 2 || !got.Person.Phones[0].Primary || got.Person.JobTitle != "Countess" || got.Properties["title"] != "Ada Lovelace" {
		t.Errorf("lead is %+v", got)
	}
	r.Expect(r.deliver(second, upsert), crm.Delivered, "")
	r.expectCalls("GET /api/v2/persons/1", "GET /v1/leads")
	r.expectCounts(1, 2, 1)
}

func TestAnAnswerLostAtAnyStepDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"persons", "leads", "notes"} {
		for _, restarted := range []bool{false, true} {
			r := newRig(t, &configv1.Pipedrive{}, simulated.Options{SearchLag: 30 * time.Second})
			r.Clock.Pass(time.Hour)
			r.company.SetFaults(simulator.Faults{Kind: simulator.KindLost, Method: "POST", Path: path, Times: 1})
			it := item("l1", ada)
			outcome := r.deliver(it, upsert)
			r.Expect(outcome, crm.Unknown, "lost")
			if restarted {
				r.restart()
			}
			it.Unanswered, it.Progress = r.Clock.Now(), outcome.Progress
			r.Expect(r.deliver(it, upsert), crm.Delivered, "")
			r.expectCounts(1, 1, 1)
		}
	}
}

func TestAPersonMadeJustBeforeARestartIsFound(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{SearchLag: durationpb.New(time.Minute)}, simulated.Options{SearchLag: 30 * time.Second})
	r.Expect(r.deliver(item("l1", ada), upsert), crm.Delivered, "")
	r.restart()
	r.Expect(r.deliver(item("l2", ada), upsert), crm.Delivered, "")
	r.expectCounts(1, 2, 2)
}

func TestAPersonThatWasDeletedIsMadeAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
	r.Expect(r.deliver(item("l1", ada), upsert), crm.Delivered, "")
	r.company.Reset()
	r.Expect(r.deliver(item("l2", ada), upsert), crm.Delivered, "")
	r.expectCounts(1, 1, 1)
}

func TestALeadThatWasDeletedMeanwhileIsMadeAnew(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{ada, `{"person.email":"ada@example.com","person.first_name":"Ada","note":"12 km"}`} {
		r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
		r.company.SetFaults(simulator.Faults{Method: "POST", Path: "notes", Times: 1})
		it := item("l1", payload)
		outcome := r.deliver(it, upsert)
		if it.Progress = outcome.Progress; it.Progress == "" || outcome.Kind != crm.Unknown {
			t.Fatalf("ended as %+v", outcome)
		}
		it.Unanswered = r.Clock.Now()
		gone := r.company.leads()[0].ID
		deleted := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodDelete, "/v1/leads/"+gone, nil)
		request.Header.Set("X-Api-Token", "t")
		r.company.ServeHTTP(deleted, request)
		if deleted.Code != http.StatusOK {
			t.Fatal(deleted.Body)
		}
		outcome = r.deliver(it, upsert)
		if r.Expect(outcome, crm.Delivered, ""); outcome.RecordID == gone || len(outcome.Dropped) > 0 {
			t.Errorf("ended as %+v, and %s was deleted", outcome, gone)
		}
		r.expectCounts(1, 1, 1)
	}
}

func TestALeadWhoseNoteIsRefusedIsOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
	r.company.SetFaults(simulator.Faults{Status: http.StatusBadRequest, Method: "POST", Path: "notes", Times: 1})
	outcome := r.deliver(item("l1", ada), upsert)
	if r.Expect(outcome, crm.Delivered, ""); strings.Join(outcome.Dropped, " ") != "note" {
		t.Errorf("ended as %+v", outcome)
	}
	r.expectCounts(1, 1, 0)
}

func TestALeadIsFoundAmongAHundredOfItsPerson(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{Daily: -1})
	const office = `{"person.email":"office@example.com","person.last_name":"Office"}`
	for i := range 120 {
		r.Expect(r.deliver(item(fmt.Sprint("l", i), office), upsert), crm.Delivered, "")
	}
	for _, again := range []string{"l3", "l115"} {
		r.Expect(r.deliver(item(again, office), upsert), crm.Delivered, "")
	}
	r.expectCounts(1, 120, 0)
	r.took()
	later := uuid.UUID{8: 0x80} // no lead can be older than it
	binary.BigEndian.PutUint64(later[:], uint64(r.Clock.Now().Add(2*time.Hour).UnixMilli())<<16|0x7000)
	r.Expect(r.deliver(item(later.String(), office), upsert), crm.Delivered, "")
	r.expectCalls("GET /api/v2/persons/1", "GET /v1/leads", "POST /v1/leads")
}

func TestAPersonThatWasMergedIntoAnotherIsFoundAgain(t *testing.T) {
	t.Parallel()
	const grace = `{"person.email":"grace@example.com","person.first_name":"Grace","person.last_name":"Hopper"}`
	for _, shown := range []bool{false, true} {
		for _, wait := range []time.Duration{0, time.Hour} { // before and after search finds it
			for _, restarted := range []bool{false, true} {
				r := newRig(t, &configv1.Pipedrive{SearchLag: durationpb.New(time.Minute)}, simulated.Options{SearchLag: 30 * time.Second, ShowsDeleted: shown})
				r.Expect(r.deliver(item("l1", ada), upsert), crm.Delivered, "")
				r.Expect(r.deliver(item("l2", grace), upsert), crm.Delivered, "")
				again := item("l3", ada)
				r.company.SetFaults(simulator.Faults{Kind: simulator.KindLost, Method: "POST", Path: "leads", Times: 1})
				lost := r.deliver(again, upsert)
				r.Expect(lost, crm.Unknown, "lost")
				again.Unanswered, again.Progress = r.Clock.Now(), lost.Progress
				merged := httptest.NewRecorder()
				r.company.ServeHTTP(merged, httptest.NewRequest(http.MethodPost, "/_sim/merge", strings.NewReader(`{"from":"ada@example.com","into":"grace@example.com"}`)))
				if merged.Code != http.StatusNoContent {
					t.Fatal(merged.Body)
				}
				r.Clock.Pass(wait)
				if restarted {
					r.restart()
				}
				r.Expect(r.deliver(again, upsert), crm.Delivered, "")
				r.Expect(r.deliver(item("l4", ada), upsert), crm.Delivered, "")
				r.Expect(r.deliver(item("l5", grace), upsert), crm.Delivered, "")
				r.expectCounts(1, 5, 3)
				if got := r.company.leads()[0].Person; len(got.Emails) != 2 || got.Emails[0].Value != "grace@example.com" {
					t.Errorf("shown %t, after %v, restarted %t: the person is %+v", shown, wait, restarted, got)
				}
			}
		}
	}
}

func TestAnAddressThatWasGivenToAnotherPersonLeadsThere(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{0, time.Hour} { // before and after search finds it
		for _, restarted := range []bool{false, true} {
			r := newRig(t, &configv1.Pipedrive{SearchLag: durationpb.New(time.Minute)}, simulated.Options{SearchLag: 30 * time.Second})
			r.Expect(r.deliver(item("l1", ada), upsert), crm.Delivered, "")
			r.Clock.Pass(time.Hour)
			r.write(http.MethodPatch, "/api/v2/persons/1", `{"emails":[{"value":"old@example.com","primary":true}]}`)
			r.write(http.MethodPost, "/api/v2/persons", `{"name":"Ada","emails":[{"value":"ada@example.com","primary":true}]}`)
			r.Clock.Pass(wait)
			if restarted {
				r.restart()
			}
			for _, id := range []string{"l2", "l3"} {
				r.Expect(r.deliver(item(id, ada), upsert), crm.Delivered, "")
			}
			r.expectCounts(2, 3, 3)
			for i, want := range []string{"old@example.com", "ada@example.com", "ada@example.com"} {
				if got := r.company.leads()[i].Person; len(got.Emails) != 1 || got.Emails[0].Value != want {
					t.Errorf("after %v, restarted %t: the person of lead %d is %+v, want %s", wait, restarted, i+1, got, want)
				}
			}
		}
	}
}

func TestAPhoneNumberThatSomebodyWroteInAnotherWayIsNotAddedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
	r.Expect(r.deliver(item("l1", ada), upsert), crm.Delivered, "")
	r.write(http.MethodPatch, "/api/v2/persons/1", `{"phones":[{"value":"+1 (415) 555-0132","primary":true}]}`)
	r.Expect(r.deliver(item("l2", ada), upsert), crm.Delivered, "")
	if got := r.company.leads()[0].Person.Phones; len(got) != 1 || got[0].Value != "+1 (415) 555-0132" {
		t.Errorf("phone numbers are %+v", got)
	}
}

// write is a call by somebody else.
func (r *rig) write(method, path, body string) {
	r.T.Helper()
	answer := httptest.NewRecorder()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("X-Api-Token", "t")
	if r.company.ServeHTTP(answer, req); answer.Code >= 300 {
		r.T.Fatal(answer.Body)
	}
}

func TestBlanksAreFilledAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
	r.deliver(item("l1", ada), upsert)
	late := item("l1", `{"person.email":"ada@example.com","person.first_name":"Augusta","person.job_title":"Countess","lead.title":"Other","lead.channel_id":"web"}`)
	r.Expect(r.deliver(late, blanks), crm.Delivered, "")
	got := r.company.leads()
	if len(got) != 1 || got[0].Person.Name != "Ada Lovelace" || got[0].Person.JobTitle != "Countess" || got[0].Properties["title"] != "Engines" || got[0].Properties["channel_id"] != "web" {
		t.Errorf("leads are %+v", got)
	}
}

func TestALeadWithoutAnAddressIsFoundByItsPhone(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
	it := item("l1", `{"person.phone":"+14155550132","person.last_name":"Lovelace"}`)
	for range 2 {
		r.Expect(r.deliver(it, upsert), crm.Delivered, "")
	}
	r.expectCounts(1, 1, 0)
	nobody := item("l2", `{"lead.title":"?"}`)
	r.Expect(r.deliver(nobody, upsert), crm.Delivered, "")
	nobody.Unanswered = r.Clock.Now()
	r.Expect(r.deliver(nobody, upsert), crm.Undecided, "")
}

func TestAFieldThatIsGoneCostsNoLead(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
	outcome := r.deliver(item("l1", `{"person.email":"a@example.com","person.shoe_size":"9","lead.budget":"7","person.9dc80c50d78a15643bfc4ca79d76156a73a1ca0e":"red"}`), upsert)
	r.Expect(outcome, crm.Delivered, "person.shoe_size")
	if got := strings.Join(outcome.Dropped, " "); got != "person.shoe_size lead.budget" {
		t.Errorf("left out %s", got)
	}
	r.expectCounts(1, 1, 0)
}

func TestWhatPipedriveSaysDecides(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
	for _, test := range []struct {
		status int
		body   string
		header []string
		want   crm.OutcomeKind
		after  time.Duration
	}{
		{429, `{"success":false}`, []string{"X-Daily-Ratelimit-Token-Remaining", "0"}, crm.RateLimited, time.Hour},
		{429, `{"success":false}`, []string{"X-Ratelimit-Reset", "3"}, crm.RateLimited, 3 * time.Second},
		{429, `{"success":false}`, nil, crm.RateLimited, 2 * time.Second},
		{403, `<html>`, nil, crm.Retry, 5 * time.Minute},
		{403, `{"success":false,"code":"feature_capping_deals_limit"}`, nil, crm.RateLimited, time.Hour},
		{403, `{"success":false,"error":"Scope and URL mismatch"}`, nil, crm.CredentialsRefused, 0},
		{402, ``, nil, crm.RateLimited, time.Hour},
		{401, `{"success":false,"error":"unauthorized access"}`, nil, crm.CredentialsRefused, 0},
		{400, `{"success":false,"error":"Bad request"}`, nil, crm.Refused, 0},
		{410, `{}`, nil, crm.Retry, 0},
		{500, `{}`, nil, crm.Unknown, 0},
		{200, `{"success":false,"data":{}}`, nil, crm.Unknown, 0},
		{200, `{"success":true,"data":{}}`, nil, crm.Unknown, 0},
	} {
		r.Answer(test.status, test.body, test.header...)
		outcome := r.deliver(item("l1", ada), upsert)
		if outcome.Kind != test.want || outcome.After != test.after || outcome.Reason == "" {
			t.Errorf("%d %s ended as %+v, want %d after %v", test.status, test.body, outcome, test.want, test.after)
		}
	}
}

func TestBudgetsAreReported(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{Daily: 100})
	r.Destination.Ping(t.Context())
	want := []crm.Quota{{Window: 24 * time.Hour, Limit: 100, Remaining: 98}, {Window: 2 * time.Second, Limit: 20, Remaining: 19}}
	if len(r.Quotas) != 2 || r.Quotas[0] != want[0] || r.Quotas[1] != want[1] {
		t.Errorf("reported %+v", r.Quotas)
	}
}

func TestPropertiesSayWhatTheyBelongTo(t *testing.T) {
	t.Parallel()
	r := newRig(t, &configv1.Pipedrive{}, simulated.Options{})
	for _, name := range []string{"email", "person.", "deal.title", "notes"} {
		if _, err := r.Destination.Encode([]mapping.Property{{Name: name, Value: "x"}}); err == nil || !strings.Contains(err.Error(), "person.NAME") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
