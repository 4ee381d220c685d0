package crm_test

import (
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
