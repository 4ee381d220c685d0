package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leadgate/leadgate/server/config"
)

func TestHintsTellWhatIsProbablyNotMeant(t *testing.T) {
	t.Parallel()
	env := environment(map[string]string{"TOKEN": "t", "LOOSE": " t0ken"}, nil)
	const head = "destinations:\n  crm:\n    hubspot: { token: \"${env:TOKEN}\" }\n"
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"nothing":  {head + "forms:\n  contact:\n    fields: { email: email, company: company, company_name: company, employer: company }\n", nil},
		"no field": {head + "    properties: { email: email, firstname: first_name }\nforms: { contact: {} }\n", nil},
		"swapped": {head + "forms:\n  contact:\n    fields:\n      email: email\n      firstname: last_name\n",
			[]string{"8:18: firstname usually means first_name, and leads to last_name here"}},
		"a whole name as the last one": {head + "forms:\n  contact:\n    fields: { email: email, name: last_name }\n", nil},
		"doubled": {head + "    properties: { email: email, x: custom.x }\nforms:\n  contact:\n    fields:\n      email: email\n      budget: custom.x\n      shoe_size: custom.x\n",
			[]string{"10:18: budget and shoe_size both lead to custom.x: of a page that sends both, only the first that is filled in counts"}},
		"unused": {head + "    properties: { email: email }\nforms:\n  contact:\n    fields:\n      email: email\n      budget: custom.budget\n",
			[]string{"9:15: budget leads to custom.budget, which no property of crm takes; add one, or the CRM never sees it"}},
		"a phone of no country": {head + "forms:\n  contact:\n    fields: { email: email, tel: phone }\n  de:\n    fields: { email: email, tel: phone }\n    default_region: DE\n  all:\n    fields: { email: email, tel: phone, country: country }\n",
			[]string{"6:34: tel leads to phone: numbers without a country's code cannot be read; say by default_region, such as US, which country they are of"}},
		"not sent by itself": {head + "forms:\n  contact:\n    fields:\n      email: email\n      budget: custom.budget\n",
			[]string{"8:15: budget leads to custom.budget, which no property of crm takes; the CRM sees it if properties: names it, and all others that are to be sent"}},
		"a field that is not there": {head + "    properties: { email: email, x: '= lead.custom.size' }\nforms:\n  contact:\n    fields: { email: email, team: custom.team }\n    block: [{ when: 'lead.custom.taem == \"x\"', then: hold }]\n",
			[]string{"4:36: no form field leads to custom.size, so only a backend could fill it", "8:21: no form field leads to custom.taem, so only a backend could fill it; did you mean custom.team?"}},
		"a text as a number": {head + "    properties: { email: email, x: '= lead.custom.size' }\nforms:\n  contact:\n    fields: { email: email, size: custom.size, team: custom.team }\n    values: { custom.team: { type: integer } }\n    block:\n      - { when: 'lead.custom.size > 50 || lead.custom.team > 50 || double(lead.custom.size) > 7.0', then: hold }\n",
			[]string{"10:17: custom.size is a text, which is never a number: write double(lead.custom.size), and numbers as 5000.0"}},
		"unfilled": {head + "    properties:\n      email: email\n      amount: custom.amount\n      campaign: source.utm_campaign\nforms:\n  contact:\n    fields: { email: email }\n",
			[]string{"6:15: no form that leads to crm fills custom.amount, so only a backend could fill amount"}},
		"a key to guess, and everybody's proxy": {head + "forms: { contact: {} }\napi_keys: [{ name: ops, key: \"${env:TOKEN}\", roles: [read] }]\ntrusted_proxies: [\"10.0.0.0/8\", \"0.0.0.0/0\"]\n",
			[]string{"5:30: the key of ops can be guessed, with its length of 1; make one of 32 characters, as openssl rand -hex 16 does", "6:33: 0.0.0.0/0 is everybody: whoever calls may then say what address is theirs; name the network of the proxy"}},
		"a loose secret": {strings.Replace(head, "TOKEN", "LOOSE", 1) + "forms: { contact: {} }\n",
			[]string{"3:23: what token refers to begins or ends with white space, which is sent with it"}},
		"nothing encrypted": {"destinations:\n  erp:\n    http: { url: \"http://erp.example.com/leads\", ping_url: \"http://erp.internal/\" }\n    properties: { email: email }\n  near:\n    http: { url: \"http://10.0.0.7/leads\", ping_url: \"http://erp:8080/\" }\n    properties: { email: email }\nforms: { contact: { destinations: [erp, near] } }\nleads: { destinations: [erp] }\n",
			[]string{"3:18: url is not encrypted: what is sent to erp.example.com, credentials and leads, can be read on the way; write https://"}},
		"a text cut short": {head + "forms:\n  contact:\n    fields: { email: email }\n    consents:\n      news: { field: news, text: \"We are #1\" } #1\n      offers: # of the week\n        field: offers # checked\n        text: We are #1 in offers\n",
			[]string{"11:15: text ends before #, where a comment begins; if that belongs to it, put the whole into quotes"}},
		"a full name": {head + "    properties: { email: email, lastname: last_name }\nforms:\n  contact:\n    fields: { email: email, whoever: full_name }\n", nil},
	} {
		snapshot, err := config.Parse("f", []byte(test.file), env)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, hint := range snapshot.Hints {
			got = append(got, strings.TrimPrefix(hint, "f:"))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestTheExampleNeedsNoHint(t *testing.T) {
	t.Parallel()
	env := environment(nil, nil)
	env.LookupEnv = func(name string) (string, bool) { return "whatever is the value of " + name, true } // for any name
	snapshot, err := config.Parse("example", []byte(config.Example), env)
	if err != nil {
		t.Fatal(err)
	}
	if len(snapshot.Hints) > 0 {
		t.Error(strings.Join(snapshot.Hints, "\n"))
	}
}
