package crm_test

import (
	"reflect"
	"testing"

	"github.com/leadgate/leadgate/worker/crm"
)

func TestAnOptionIsMeantByWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	property := crm.Property{Options: []crm.Option{
		{Value: "in_progress", Label: "In progress"}, {Value: "C", Label: "C"}, {Value: "CPP", Label: "C++"},
		{Value: "1-10", Label: "1 to 10"}, {Value: "110", Label: "110"}, {Value: "DE", Label: "Österreich & Süd"},
		{Value: "new", Label: "Same"}, {Value: "old", Label: "same"},
	}}
	for text, want := range map[string]string{
		"in_progress": "in_progress", "IN PROGRESS": "in_progress", "InProgress ": "in_progress", "c": "C", "c++": "CPP",
		"1 - 10": "1-10", "110": "110", "osterreich süd": "DE", "NEW": "new",
		"same": "", "": "", "--": "", "progress": "", "1 1 0": "",
	} {
		got := ""
		if o := property.Option(text); o != nil {
			got = o.Value
		}
		if got != want {
			t.Errorf("%q is taken for %q, want %q", text, got, want)
		}
	}
}

func TestAValueIsWhatThePropertyHas(t *testing.T) {
	t.Parallel()
	colours := []crm.Option{{Value: "27", Label: "Red"}, {Value: "28", Label: "Blue"}}
	text, number, yes := crm.Property{Type: crm.Text}, crm.Property{Type: crm.Number}, crm.Property{Type: crm.Bool}
	date, at := crm.Property{Type: crm.Date}, crm.Property{Type: crm.Time}
	one, several := crm.Property{Type: crm.Enumeration, Options: colours}, crm.Property{Type: crm.Enumerations, Options: colours}
	ids, manyIDs := one, several
	ids.Numbered, manyIDs.Numbered = true, true
	for _, test := range []struct {
		property crm.Property
		value    any
		want     any
	}{
		{text, "4000.50", "4000.50"}, {text, 4000.5, "4000.5"}, {text, 100_000_000.0, "100000000"}, {text, true, "true"}, {text, []any{"a", 1.0}, []any{"a", "1"}}, {text, []any{1.0}, "1"},
		{number, "4000.50", 4000.5}, {number, "-7", -7.0}, {number, 12.0, 12.0}, {number, "about 12", "about 12"}, {number, "1e9", "1e9"}, {number, "NaN", "NaN"},
		{number, "+14155550132", "+14155550132"}, {number, "9007199254740993", "9007199254740993"}, {number, "", ""}, {number, true, true},
		{yes, "true", true}, {yes, "False", false}, {yes, "perhaps", "perhaps"}, {yes, true, true}, {yes, "on", true}, {yes, "No", false},
		{date, "2026-11-27", "2026-11-27"}, {date, "2026-11-27T23:30:00.885-05:00", "2026-11-27"}, {date, "soon", "soon"},
		{at, "2026-11-27T03:27:04.885Z", "2026-11-27T03:27:04Z"}, {at, "2026-11-27T03:27:04+01:00", "2026-11-27T03:27:04+01:00"}, {at, "2026-11-27", "2026-11-27"},
		{one, "red", "27"}, {one, "green", "green"}, {one, 27.0, "27"}, {several, "blue", []any{"28"}}, {several, []any{"blue"}, []any{"28"}}, {one, []any{"Red"}, "27"}, {several, []any{"Red", "blue"}, []any{"27", "28"}},
		{ids, "red", 27.0}, {ids, "27", 27.0}, {ids, 27.0, 27.0}, {ids, "green", "green"}, {manyIDs, []any{"Red", "28"}, []any{27.0, 28.0}},
		{crm.Property{}, "12", "12"}, {crm.Property{}, 12.0, 12.0},
	} {
		if got := test.property.Of(test.value); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v of type %d is %#v, want %#v", test.value, test.property.Type, got, test.want)
		}
	}
}
