package intake_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func TestConsentIsKeptWithWhatWasShownWhenAndWhere(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Consents = map[string]*configv1.ConsentField{
			"newsletter": {Field: "news", Text: "Send me news.", TextVersion: "7"},
			"calls":      {Field: "may_call", TextField: "call_wording", Text: "Call me."},
			"phone":      {Field: "ask[]", Value: "by phone"},
			"letters":    {Field: "ask[]", Value: "by-letter"},
		}
	})
	at := timestamppb.Now()
	consent := func(purpose string, granted bool, text, version string) *leadgatev1.Consent {
		return &leadgatev1.Consent{Purpose: purpose, Granted: &granted, Text: text, TextVersion: version, Time: at, PageUrl: "https://www.example.com/", Ip: "192.0.2.7"}
	}
	for name, test := range map[string]struct {
		pairs []string
		want  []*leadgatev1.Consent
	}{
		"an unchecked box says nothing":   {nil, nil},
		"a checked box":                   {[]string{"news", "on"}, []*leadgatev1.Consent{consent("newsletter", true, "Send me news.", "7")}},
		"a refusal":                       {[]string{"news", "no"}, []*leadgatev1.Consent{consent("newsletter", false, "Send me news.", "7")}},
		"a hidden 0 before the box":       {[]string{"news", "0", "news", "1"}, []*leadgatev1.Consent{consent("newsletter", true, "Send me news.", "7")}},
		"the wording as the box's value":  {[]string{"news", "Send me news"}, []*leadgatev1.Consent{consent("newsletter", true, "Send me news.", "7")}},
		"the purpose as the box's value":  {[]string{"news", "newsletter"}, []*leadgatev1.Consent{consent("newsletter", true, "Send me news.", "7")}},
		"the box's name as its value":     {[]string{"news", "news"}, []*leadgatev1.Consent{consent("newsletter", true, "Send me news.", "7")}},
		"the wording that the page sends": {[]string{"may_call", "1", "call_wording", "You may call.\r\nOnce."}, []*leadgatev1.Consent{consent("calls", true, "You may call.\nOnce.", "")}},
		"the wording that the page sends as the box's value": {
			[]string{"may_call", "You may call.", "call_wording", "You may call."}, []*leadgatev1.Consent{consent("calls", true, "You may call.", "")},
		},
		"boxes with one name": {
			[]string{"ask[]", "By phone", "ask[]", "by-letter"},
			[]*leadgatev1.Consent{consent("letters", true, "", ""), consent("phone", true, "", "")},
		},
		"one of them": {[]string{"ask[]", "by-letter"}, []*leadgatev1.Consent{consent("letters", true, "", "")}},
	} {
		s := submission(append([]string{"email", "a@example.com"}, test.pairs...)...)
		s.Time, s.PageUrl, s.Address = at, "https://www.example.com/", "192.0.2.7"
		result := form.Lead(s)
		if diff := cmp.Diff(test.want, result.Lead.GetConsents(), protocmp.Transform()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if len(result.Unmapped)+len(result.Omitted) > 0 {
			t.Errorf("%s: unmapped %v, omitted %v", name, result.Unmapped, result.Omitted)
		}
	}
}

func TestAConsentIsFoundInAnySpelling(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Fields = map[string]string{"email": "email", "call-me": "custom.call"}
		cfg.Required, cfg.Honeypot = nil, []string{"contact_trap"}
		cfg.Consents = map[string]*configv1.ConsentField{
			"newsletter": {Field: "contact[news]", TextField: "contact[wording]"},
			"calls":      {Field: "call_me"},
			"trap":       {Field: "contact[trap]"},
		}
	})
	for _, test := range []struct {
		name string
		want int
	}{
		{"contact[news]", 1}, {"contact.news", 1}, {"contact_news", 1}, {"Contact News", 1},
		{"contact.newsletter", 0}, {"call_me", 1},
		{"call-me", 0},      // is mapped
		{"contact_trap", 0}, // is a honeypot
	} {
		result := form.Lead(submission("email", "ada@example.com", test.name, "on", "contact.wording", "As shown."))
		if got := len(result.Lead.GetConsents()); got != test.want {
			t.Errorf("%s: %d consents, want %d", test.name, got, test.want)
		}
		if strings.Contains(strings.ToLower(test.name), "news") && test.want == 1 && result.Lead.GetConsents()[0].GetText() != "As shown." {
			t.Errorf("%s: the wording is %q", test.name, result.Lead.GetConsents()[0].GetText())
		}
		if test.want == 1 && len(result.Unmapped) > 0 {
			t.Errorf("%s: nothing maps %q", test.name, result.Unmapped)
		}
	}
}

func TestWhatIsNeitherYesNorNoIsNoConsent(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Consents = map[string]*configv1.ConsentField{"newsletter": {Field: "news", Text: "Send me news.", Value: "daily"}}
	})
	for _, answer := range []string{"No thanks", "Nein danke", "opt-out", "disagree", "never", "?"} {
		result := form.Lead(submission("email", "a@example.com", "news", answer))
		if consents := result.Lead.GetConsents(); len(consents) > 0 {
			t.Errorf("%q is recorded as %v", answer, consents)
		}
		if len(result.Omitted) != 1 || !strings.Contains(result.Omitted[0].Message, "consents: newsletter: value") {
			t.Errorf("%q is told as %v", answer, result.Omitted)
		}
	}
}
