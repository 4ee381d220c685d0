package config_test

import (
	"strings"
	"testing"

	"github.com/leadgate/leadgate/server/config"
)

const ruled = `destinations:
  crm:
    hubspot: { token: "${env:TOKEN}" }
    properties:
      email: email
      salutation: %property
  crm-de:
    hubspot: { token: "${env:TOKEN}" }
forms:
  contact:
    fields: { email: email, country: country }
    destinations: [crm]
    routes:
      - when: %route
        to: [crm-de]
    block:
      - { when: %block, then: reject, reason: "We cannot take this" }
leads: { destinations: [crm] }
`

func parseRuled(route, block, property string) error {
	file := strings.NewReplacer("%route", route, "%block", block, "%property", property).Replace(ruled)
	_, err := config.Parse("leadgate.yaml", []byte(file), environment(map[string]string{"TOKEN": "t0ken"}, nil))
	return err
}

func TestExpressionsAreTakenInEveryWayOfWritingThem(t *testing.T) {
	t.Parallel()
	for _, route := range []string{`lead.country == "DE"`, `'lead.country == "DE"'`, `"lead.country == \"DE\""`, "|\n          lead.country == \"DE\"\n"} {
		if err := parseRuled(route, `'lead.email.endsWith("@spam.example")'`, `"= lead.first_name + ' ' + lead.last_name"`); err != nil {
			t.Errorf("%s: %v", route, err)
		}
	}
}

func TestAnExpressionsProblemIsNamedWhereItStands(t *testing.T) {
	t.Parallel()
	const fine = `'true'`
	for name, test := range map[string]struct{ route, block, property, want string }{
		"plain":         {`lead.countri == "DE"`, fine, "email", `14:19: when: lead has no field "countri"; did you mean "country"?`},
		"single quotes": {`'lead.country == "DE" && lead.countri == ""'`, fine, "email", `14:44: when: lead has no field "countri"; did you mean "country"?`},
		"double quotes": {`"lead.country == \"DE\" && lead.countri == \"\""`, fine, "email", `14:46: when: lead has no field "countri"; did you mean "country"?`},
		"a block":       {fine, `'lead.emial == ""'`, "email", `17:22: when: lead has no field "emial"; did you mean "email"?`},
		"several lines": {"|\n          lead.country == \"DE\" &&\n          lead.countri == \"\"\n", fine, "email", `16:15: when: lead has no field "countri"; did you mean "country"?`},
		"folded":        {">-\n          lead.country == \"DE\" &&\n          lead.countri == \"\"\n", fine, "email", `16:15: when: lead has no field "countri"; did you mean "country"?`},
		"plain lines":   {"lead.country == \"DE\" &&\n          lead.countri == \"\"", fine, "email", `15:15: when: lead has no field "countri"; did you mean "country"?`},
		"quoted lines":  {"\"lead.country == \\\"DE\\\" &&\n          lead.countri == ''\"", fine, "email", `15:15: when: lead has no field "countri"; did you mean "country"?`},
		"an empty line": {"|\n\n          lead.city == 'ü' && lead.countri == \"\"\n", fine, "email", `16:35: when: lead has no field "countri"; did you mean "country"?`},
		"no condition":  {`'lead.country'`, fine, "email", `14:15: when: this is string; it has to be true or false, as in lead.country == "DE"`},
		"a property":    {fine, fine, `'= lead.companny'`, `6:26: salutation: lead has no field "companny"; did you mean "company"?`},
		"no value":      {fine, fine, `= lead`, `6:19: salutation: this is leadgate.v1.Lead, which no CRM takes; make a text, a number, true or false, a time, or a list of these of it`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := parseRuled(test.route, test.block, test.property)
			if err == nil || err.Error() != "leadgate.yaml:"+test.want {
				t.Errorf("got\n%v\nwant\nleadgate.yaml:%s", err, test.want)
			}
		})
	}
}

func TestARouteLeadsToADestinationThatIsThere(t *testing.T) {
	t.Parallel()
	file := strings.NewReplacer("%route", `'true'`, "%block", `'true'`, "%property", "email", "to: [crm-de]", "to: [crm-ed]").Replace(ruled)
	_, err := config.Parse("leadgate.yaml", []byte(file), environment(map[string]string{"TOKEN": "t0ken"}, nil))
	if err == nil || err.Error() != `leadgate.yaml:15:14: unknown destination "crm-ed"; did you mean "crm-de"?` {
		t.Error(err)
	}
}

func TestAFormMayHaveRoutesOnly(t *testing.T) {
	t.Parallel()
	file := strings.NewReplacer("%route", `'true'`, "%block", `'true'`, "%property", "email", "    destinations: [crm]\n", "").Replace(ruled)
	snapshot, err := config.Parse("leadgate.yaml", []byte(file), environment(map[string]string{"TOKEN": "t0ken"}, nil))
	if err != nil || len(snapshot.Config.GetForms()["contact"].GetDestinations()) != 0 {
		t.Error(snapshot.Config, err)
	}
}

func TestWhatLeadsAreEnrichedAndScreenedWithIsChecked(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"enrich: { company: { url: \"https://x.example.com/find\" } }\n":                                                                        "1:27: url: must begin with https:// or http:// and hold {domain}, such as https://company.example.com/v2/find?domain={domain}",
		"enrich: { company: { url: \"https://u:p@x.example.com/{domain}\" } }\n":                                                                "1:27: url holds a user or password, which must not stand in this file: use auth: with references",
		"enrich: { company: { url: \"https://x.example.com/{domain}\", fields: { compny: /name } } }\n":                                         "1:71: unknown key \"compny\"; it is one of company_name, company_size, industry",
		"enrich: { place: { database: /nowhere/places.mmdb } }\n":                                                                               "1:30: database: /nowhere/places.mmdb cannot be read: no such file or directory",
		"forms: { x: { fields: { e: email }, ignore: [cf-turnstile-response], captcha: { provider: turnstile, secret: \"${env:TOKEN}\" } } }\n": "1:46: ignore: cf-turnstile-response is the field with the token of captcha, which could not be verified",
		"forms: { x: { fields: { e: email }, captcha: { provider: captcha, secret: \"${env:TOKEN}\" } } }\n":                                    "1:58: provider: unknown word \"captcha\"; did you mean \"hcaptcha\"?",
	} {
		_, err := config.Parse("leadgate.yaml", []byte(file+"destinations: { crm: { hubspot: { token: \"${env:TOKEN}\" } } }\n"), environment(map[string]string{"TOKEN": "t0ken"}, nil))
		if err == nil || err.Error() != "leadgate.yaml:"+want {
			t.Errorf("%s: got\n%v\nwant\nleadgate.yaml:%s", file, err, want)
		}
	}
}
