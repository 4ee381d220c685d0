package intake_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// lines returns what people are told to add.
func lines(result *intake.Result) []string {
	var all []string
	for _, d := range result.Drift {
		all = append(all, d.Line)
	}
	return all
}

func TestARenamedFieldIsRecognised(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pairs []string
		want  []string
	}{
		"a hyphen more":              {[]string{"e-mail", "a@example.com"}, []string{"e-mail: email"}},
		"another language":           {[]string{"email", "a@example.com", "Telefonnummer", "030 901820"}, []string{"Telefonnummer: phone"}},
		"a word more":                {[]string{"email", "a@example.com", "your_budget", "4000"}, []string{"your_budget: custom.budget"}},
		"a slip":                     {[]string{"email", "a@example.com", "mesage", "Hello"}, []string{"mesage: message"}},
		"a builder's name":           {[]string{"form_fields[email]", "a@example.com"}, []string{`"form_fields[email]": email`}},
		"two at once":                {[]string{"mail", "a@example.com", "vorname", "Ada"}, []string{"mail: email", "vorname: first_name"}},
		"only one of two":            {[]string{"e-mail", "a@example.com", "work_email", "b@example.com"}, []string{"e-mail: email"}},
		"nothing in it":              {[]string{"email", "a@example.com", "phone_number", " "}, nil},
		"no address":                 {[]string{"phone", "4155550132", "e-mail", "yes please"}, nil},
		"no number":                  {[]string{"email", "a@example.com", "phone_ok", "yes"}, nil},
		"the old one came too":       {[]string{"email", "a@example.com", "e-mail", "b@example.com"}, nil},
		"something else":             {[]string{"email", "a@example.com", "company", "Acme", "shoe_size", "44"}, nil},
		"a size, not a company":      {[]string{"email", "a@example.com", "company_size", "11-50"}, nil},
		"what a form builder adds":   {[]string{"email", "a@example.com", "_wpcf7_unit_tag", "x", "csrf", "y"}, nil},
		"the same in another case":   {[]string{"Email", "a@example.com"}, nil}, // it is the same
		"a name that YAML would eat": {[]string{"email", "a@example.com", "Straße: Nr", "x", "company name:", "Acme"}, []string{`"company name:": company`}},
	} {
		if diff := cmp.Diff(test.want, lines(read(newForm(t, nil), test.pairs...))); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestWhatIsMissingUnderOneNameAndCameUnderAnotherWaits(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) { cfg.Required = []string{"email", "company"} })
	result := read(form, "e-mail", "ada@example.com", "Firma", "Acme")
	if len(result.Violations) > 0 {
		t.Errorf("refused: %v", result.Violations)
	}
	if diff := cmp.Diff([]string{intake.RuleUnmapped, intake.RuleUnmapped}, rules(result.Waiting)); diff != "" {
		t.Error(diff)
	}
	if text := result.Waiting[1].Message; !strings.Contains(text, `"Firma: company"`) {
		t.Errorf("%q does not say what to add", text)
	}
	// A field that was merely left empty is reported to the visitor.
	if result := read(form, "email", "ada@example.com"); len(result.Waiting) > 0 || len(result.Violations) != 1 {
		t.Errorf("waiting %v, violations %v", result.Waiting, result.Violations)
	}
	// A lead without a way to answer it waits, too, even if no field is required.
	if result := read(newForm(t, nil), "handynummer", "415 555 0132"); len(result.Waiting) != 1 {
		t.Errorf("waiting %v", result.Waiting)
	}
}

func TestAutoMapTakesTheLikelyFieldAndSaysSo(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) { cfg.AutoMap, cfg.Required = true, []string{"email"} })
	result := read(form, "e-mail", "ADA@example.com", "firma", "Acme")
	if lead := result.Lead; lead.GetEmail() != "ada@example.com" || lead.GetCompany() != "Acme" {
		t.Errorf("got %v", lead)
	}
	if len(result.Waiting)+len(result.Violations)+len(result.Unmapped) > 0 {
		t.Errorf("waiting %v, violations %v, unmapped %v", result.Waiting, result.Violations, result.Unmapped)
	}
	for _, d := range result.Drift {
		if !d.Taken || !strings.Contains(d.String(), "auto_map uses it") {
			t.Errorf("%v does not say that it was taken", d)
		}
	}
	said := map[string]string{}
	for _, change := range result.Changes {
		said[change.GetLeadField()] = change.GetReason()
	}
	if !strings.Contains(said["email"], "auto_map") || !strings.Contains(said["email"], "lower case") || !strings.Contains(said["company"], "auto_map") {
		t.Errorf("the changes say %v", said)
	}
}
