package draft_test

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
	"github.com/leadgate/leadgate/worker/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// picky is a CRM that refuses flaws one at a time and creates no record without its required properties.
type picky struct {
	flaws, required []string
	sent            []string // the properties of each call
}

func (p *picky) take(drafts []*draft.Draft) {
	for _, d := range drafts {
		var names []string
		for name := range d.Values {
			names = append(names, name)
		}
		slices.Sort(names)
		p.sent = append(p.sent, strings.Join(names, " "))
		d.Fail(crm.Outcome{Kind: crm.Delivered, RecordID: "1"})
		for _, name := range p.required {
			if d.Text(name) == "" {
				d.Fail(crm.Outcome{Kind: crm.Refused, Reason: "without " + name})
				d.Missing = []string{name}
			}
		}
		for _, name := range p.flaws {
			if _, is := d.Values[name]; is {
				d.Fail(crm.Outcome{Kind: crm.Refused, Property: name, Reason: "no " + name})
				d.Flaws = []string{name}
				break
			}
		}
	}
}

func TestARefusedPropertyIsLeftOutAndAMissingOneFilledIn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		crm     *picky
		want    crm.OutcomeKind
		reason  string
		dropped string
		sent    int
	}{
		"nothing is wrong":        {&picky{}, crm.Delivered, "", "", 1},
		"flaws":                   {&picky{flaws: []string{"a", "b"}}, crm.Delivered, "no a", "a b", 3},
		"a flaw of the key":       {&picky{flaws: []string{"key"}}, crm.Refused, "no key", "", 1},
		"missing":                 {&picky{required: []string{"c"}}, crm.Delivered, "", "", 2},
		"missing, no placeholder": {&picky{required: []string{"d"}}, crm.Refused, "without d", "", 1},
		"refused, and required":   {&picky{flaws: []string{"c"}, required: []string{"c"}}, crm.Refused, "without c", "", 3},
		"flaws and more flaws":    {&picky{flaws: []string{"a", "b", "e", "f", "g", "h"}}, crm.Delivered, "no a", "a b e f g h", 7},
	} {
		d := draft.Read(crm.Item{Payload: []byte(`{"key":"k","a":"1","b":"2","e":"3","f":"4","g":"5","h":"6"}`)})
		draft.InRounds([]*draft.Draft{d}, map[string]string{"c": "[none]"}, []string{"key"}, test.crm.take)
		got := draft.Told([]*draft.Draft{d})[0]
		if got.Kind != test.want || got.Reason != test.reason || len(test.crm.sent) != test.sent || test.want == crm.Delivered && strings.Join(got.Dropped, " ") != test.dropped {
			t.Errorf("%s: ended as %+v after %q", name, got, test.crm.sent)
		}
	}
}

func TestAnEmptyListIsBlankAndNoIsNot(t *testing.T) {
	t.Parallel()
	d := draft.Read(crm.Item{Payload: []byte(`{"none":1,"null":1,"text":1,"list":1,"no":1,"zero":1,"full":1}`)})
	blanks := d.Blanks(map[string]any{"null": nil, "text": "", "list": []any{}, "no": false, "zero": 0.0, "full": []any{"a"}})
	if got := strings.Join(slices.Sorted(maps.Keys(blanks)), " "); got != "list none null text" {
		t.Errorf("blanks are %s", got)
	}
}

func TestNothingIsSentOnceTheCRMWantsNoMore(t *testing.T) {
	t.Parallel()
	drafts := make([]*draft.Draft, 4)
	for i := range drafts {
		drafts[i] = draft.Read(crm.Item{Payload: []byte(`{}`)})
	}
	sent := 0
	draft.EachUntilHalted(drafts, func(d *draft.Draft) {
		if sent++; sent == 2 {
			d.Fail(crm.Outcome{Kind: crm.RateLimited, Reason: "too fast", After: time.Second, Body: "about the second"})
		}
	})
	for i, outcome := range draft.Told(drafts) {
		if sent != 2 || i >= 1 && outcome.Kind != crm.RateLimited || i > 1 && (outcome.Body != "" || outcome.After != time.Second) {
			t.Errorf("lead %d ended as %+v after %d calls", i, outcome, sent)
		}
	}
	last := draft.Read(crm.Item{Payload: []byte(`{}`)})
	draft.EachUntilHalted([]*draft.Draft{last}, func(*draft.Draft) { t.Error("sent although the CRM wanted no more before") }, drafts...)
	if last.Outcome.Kind != crm.RateLimited || drafts[0].Outcome.Kind != crm.Unknown {
		t.Errorf("the one behind ended as %+v, the first as %+v", last.Outcome, drafts[0].Outcome)
	}
}

