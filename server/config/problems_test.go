package config_test

import (
	"strings"
	"testing"

	"github.com/leadgate/leadgate/server/config"
)

// Each file has exactly the listed problems.
func TestEveryProblemIsToldWithItsPlaceAndTheWayOut(t *testing.T) {
	t.Parallel()
	const crm = "destinations: { crm: { hubspot: { token: \"${env:TOKEN}\" } } }\n"
	const two = "destinations:\n  crm: { hubspot: { token: \"${env:TOKEN}\" } }\n  erp: { hubspot: { token: \"${env:TOKEN}\" } }\nleads: { destinations: [crm] }\n"
	const form = "forms:\n  contact:\n    fields: { email: email }\n"
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"nothing":           {"# nothing\n", []string{"1:1: there is no destination: name a CRM under destinations:; leadgate check --example shows how"}},
		"not YAML":          {crm + "forms: [\n", []string{"2:1: this is not YAML: did not find expected node content"}},
		"unquoted below":    {"destinations:\n  crm:\n    hubspot: { token: ${env:TOKEN} }\n    limits: { concurrency: 2 }\n", []string{"3:1: this is not YAML: did not find expected ',' or '}'; a reference within { } needs quotes, as in \"${env:NAME}\""}},
		"a tab":             {crm + form + "\trequired: [email]\n", []string{"5:1: this is not YAML: found character that cannot start any token; indent with spaces"}},
		"a quote":           {crm + form + "    redirect: \"https://x.example.com\n    required: [email]\n    destinations: [crm]\n", []string{"5:1: this is not YAML: found unexpected end of stream; a quote is not closed"}},
		"no space":          {crm + "forms:\n  contact:\n    fields:\n      email:email\n      phone: phone\n", []string{"6:1: this is not YAML: mapping values are not allowed in this context; in the line above, a colon needs a space behind it"}},
		"a star":            {crm + "forms:\n  contact:\n    fields:\n      email: email\n      *phone: phone\n", []string{"6:1: this is not YAML: unknown anchor 'phone' referenced; put what begins with * into quotes"}},
		"an at sign":        {crm + "forms:\n  contact:\n    fields:\n      @mail: email\n", []string{"5:1: this is not YAML: found character that cannot start any token; put what begins with @ into quotes"}},
		"an odd space":      {crm + "forms:\n  contact:\n    fields:\n      email:\u00a0email\n      phone: phone\n", []string{"6:1: this is not YAML: mapping values are not allowed in this context; in the line above, U+00A0 is no space for YAML; type an ordinary one"}},
		"a list left open":  {crm + form + "    required: [email\n    destinations: [crm]\nlog: { level: info }\n", []string{"5:1: this is not YAML: did not find expected ',' or ']'"}},
		"merged":            {crm + "forms:\n  contact:\n    fields:\n      <<: { a: email }\n", []string{"5:11: <<: anchors and aliases are not read; write the value out"}},
		"a field twice":     {crm + "forms:\n  contact:\n    fields:\n      mail: email\n      mail: company\n    required: [email]\n", []string{"6:7: mail is given twice; the first is in line 5"}},
		"by its meaning":    {crm + "forms:\n  contact:\n    fields: { mail: email, n: name, z: zip, c: companyName }\n", []string{"4:31: n: unknown lead field \"name\"; did you mean \"full_name\"?", "4:40: z: unknown lead field \"zip\"; did you mean \"postal_code\"?", "4:48: c: unknown lead field \"companyName\"; did you mean \"company\"?"}},
		"custom, no name":   {crm + "forms:\n  contact:\n    fields:\n      mail: email\n      size: custom.\n", []string{"6:13: size: \"custom.\" is not the name of a custom field; after \"custom.\" come lower case letters, digits and underscores, a letter first, at most 63"}},
		"a default":         {crm + "forms:\n  contact:\n    fields: { mail: email, size: custom.size }\n    values:\n      custom.size: { type: integer, default: many }\n", []string{"6:46: values: custom.size: default: \"many\" must be a whole number"}},
		"no such region":    {crm + form + "    default_region: UK\n", []string{"5:21: default_region: the phone numbers of \"UK\" are not known; give an ISO 3166-1 alpha-2 country code, such as US"}},
		"unquoted":          {"destinations: { crm: { hubspot: { token: ${env:TOKEN} } } }\n", []string{"1:1: this is not YAML: did not find expected ',' or '}'; a reference within { } needs quotes, as in \"${env:NAME}\""}},
		"not text":          {crm + "\xff", []string{"2:1: this is not UTF-8 text"}},
		"two documents":     {crm + "---\nlisten: :1\n", []string{"2:1: a second YAML document begins here: a configuration is one document"}},
		"a list":            {"- a\n", []string{"1:1: the file takes keys with values, not a list"}},
		"unknown key":       {crm + "lisen: :1\n", []string{"2:1: unknown key \"lisen\"; did you mean \"listen\"?"}},
		"other spelling":    {crm + "dataDir: x\n", []string{"2:1: unknown key \"dataDir\"; did you mean \"data_dir\"?"}},
		"too far out":       {crm + form + "    disposable_domains: [trash.example]\n", []string{"5:5: unknown key \"disposable_domains\"; it belongs under quality"}},
		"too far in":        {"destinations:\n  crm:\n    hubspot: { token: \"${env:TOKEN}\", properties: { email: email } }\n", []string{"3:39: unknown key \"properties\"; it belongs beside hubspot, not within it"}},
		"not at the top":    {crm + form + "    api_keys: []\n", []string{"5:5: unknown key \"api_keys\"; it belongs at the top of the file, beside forms and destinations"}},
		"without its kind":  {"destinations:\n  crm:\n    token: \"${env:TOKEN}\"\n", []string{"3:5: unknown key \"token\"; it belongs under hubspot"}},
		"by number":         {crm + "1: x\n", []string{"2:1: unknown key \"1\"; it is one of listen, data_dir, cleartext_http2, tls, trusted_proxies, idempotency, api_keys, leads, forms, destinations, log, intake, retention, store, alerts, public_url, debug, enrich"}},
		"a key twice":       {crm + "listen: :1\nlisten: :2\n", []string{"3:1: listen is given twice; the first is in line 2"}},
		"an entry twice":    {crm + form + "  contact: {}\n", []string{"5:3: contact is given twice; the first is in line 3"}},
		"alias":             {crm + "log: &x { level: warn }\nintake: *x\n", []string{"3:9: intake: anchors and aliases are not read; write the value out"}},
		"a key of many":     {crm + "? [a, b]\n: c\n", []string{"2:3: the file: a key is a single word"}},
		"no value":          {crm + "listen:\nforms:\n", []string{"2:8: listen has no value: give it one, or leave it out", "3:7: forms has no value: give it one, or leave it out"}},
		"not a list":        {crm + "trusted_proxies: 10.0.0.0/8\n", []string{"2:18: trusted_proxies takes a list, not a single value"}},
		"not a value":       {crm + "listen: [a]\n", []string{"2:9: listen takes a single value, not a list"}},
		"not a number":      {crm + "intake: { max_body_bytes: 64k }\n", []string{"2:27: max_body_bytes is a whole number, not \"64k\""}},
		"too large":         {crm + "intake: { max_body_bytes: 16777217 }\n", []string{"2:27: max_body_bytes: must be between 1 and 16777216"}},
		"not a duration":    {crm + "idempotency: { ttl: 1 day }\n", []string{"2:21: ttl: \"1 day\" is not a duration, such as 500ms, 90s, 24h or 30d"}},
		"a negative one":    {crm + "idempotency: { ttl: -1h }\n", []string{"2:21: ttl: \"-1h\" is not a duration, such as 500ms, 90s, 24h or 30d"}},
		"too short":         {crm + "idempotency: { ttl: 59s }\n", []string{"2:21: ttl: must be between 1m and 30d"}},
		"unknown word":      {crm + "log: { format: jsn, level: loud }\n", []string{"2:16: format: unknown word \"jsn\"; did you mean \"json\"?", "2:28: level: unknown word \"loud\"; it is one of debug, info, warn, error"}},
		"listen":            {crm + "listen: 8080\n", []string{"2:9: listen: \"8080\" is not host:port, such as 127.0.0.1:8080 or :8080"}},
		"no such port":      {crm + "listen: :80800\n", []string{"2:9: listen: \":80800\" is not host:port, such as 127.0.0.1:8080 or :8080"}},
		"not a network":     {crm + "trusted_proxies:\n  - 10.0.0.0/8\n  - 10.0.0.0/33\n", []string{"4:5: trusted_proxies: must be a network, such as 10.0.0.0/8, or 10.0.0.1/32 for one address"}},
		"tls":               {crm + "tls: { cert_file: here.crt, key_file: gone.key }\n", []string{"2:39: key_file: gone.key cannot be read: file does not exist"}},
		"no certificate":    {crm + "tls: { cert_file: here.crt, key_file: here.crt }\n", []string{"2:6: tls: cert_file and key_file make no certificate: failed to find any PEM data in certificate input"}},
		"half of tls":       {crm + "tls: { cert_file: here.crt }\n", []string{"2:1: tls lacks key_file"}},
		"a pattern":         {crm + "alerts: { rules: { crm_errors: [{ name: odd, pattern: \"a(b\" }] } }\n", []string{"2:55: pattern: error parsing regexp: missing closing ): `a(b`; to find a text as it stands, put a backslash before each of .+*?()[]{}|^$"}},
		"rules for nothing": {crm + form + "alerts: { destinations: { cmr: {} }, forms: { contct: {} } }\n", []string{"5:27: unknown destination \"cmr\"; did you mean \"crm\"?", "5:47: unknown form \"contct\"; did you mean \"contact\"?"}},
		"closed all day":    {crm + "alerts: { business_hours: { from: \"18:00\", to: \"09:00\" } }\n", []string{"2:27: business_hours: it closes at 09:00 before it opens at 18:00"}},
		"a time zone":       {crm + "alerts: { business_hours: { time_zone: Berlin } }\n", []string{"2:27: time_zone \"Berlin\" is not known; write it as in Europe/Berlin or America/New_York"}},
		"a plain secret":    {crm + "alerts: { notifiers: { ops: { slack: { url: \"https://hooks.slack.com/x\" } } } }\n", []string{"2:45: url is a credential, which must not stand in this file: put it into an environment variable or a file, and write \"${env:NAME}\" or \"${file:/path}\" here"}},
		"no addressee":      {crm + "alerts: { notifiers: { ops: { email: { host: mx, from: leadgate, to: [ops] } } } }\n", []string{"2:56: from: \"leadgate\" is not an e-mail address, such as leadgate@example.com", "2:71: to: \"ops\" is not an e-mail address, such as ops@example.com"}},
		"a form's name":     {crm + "forms:\n  Contact Us:\n    fields: { email: email }\n", []string{"3:3: \"Contact Us\": names of forms are a lower case letter, then lower case letters, digits and hyphens, at most 63"}},
		"wrong indent":      {crm + form + "      phone: phone\n", []string{"5:1: this is not YAML: did not find expected key"}},
		"unknown lead":      {crm + "forms:\n  contact:\n    fields:\n      email: email\n      cmpany: companny\n", []string{"6:15: cmpany: unknown lead field \"companny\"; did you mean \"company\"?"}},
		"not required":      {crm + form + "    required: [emial, phone]\n", []string{"5:16: required: unknown lead field \"emial\"; did you mean \"email\"?", "5:23: required: no form field leads to phone, so every submission would be refused; add one under fields:"}},
		"unreachable":       {crm + "forms:\n  contact:\n    fields:\n      company: company\n", []string{"4:5: no form field of contact leads to email or phone: a lead needs one of them"}},
		"ignored":           {crm + form + "    ignore: [x, email]\n", []string{"5:17: ignore: email stands under fields: too"}},
		"set by leadgate":   {crm + "forms:\n  contact:\n    fields: { email: email, ip: source.ip }\n", []string{"4:33: ip: source.ip is set by leadgate; leave it out"}},
		"an origin":         {crm + form + "    allowed_origins: [www.example.com]\n", []string{"5:23: allowed_origins: must be an origin as browsers send it: http or https, host in lower case, and port unless it is the usual one, such as https://www.example.com; each host by itself"}},
		"wildcards":         {crm + form + "    allowed_origins: [\"https://*.example.com\"]\n", []string{"5:23: allowed_origins: must be an origin as browsers send it: http or https, host in lower case, and port unless it is the usual one, such as https://www.example.com; each host by itself"}},
		"capitals":          {crm + form + "    allowed_origins: [https://Example.com]\n", []string{"5:23: allowed_origins: must be an origin as browsers send it: http or https, host in lower case, and port unless it is the usual one, such as https://www.example.com; each host by itself"}},
		"the usual port":    {crm + form + "    allowed_origins: [https://example.com:443]\n", []string{"5:23: allowed_origins: must be an origin as browsers send it: http or https, host in lower case, and port unless it is the usual one, such as https://www.example.com; each host by itself"}},
		"where to":          {two + form, []string{"6:3: contact lacks destinations: there are several, so name those its leads go to, of crm, erp"}},
		"to nowhere":        {two + form + "    destinations: []\n", []string{"8:19: contact lacks destinations: there are several, so name those its leads go to, of crm, erp"}},
		"leads to nowhere":  {strings.Replace(two, "leads: { destinations: [crm] }\n", "", 1), []string{"1:1: leads lacks destinations: there are several, and a backend's leads that name no form have to go somewhere; add leads: { destinations: [crm] }, of crm, erp"}},
		"unknown place":     {two + form + "    destinations: [crm, epr]\n", []string{"8:25: unknown destination \"epr\"; did you mean \"erp\"?"}},
		"unknown for leads": {strings.Replace(two, "[crm]", "[sap]", 1), []string{"4:25: unknown destination \"sap\"; it is one of crm, erp"}},
		"no kind":           {"destinations:\n  crm: { limits: { concurrency: 2 } }\n", []string{"2:3: crm lacks its kind, one of hubspot, http, salesforce, pipedrive, zoho, dynamics"}},
		"two kinds":         {"destinations:\n  crm:\n    hubspot: { token: \"${env:TOKEN}\" }\n    http: { url: \"https://crm.example.com\" }\n", []string{"4:5: crm has hubspot already, and takes one of hubspot, http, salesforce, pipedrive, zoho, dynamics"}},
		"misspelt kind":     {"destinations:\n  crm:\n    hubspott: { token: \"${env:TOKEN}\" }\n", []string{"3:5: unknown key \"hubspott\"; did you mean \"hubspot\"?"}},
		"no token":          {"destinations:\n  crm:\n    hubspot: {}\n", []string{"3:14: hubspot: give either token, of a private app, or oauth"}},
		"slower and slower": {"destinations:\n  crm:\n    hubspot: { token: \"${env:TOKEN}\" }\n    retry: { initial_delay: 10m, max_delay: 1s }\n", []string{"4:29: initial_delay is longer than max_delay"}},
		"a property":        {"destinations:\n  crm:\n    hubspot: { token: \"${env:TOKEN}\" }\n    properties: { email: emial }\n", []string{"4:26: email: unknown lead field \"emial\"; did you mean \"email\"?"}},
		"not a URL":         {"destinations: { erp: { http: { url: erp }, properties: { mail: email } } }\n", []string{"1:37: url: must begin with https:// or http:// and a host, such as https://erp.example.com/leads/{email}"}},
		"no CEL":            {"destinations: { erp: { http: { url: \"https://x.example.com\", success_when: \"status = 200\" }, properties: { mail: email } } }\n", []string{"1:76: http.success_when: column 8: Syntax error: token recognition error at: '= '; the variables are status, headers, body, text, item"}},
		"not HTTP":          {"destinations: { erp: { http: { url: \"ftp://x.example.com\" }, properties: { mail: email } } }\n", []string{"1:37: url: must begin with https:// or http:// and a host, such as https://erp.example.com/leads/{email}"}},
		"a room's":          {"destinations:\n  erp:\n    http:\n      url: https://x.example.com\n      rules:\n        - { when: status == 200, is: delivered }\n        - { when: stats == 200, is: delivered }\n    properties: { mail: email }\n", []string{"7:19: http.rules[1].when: column 1: undeclared reference to 'stats' (did you mean 'status'?); the variables are status, headers, body, text, item"}},
		"no such property":  {"destinations:\n  erp:\n    http:\n      url: https://x.example.com/{mial}\n      headers: { X-Who: \"{mail} {nobody}\" }\n    properties: { mail: email }\n", []string{"4:12: http.url: {mial} is no property of the destination, so that no lead could be sent; did you mean {mail}?", "5:25: http.headers.X-Who: {nobody} is no property of the destination, so that no lead could be sent; there are mail"}},
		"not Pipedrive's":   {"destinations:\n  crm:\n    pipedrive: { api_token: \"${env:TOKEN}\" }\n    properties: { email: email, person.name: last_name }\n", []string{"4:26: properties: email: Pipedrive's properties are person.NAME, lead.NAME and note"}},
		"told apart by":     {"destinations:\n  crm:\n    hubspot: { token: \"${env:TOKEN}\", id_property: visitor_id }\n    properties: { email: email }\n", []string{"3:52: hubspot.id_property: visitor_id is not under properties, so that no contact could be told apart by it"}},
		"nameless":          {"destinations:\n  crm:\n    hubspot: { token: \"${env:TOKEN}\" }\n    properties: { \"\": email }\n", []string{"4:23: a property without a name is to get email; give the CRM's name for it"}},
		"quoted":            {crm + "intake: { max_body_bytes: \"65536\" }\ndebug: { pprof: 'true' }\n", []string{"2:27: max_body_bytes is a whole number, without quotes, not \"65536\"", "3:17: pprof is true or false, without quotes, not \"true\""}},
		"as eight sees it":  {crm + "intake: { max_body_bytes: 0200000 }\n", []string{"2:27: max_body_bytes is a whole number, not \"0200000\""}},
		"too many digits":   {crm + "intake: { max_body_bytes: 99999999999 }\n", []string{"2:27: max_body_bytes is a whole number of at most ten digits, not \"99999999999\""}},
		"no unit":           {crm + "idempotency: { ttl: 3600 }\n", []string{"2:21: ttl: \"3600\" has no unit: write it as 500ms, 90s, 24h or 30d"}},
		"empty":             {crm + "data_dir: \"\"\nlog: { level: '' }\n", []string{"2:11: data_dir is empty: give it a value, or leave it out", "3:15: level is empty: give it a value, or leave it out"}},
		"zero":              {crm + form + "    limits: { per_address: 0 }\n    quality: { per_email: 0 }\n", []string{"5:28: per_address cannot be 0; leave it out for the default", "6:27: per_email cannot be 0; leave it out for the default"}},
		"a tag":             {crm + "data_dir: !vault secret\nlog: !!map { level: info }\n", []string{"2:11: data_dir: tags such as !vault are not read; leave it out", "3:6: log: tags such as !!map are not read; leave it out"}},
		"twice in a list":   {crm + form + "    required: [email, email]\n", []string{"5:15: required: must not list anything twice"}},
		"empty in a list":   {crm + "trusted_proxies: [\"\"]\n", []string{"2:19: trusted_proxies: must not be empty"}},
		"named by a number": {crm + "forms:\n  1: { fields: { email: email } }\n", []string{"3:3: \"1\": names of forms are a lower case letter, then lower case letters, digits and hyphens, at most 63"}},
		"one lack":          {"destinations:\n  crm:\n    hubspot: { token: }\n", []string{"3:23: token has no value: give it one, or leave it out"}},
		"not rendered":      {"destinations:\n  crm:\n    hubspot: { token: {{ .Values.token }} }\n", []string{"3:23: token takes a single value, not keys with values"}},
		"where people go":   {crm + form + "    redirect: javascript:alert(1)\n", []string{"5:15: redirect begins with https:// or http:// and a host"}},
		"where tokens are":  {"destinations:\n  crm:\n    zoho: { client_id: a, client_secret: \"${env:TOKEN}\", refresh_token: \"${env:TOKEN}\", accounts_url: \"ftp://x.example.com\" }\n", []string{"3:103: accounts_url begins with https:// or http:// and a host"}},
		"a colon in a text": {crm + form + "    redirect: https://x.example.com\n    block:\n      - when: lead.city == \"x\"\n        reason: Note: not here\n", []string{"8:1: this is not YAML: mapping values are not allowed in this context; put a value with a colon in it into quotes"}},
		"a condition":       {"destinations:\n  crm:\n    hubspot: { token: \"${env:TOKEN}\" }\n    properties:\n      a: = lead.city == \"x\" ? \"A\" : \"B\"\n", []string{"5:1: this is not YAML: mapping values are not allowed in this context; put a value with a colon in it into quotes"}},
		"half in quotes":    {crm + form + "    block:\n      - when: \"DE\" == lead.country\n", []string{"6:1: this is not YAML: did not find expected key; a value that begins with a quote has to end with it: put the whole into quotes of the other kind"}},
		"an apostrophe":     {crm + form + "    block:\n      - when: lead.city == \"x\"\n        reason: 'we don't sell there'\n", []string{"7:1: this is not YAML: did not find expected key; a value that begins with a quote has to end with it: put the whole into quotes of the other kind"}},
		"a value's begin":   {crm + form + "    block:\n      - when: !lead.email.endsWith(\".de\")\n", []string{"6:1: this is not YAML: did not find expected whitespace or line break; put what begins with ! into quotes"}},
		"a comment":         {crm + form + "    block:\n      - when: lead.city == \"x\"\n        reason: #1 of the list\n", []string{"7:16: reason has no value: what begins with # is a comment; put it into quotes"}},
		"API keys":          {crm + "api_keys:\n  - { name: ops, key: \"${env:TOKEN}\", roles: [read] }\n  - { name: ops, key: \"${env:OTHER}\", roles: [reed] }\n  - { key: \"${env:TOKEN}\", roles: [] }\n", []string{"4:13: there is another API key \"ops\": give each caller its own", "4:47: roles: unknown word \"reed\"; did you mean \"read\"?", "5:5: this entry of api_keys lacks name", "5:12: the key is the same as that of ops: give each caller its own", "5:35: roles: must not be empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := environment(map[string]string{"TOKEN": "t0ken", "OTHER": "0ther"}, map[string]string{"here.crt": "PEM"})
			_, err := config.Parse("leadgate.yaml", []byte(test.file), env)
			if err == nil {
				t.Fatal("it is taken")
			}
			if got, want := err.Error(), "leadgate.yaml:"+strings.Join(test.want, "\nleadgate.yaml:"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestProblemsOfAllKindsAreToldInOneGo(t *testing.T) {
	t.Parallel()
	_, err := config.Parse("leadgate.yaml", []byte(`lisen: :1
log: { level: loud }
idempotency: { ttl: soon }
forms:
  contact:
    fields: { email: emial }
    destinations: [cmr]
destinations:
  crm:
    hubspot: { token: plain }
`), environment(nil, nil))
	if err == nil {
		t.Fatal("it is taken")
	}
	var places []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		places = append(places, strings.Join(strings.SplitN(line, ":", 4)[1:3], ":"))
	}
	if got := strings.Join(places, " "); got != "1:1 2:15 3:21 6:22 7:20 10:23" {
		t.Errorf("problems at %s:\n%v", got, err)
	}
}

func TestATextForEveryLeadIsToldHowItIsWritten(t *testing.T) {
	t.Parallel()
	file := strings.Replace(crmBesideToken, "} } }", "}, properties: { email: email, origin: Website form } } }", 1)
	_, err := config.Parse("f", []byte(file), environment(map[string]string{"TOKEN": "t0ken"}, nil))
	if err == nil || !strings.HasSuffix(err.Error(), `a text that is the same for every lead is written '= "Website form"'`) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(config.Example)
	f.Add(minimal)
	f.Add("? 7") // a value after the end of the file
	f.Add("a: &a [*a]\n? b\n: {}\n---\n")
	f.Add("forms: { x: { fields: { a: custom.a }, required: [custom.a], ignore: [~] } }\rtls: {}\u2028log: ")
	f.Add("destinations: !!map { crm: { http: { url: \"http://[::1\", headers: { k: \"${env:}${\" } } } }")
	env := environment(map[string]string{"HUBSPOT_TOKEN": "a", "SF_SECRET": "e", "PIPEDRIVE_TOKEN": "i", "ZOHO_SECRET": "f", "ZOHO_REFRESH": "g", "DYNAMICS_SECRET": "h", "ERP_TOKEN": "b", "SHOP_KEY": "c", "OPS_KEY": "d", "TOKEN": "e"}, nil)
	f.Fuzz(func(t *testing.T, text string) {
		snapshot, err := config.Parse("leadgate.yaml", []byte(text), env)
		if (err == nil) != (snapshot.Config != nil) {
			t.Errorf("a snapshot of %v with error %v", snapshot.Config, err)
		}
		if err == nil {
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "leadgate.yaml:") {
				t.Errorf("no place is told in %q", line)
			}
		}
	})
}
