package intake_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

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

func TestACampaignIsNotMadeOfTheHalvesOfTwo(t *testing.T) {
	t.Parallel()
	const landing = "https://www.example.com/?utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=Cj0"
	for page, want := range map[string]map[string]string{
		"":                                {"source.utm_source": "google", "source.utm_medium": "cpc", "source.utm_campaign": "brand", "source.gclid": "Cj0"},
		"https://www.example.com/contact": {"source.utm_source": "google", "source.utm_medium": "cpc", "source.utm_campaign": "brand", "source.gclid": "Cj0"},
		"https://www.example.com/?utm_source=news": {"source.utm_source": "news"},
		"https://www.example.com/?msclkid=ab":      {"source.msclkid": "ab"},
		"https://www.example.com/?gclid=Cj0":       {"source.utm_source": "google", "source.utm_medium": "cpc", "source.utm_campaign": "brand", "source.gclid": "Cj0"},
	} {
		s := submission("email", "ada@example.com", "leadgate_landing", landing)
		s.PageUrl = page
		result := newForm(t, nil).Lead(s)
		got := told(result.Lead)
		delete(got, "email")
		delete(got, "source.page_url")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", page, diff)
		}
		if told := len(result.Omitted) > 0; told != (want["source.gclid"] == "") {
			t.Errorf("%s: omitted %v", page, result.Omitted)
		}
	}
}