func TestWhatWasNotSentHasNobodyElsesVerdict(t *testing.T) {
	t.Parallel()
	for kind, want := range map[crm.OutcomeKind]crm.OutcomeKind{
		crm.Unknown: crm.RateLimited, crm.Delivered: crm.RateLimited, crm.Retry: crm.RateLimited, crm.RateLimited: crm.RateLimited,
		crm.Refused: crm.RateLimited, crm.Undecided: crm.RateLimited, crm.CredentialsRefused: crm.CredentialsRefused,
	} {
		stopper := crm.Outcome{
			Kind: kind, Reason: "field Phone of this one is odd", After: time.Minute, Status: 418, Body: "about the first", RecordID: "1", RecordURL: "https://crm.example/1",
			Property: "Phone", Dropped: []string{"Fax"}, Progress: "{}", Account: "7",
		}
		_, drafts := draft.ReadAll([]crm.Item{{Payload: []byte(`{"a":"1"}`)}, {Payload: []byte(`{"a":"2"}`)}, {Payload: []byte(`{"a":"3"}`)}})
		sent := 0
		draft.InRounds(drafts, nil, nil, func(some []*draft.Draft) {
			draft.EachUntilHalted(some, func(d *draft.Draft) {
				if sent++; sent == 1 { // would be accepted without it, if sent again
					d.Fail(crm.Outcome{Kind: crm.Refused, Reason: "no a", Property: "a"})
					d.Flaws = []string{"a"}
					return
				}
				d.Fail(stopper)
			})
		})
		outcomes := draft.Told(drafts)
		if sent != 2 || outcomes[1].Kind != kind {
			t.Errorf("kind %d: %d calls, the one that stops ended as %+v", kind, sent, outcomes[1])
		}
		for _, i := range []int{0, 2} {
			got := outcomes[i]
			if got.Kind != want || got.After != time.Minute || !strings.HasPrefix(got.Reason, "not sent") {
				t.Errorf("kind %d: lead %d ended as %+v", kind, i, got)
			}
			if got.Body+got.RecordID+got.RecordURL+got.Property+got.Progress != "" || len(got.Dropped) > 0 {
				t.Errorf("kind %d: lead %d has what is another's: %+v", kind, i, got)
			}
			if kind != crm.RateLimited && kind != crm.CredentialsRefused && strings.Contains(got.Reason, "Phone") {
				t.Errorf("kind %d: lead %d is told what was wrong with another: %q", kind, i, got.Reason)
			}
		}
	}
}

func TestPayloadsAreObjects(t *testing.T) {
	t.Parallel()
	properties := []mapping.Property{{Name: "z", Value: []any{"a", 2.5, true, 100_000_000.0}}, {Name: "n", Value: 12.0}, {Name: "a&b", Value: "<x>"}, {Name: "ok", Value: true}}
	for _, test := range []struct {
		join func([]any) any
		want string
	}{
		{draft.By(";"), `{"a&b":"<x>","n":12,"ok":true,"z":"a;2.5;true;100000000"}`},
		{nil, `{"a&b":"<x>","n":12,"ok":true,"z":["a",2.5,true,100000000]}`},
	} {
		if got, err := draft.Encode(properties, test.join); err != nil || string(got) != test.want {
			t.Errorf("%s, want %s, %v", got, test.want, err)
		}
	}
	for _, wrong := range []any{math.NaN(), math.Inf(1), nil, map[string]any{}} {
		if _, err := draft.Encode([]mapping.Property{{Name: "x", Value: wrong}}, draft.By(";")); err == nil || !strings.Contains(err.Error(), "property x") {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	for _, wrong := range []string{``, `[]`, `null`, `"x"`} {
		if all, ready := draft.ReadAll([]crm.Item{{Payload: []byte(wrong)}}); len(ready) != 0 || all[0].Outcome.Kind != crm.Refused {
			t.Errorf("%q is read as %+v", wrong, all[0])
		}
	}
}

func TestCodesAreToldFromTexts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"INVALID_FIELD": true, "0x80040333": true, "0X80040333": false, "": false, "ADA": false, "Ada Lovelace": false, "ada@example.com": false,
		"0xADA LOVELACE": false, "AB_": false, strings.Repeat("A_", 40): false,
	} {
		if got := draft.IsCode(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
