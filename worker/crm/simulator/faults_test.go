package simulator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// expectFault makes a call that fails, and describes the result.
func (r *rig) befallen(faults string) (said string, carriedOut int) {
	r.t.Helper()
	r.sim.Reset()
	r.set(faults)
	req, err := http.NewRequestWithContext(r.t.Context(), "POST", r.server.URL+"/notes", strings.NewReader("x"))
	if err != nil {
		r.t.Fatal(err)
	}
	client := r.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return "no answer", len(r.crm.Contacts().([]string))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	said = fmt.Sprintf("%d %s %.12s", res.StatusCode, res.Header.Get("Content-Type"), body)
	if err != nil {
		said += " broken"
	}
	return said, len(r.crm.Contacts().([]string))
}

func TestWhatEachFaultDoes(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	for kind, want := range map[simulator.Kind]struct {
		said       string
		carriedOut int
	}{
		"status":   {"503 text/plain; charset=utf-8 sorry\n", 0},
		"burst":    {"429 text/plain; charset=utf-8 sorry\n", 0},
		"daily":    {"429 text/plain; charset=utf-8 sorry\n", 0},
		"html":     {"503 text/html <html><body>", 0},
		"page":     {"200 text/html <html><body>", 0},
		"empty":    {"200  ", 0},
		"garbled":  {"201 text/plain; charset=utf-8 ta", 1},
		"gzip":     {"201   broken", 1},
		"bom":      {"201 text/plain; charset=utf-8 \xef\xbb\xbftaken", 1},
		"untyped":  {"201  taken", 1},
		"huge":     {`200 application/json {"padding":"`, 0},
		"redirect": {"302  ", 0},
		"reset":    {"no answer", 0},
		"cut":      {"201 text/plain; charset=utf-8 ta broken", 1},
		"slow":     {"201 text/plain; charset=utf-8 taken", 1},
		"lost":     {"no answer", 1},
		"lost502":  {"502 text/html <html><body>", 1},
		"expire":   {"201 text/plain; charset=utf-8 taken", 1},
		"partial":  {"201 text/plain; charset=utf-8 taken", 1},
		"omit":     {"201 text/plain; charset=utf-8 taken", 1},
	} {
		if said, carriedOut := r.befallen(fmt.Sprintf(`{"kind":%q}`, kind)); said != want.said || carriedOut != want.carriedOut {
			t.Errorf("%s: %q, carried out %d times; want %q, %d", kind, said, carriedOut, want.said, want.carriedOut)
		}
	}
}

func TestTheJournalNamesTheFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := simulator.New(&notebook{}, 1, nil)
		for _, kind := range simulator.Kinds() {
			sim.Reset()
			sim.SetFaults(simulator.Faults{Kind: kind})
			ctx, leave := context.WithTimeout(t.Context(), time.Minute) // ends calls that hang
			func() {
				defer func() { _ = recover() }() // closing the connection panics
				sim.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "POST", "/notes", nil))
			}()
			leave()
			if requests := sim.Requests(); len(requests) != 1 || requests[0].Fault != string(kind) {
				t.Errorf("%s: the journal says %+v", kind, requests)
			}
		}
	})
}

func TestFaultsChooseTheirCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	pattern := func(faults string, calls ...string) string {
		r.sim.Reset()
		r.set(faults)
		var answers []string
		for _, call := range calls {
			method, rest, _ := strings.Cut(call, " ")
			path, body, _ := strings.Cut(rest, " ")
			status, _ := r.call(method, path, body)
			answers = append(answers, fmt.Sprint(status))
		}
		return strings.Join(answers, " ")
	}
	five := slices.Repeat([]string{"POST /notes x"}, 5)
	for faults, test := range map[string]struct {
		calls []string
		want  string
	}{
		`{"times":2}`:                               {five, "503 503 201 201 201"},
		`{"every":2,"status":500}`:                  {five, "201 500 201 500 201"},
		`{"status":500,"path":"/b"}`:                {[]string{"POST /a x", "POST /b x"}, "201 500"},
		`{"status":500,"method":"put"}`:             {[]string{"POST /a x", "PUT /a x"}, "201 500"},
		`{"status":500,"containing":"ada"}`:         {[]string{"POST /a grace", "POST /a ada@x"}, "201 500"},
		`{"times":1,"status":500,"containing":"a"}`: {[]string{"POST /a b", "POST /a a", "POST /a a"}, "201 500 201"},
		`{"latency":"1ms","jitter":"1ms"}`:          {five, "201 201 201 201 201"},
	} {
		if got := pattern(faults, test.calls...); got != test.want {
			t.Errorf("%s: %s, want %s", faults, got, test.want)
		}
	}
	mixed := pattern(`{"kinds":["status","lost","page"],"fail_rate":0.6}`, slices.Repeat(five, 8)...)
	for _, each := range []string{"503", "0", "200", "201"} {
		if !slices.Contains(strings.Fields(mixed), each) {
			t.Errorf("%s is not among %s", each, mixed)
		}
	}
}

