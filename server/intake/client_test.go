package intake_test

import "testing"

func TestTheVisitBeginsWhereTheClientSaysIt(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	result := read(form,
		"email", "ada@example.com", "utm_campaign", "own",
		"leadgate_landing", "https://www.example.com/?utm_source=news&utm_campaign=spring&utm_term=a%20b",
		"leadgate_referrer", "https://search.example/", "leadgate_elapsed_ms", "4200",
	)
	source := result.Lead.GetSource()
	if source.GetUtmSource() != "news" || source.GetUtmTerm() != "a b" || source.GetReferrer() != "https://search.example/" {
		t.Errorf("source: %v", source)
	}
	if source.GetUtmCampaign() != "own" {
		t.Errorf("the form's own field does not win: %v", source)
	}
	if len(result.Unmapped) != 0 || len(result.Stored.GetFields()) != 5 {
		t.Errorf("unmapped %v, stored %v", result.Unmapped, result.Stored.GetFields())
	}
	if got := read(form, "leadgate_landing", "%zz").Lead.GetSource().GetUtmSource(); got != "" {
		t.Errorf("of an address that is none comes %q", got)
	}
}
