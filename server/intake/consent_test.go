package intake_test

import (
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
		}
	})
	at := timestamppb.Now()
	consent := func(purpose string, granted bool, text, version string) *leadgatev1.Consent {
		return &leadgatev1.Consent{Purpose: purpose, Granted: granted, Text: text, TextVersion: version, Time: at, PageUrl: "https://www.example.com/", Ip: "192.0.2.7"}
	}
	for name, test := range map[string]struct {
		pairs []string
		want  []*leadgatev1.Consent
	}{
		"an unchecked box says nothing":   {nil, nil},
		"a checked box":                   {[]string{"news", "on"}, []*leadgatev1.Consent{consent("newsletter", true, "Send me news.", "7")}},
		"a refusal":                       {[]string{"news", "no"}, []*leadgatev1.Consent{consent("newsletter", false, "Send me news.", "7")}},
		"a hidden 0 before the box":       {[]string{"news", "0", "news", "1"}, []*leadgatev1.Consent{consent("newsletter", true, "Send me news.", "7")}},
		"the wording as the box's value":  {[]string{"news", "Yes, do send me news"}, []*leadgatev1.Consent{consent("newsletter", true, "Send me news.", "7")}},
		"the wording that the page sends": {[]string{"may_call", "1", "call_wording", "You may call.\r\nOnce."}, []*leadgatev1.Consent{consent("calls", true, "You may call.\nOnce.", "")}},
	} {
		s := submission(append([]string{"email", "a@example.com"}, test.pairs...)...)
		s.Time, s.PageUrl, s.Address = at, "https://www.example.com/", "192.0.2.7"
		result := form.Lead(s)
		if diff := cmp.Diff(test.want, result.Lead.GetConsents(), protocmp.Transform()); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if len(result.Unmapped) > 0 {
			t.Errorf("%s: unmapped %v", name, result.Unmapped)
		}
	}
}