func TestRecordsOfACallAreRefusedAndOmitted(t *testing.T) {
	t.Parallel()
	var said []string
	crm := &notebook{each: func(r *http.Request) {
		for i, record := range []string{"ada", "grace", "mary"} {
			said = append(said, fmt.Sprint(simulator.Refuse(r.Context(), i, 3, []byte(record)), simulator.Omit(r.Context(), i, []byte(record))))
		}
	}}
	sim := simulator.New(crm, 1, nil)
	for faults, want := range map[string]string{
		`{}`: "false false,false false,false false", `{"kind":"partial"}`: "false false,true false,false false",
		`{"kind":"partial","containing":"ada"}`: "true false,false false,false false", `{"kind":"omit","containing":"mary"}`: "false false,false false,false true",
	} {
		var set simulator.Faults
		if err := json.Unmarshal([]byte(faults), &set); err != nil {
			t.Fatal(err)
		}
		sim.SetFaults(set)
		said = nil
		serve(t, sim)
		if got := strings.Join(said, ","); got != want {
			t.Errorf("%s: %s, want %s", faults, got, want)
		}
	}
}

func TestATableKnowsWhatIsWrong(t *testing.T) {
	t.Parallel()
	table := simulator.NewTable(
		simulator.Field{Name: "name", Length: 3, Required: true}, simulator.Field{Name: "email", Type: simulator.Email},
		simulator.Field{Name: "size", Type: simulator.Number}, simulator.Field{Name: "n", Type: simulator.Integer},
		simulator.Field{Name: "ok", Type: simulator.Boolean}, simulator.Field{Name: "id", ReadOnly: true},
		simulator.Field{Name: "state", Type: simulator.Choice, Options: map[string]string{"1": "New"}},
	)
	for document, want := range map[string]string{
		`{"name":"Ada","email":"a@b.c","size":1.5,"n":2,"ok":true,"state":1}`: "",
		`{"name":"Adas"}`:              "name too long",
		`{"email":"a@b.c"}`:            "name missing",
		`{"name":"Ada","nam":"x"}`:     "nam no such field",
		`{"name":"Ada","email":"ada"}`: "email not an e-mail address",
		`{"name":"Ada","size":"1"}`:    "size wrong type",
		`{"name":"Ada","n":1.5}`:       "n wrong type",
		`{"name":"Ada","ok":"yes"}`:    "ok wrong type",
		`{"name":7}`:                   "name wrong type",
		`{"name":"Ada","id":"1"}`:      "id read-only",
		`{"name":"Ada","state":"New"}`: "state not an option",
	} {
		values, err := simulator.Values([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range table.Check(values, true) {
			got = append(got, d.Field.Name+" "+string(d.Flaw))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", document, got, want)
		}
	}
	if err := table.Change(simulator.FieldChange{Remove: []string{"nope"}}); err == nil {
		t.Error("a field that is not there was removed")
	}
	err := table.Change(simulator.FieldChange{
		Remove: []string{"size"}, Rename: map[string]string{"n": "count"}, ReadOnly: []string{"ok"}, Require: []string{"email"},
		Length: map[string]int{"name": 1}, Type: map[string]simulator.Type{"state": simulator.Text}, Add: []simulator.Field{{Name: "new"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defects := table.Check(map[string]any{"name": "Ad", "size": 1.0, "n": 1.0, "ok": true, "state": "any", "new": "x"}, true)
	if got := fmt.Sprint(len(defects)); got != "5" {
		t.Errorf("after the change: %+v", defects)
	}
}

func TestAClockThatIsAheadSaysSoAndReckonsByItself(t *testing.T) {
	t.Parallel()
	sim := simulator.New(&notebook{}, 1, func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) })
	ask := func() http.Header {
		answer := httptest.NewRecorder()
		sim.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "POST", "/notes", nil))
		return answer.Header()
	}
	sim.SetFaults(simulator.Faults{ClockSkew: simulator.Duration(2 * time.Hour), Kind: simulator.KindBurst, Times: 1, RetryAfter: "date"})
	if h := ask(); h.Get("Date") != "Tue, 24 Nov 2026 14:00:00 GMT" || h.Get("Retry-After") != "Tue, 24 Nov 2026 14:01:00 GMT" {
		t.Errorf("a failing call is answered with %v", h)
	}
	if h := ask(); h.Get("Date") != "Tue, 24 Nov 2026 14:00:00 GMT" || h.Get("Retry-After") != "" {
		t.Errorf("another is answered with %v", h)
	}
}

func TestACRMThatMergesNothingSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	if status, _ := r.call("POST", "/_sim/merge", `{"from":"a@example.com","into":"b@example.com"}`); status != http.StatusNotFound {
		t.Errorf("answered %d", status)
	}
}
