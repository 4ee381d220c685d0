package intake_test

import (
	"fmt"
	"strings"
	"testing"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/intake"
)

func TestAFormsErrorsNameTheFaultAndTheWayOut(t *testing.T) {
	t.Parallel()
	email := map[string]string{"email": "email"}
	for _, test := range []struct {
		cfg  *configv1.Form
		says []string
	}{
		{&configv1.Form{Fields: map[string]string{"firma": "companny"}}, []string{"fields: firma", `"companny"`, `"company"?`}},
		{&configv1.Form{Fields: map[string]string{"firma": "xyzzyxyzzy"}}, []string{"fields: firma", `"xyzzyxyzzy"`, "company", "full_name", "source.utm_source", "custom.NAME"}},
		{&configv1.Form{Fields: map[string]string{"x": "enrichment"}}, []string{`"enrichment"`}},
		{&configv1.Form{Fields: map[string]string{"x": "consents"}}, []string{`"consents"`}},
		{&configv1.Form{Fields: map[string]string{"x": ""}}, []string{"fields: x"}},
		{&configv1.Form{Fields: map[string]string{"x": "source.ip"}}, []string{"source.ip", "set by leadgate"}},
		{&configv1.Form{Fields: map[string]string{"x": "custom.Budget"}}, []string{"custom.Budget", "lower case"}},
		{&configv1.Form{Fields: map[string]string{"x": "custom."}}, []string{"custom.", "lower case"}},
		{&configv1.Form{Fields: many(51)}, []string{"custom", "50"}},
		{&configv1.Form{Fields: map[string]string{"idempotency_key": "custom.key"}}, []string{"idempotency_key", "another"}},
		{&configv1.Form{Fields: map[string]string{"cardNumber": "custom.card"}}, []string{"cardNumber", "another name"}},
		{&configv1.Form{Fields: email, Required: []string{"phone"}}, []string{"required", `"phone"`, "fields"}},
		{&configv1.Form{Fields: email, Ignore: []string{"email"}}, []string{"ignore: email", "fields"}},
		{&configv1.Form{Fields: email, Values: map[string]*configv1.Value{"company": {Type: "string"}}}, []string{"values: company", "fields", "default"}},
		{&configv1.Form{Fields: email, Values: map[string]*configv1.Value{"custom.X": {Default: "x"}}}, []string{"custom.X", "lower case"}},
		{&configv1.Form{Fields: email, Values: map[string]*configv1.Value{"email": {Type: "integer"}}}, []string{"values: email", "leave the type out"}},
		{&configv1.Form{Fields: map[string]string{"a": "custom.a"}, Values: map[string]*configv1.Value{"custom.a": {Type: "enum"}}}, []string{"custom.a", "enum:", "1-10"}},
		{&configv1.Form{Fields: map[string]string{"a": "custom.a"}, Values: map[string]*configv1.Value{"custom.a": {Type: "date", Enum: map[string]string{"a": "b"}}}}, []string{"custom.a", "type: date"}},
		{&configv1.Form{Fields: map[string]string{"a": "custom.a"}, Values: map[string]*configv1.Value{"custom.a": {Type: "integer", Default: "few"}}}, []string{"custom.a", "default", `"few"`, "whole number"}},
		{&configv1.Form{Fields: map[string]string{"a": intake.FullName, "b": "email"}, Values: map[string]*configv1.Value{intake.FullName: {Default: "x"}}}, []string{"full_name", "first_name"}},
		{&configv1.Form{Fields: map[string]string{"a": "custom.a"}, Values: map[string]*configv1.Value{"custom.a": {Enum: map[string]string{"A b": "x", "a-b": "y"}}}}, []string{"custom.a", `"A b"`, `"a-b"`, "case and signs"}},
		{&configv1.Form{Fields: email, Values: map[string]*configv1.Value{"email": {Default: "nobody"}}}, []string{"values: email: default", `"nobody"`, "address"}},
		{&configv1.Form{Fields: map[string]string{"a": "phone"}, Values: map[string]*configv1.Value{"phone": {Default: "123"}}}, []string{"values: phone: default", `"123"`, "+14155550132"}},
		{&configv1.Form{Fields: email, Values: map[string]*configv1.Value{"country": {Default: "Neverland"}}}, []string{"values: country: default", `"Neverland"`, "ISO 3166-1"}},
		{&configv1.Form{Fields: email, Honeypot: []string{"email"}}, []string{"honeypot: email", "fields"}},
		{&configv1.Form{Fields: email, Quality: &configv1.Quality{Honeypot: "hold"}}, []string{"quality: honeypot", "no person sees"}},
		{&configv1.Form{Fields: email, Consents: map[string]*configv1.ConsentField{"news": {}}}, []string{"consents: news", "check box"}},
		{&configv1.Form{Fields: email, DefaultRegion: "ZZ"}, []string{"default_region", `"ZZ"`}},
		{&configv1.Form{Fields: map[string]string{"a": "x", "b": "y"}, DefaultRegion: "ZZ"}, []string{`"x"`, `"y"`, `"ZZ"`}},
	} {
		_, err := intake.NewForm("contact", test.cfg)
		if err == nil {
			t.Errorf("%v is taken", test.cfg)
			continue
		}
		for _, says := range test.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%v gives %q, which does not say %s", test.cfg, err, says)
			}
		}
	}
}

// many maps n custom fields.
func many(n int) map[string]string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprint("f", i)] = fmt.Sprint("custom.f", i)
	}
	return all
}

func TestEveryTextOfALeadCanBeMapped(t *testing.T) {
	t.Parallel()
	paths := []string{
		"email", "first_name", "last_name", "phone", "company", "website", "job_title", "street", "city", "region",
		"postal_code", "country", "message", "source.page_url", "source.referrer", "source.utm_source", "source.utm_medium",
		"source.utm_campaign", "source.utm_term", "source.utm_content", "custom.budget",
	}
	all := map[string]string{}
	for _, path := range paths {
		all["my "+path] = path
	}
	form := newForm(t, func(cfg *configv1.Form) { cfg.Fields = all })
	for _, path := range paths {
		if got := read(form).FieldOf(path); got != "my "+path {
			t.Errorf("%s is the form's %q", path, got)
		}
	}
}
