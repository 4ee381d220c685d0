package config_test

import (
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/config"
)

// walkSchema visits every key of the configuration with its path, in which "*" stands for the keys of a map.
func walkSchema(visit func(path, key string)) {
	var walk func(path string, schema protoreflect.MessageDescriptor)
	walk = func(path string, schema protoreflect.MessageDescriptor) {
		for i := range schema.Fields().Len() {
			field := schema.Fields().Get(i)
			within := path + "." + string(field.Name())
			visit(within, string(field.Name()))
			if field.IsMap() {
				within, field = within+".*", field.MapValue()
			}
			if field.Message() != nil && field.Message().FullName() != "google.protobuf.Duration" {
				walk(within, field.Message())
			}
		}
	}
	walk("", (&configv1.Config{}).ProtoReflect().Descriptor())
}

// For each key that holds a credential, a file with % in its place.
var credentials = map[string]string{
	".api_keys.key":                                               "api_keys: [{ name: ops, roles: [read], key: % }]\n" + crmBeside,
	".destinations.*.hubspot.token":                               "destinations: { x: { hubspot: { token: % } } }",
	".destinations.*.hubspot.oauth.client_secret":                 "destinations: { x: { hubspot: { oauth: { client_id: app, client_secret: %, refresh_token: \"${env:OTHER}\" } } } }",
	".destinations.*.hubspot.oauth.refresh_token":                 "destinations: { x: { hubspot: { oauth: { client_id: app, client_secret: \"${env:OTHER}\", refresh_token: % } } } }",
	".destinations.*.http.auth.bearer":                            "destinations: { x: { http: { url: \"https://x.example.com\", auth: { bearer: % } } } }",
	".destinations.*.http.basic.password":                         "destinations: { x: { http: { url: \"https://x.example.com\", auth: { basic: { username: u, password: % } } } } }",
	".destinations.*.http.header.value":                           "destinations: { x: { http: { url: \"https://x.example.com\", auth: { header: { name: X-Key, value: % } } } } }",
	".destinations.*.http.query.value":                            "destinations: { x: { http: { url: \"https://x.example.com\", auth: { query: { name: api_key, value: % } } } } }",
	".destinations.*.http.oauth2.client_secret":                   httpWith("auth: { oauth2: { token_url: \"https://x.example.com\", client_id: site, client_secret: % } }"),
	".destinations.*.http.oauth2.refresh_token":                   httpWith("auth: { oauth2: { token_url: \"https://x.example.com\", client_id: site, client_secret: \"${env:OTHER}\", refresh_token: % } }"),
	".destinations.*.salesforce.client_credentials.client_secret": "destinations: { x: { salesforce: { url: \"https://x.my.salesforce.com\", client_credentials: { client_id: app, client_secret: % } } } }",
	".destinations.*.salesforce.jwt.private_key":                  "destinations: { x: { salesforce: { url: \"https://x.my.salesforce.com\", jwt: { client_id: app, username: u, private_key: % } } } }",
	".destinations.*.pipedrive.api_token":                         "destinations: { x: { pipedrive: { api_token: % } } }",
	".destinations.*.pipedrive.oauth.client_secret":               "destinations: { x: { pipedrive: { oauth: { client_id: app, client_secret: %, refresh_token: \"${env:OTHER}\" } } } }",
	".destinations.*.pipedrive.oauth.refresh_token":               "destinations: { x: { pipedrive: { oauth: { client_id: app, client_secret: \"${env:OTHER}\", refresh_token: % } } } }",
	".destinations.*.zoho.client_secret":                          "destinations: { x: { zoho: { client_id: app, client_secret: %, refresh_token: \"${env:OTHER}\" } } }",
	".destinations.*.zoho.refresh_token":                          "destinations: { x: { zoho: { client_id: app, client_secret: \"${env:OTHER}\", refresh_token: % } } }",
	".destinations.*.dynamics.client_secret":                      "destinations: { x: { dynamics: { url: \"https://x.crm.dynamics.com\", tenant: t, client_id: app, client_secret: % } } }",
	".destinations.*.http.signature.hmac.secret":                  httpWith("signature: { hmac: { secret: % } }"),
	".destinations.*.http.signature.standard_webhooks.secrets":    httpWith("signature: { standard_webhooks: { secrets: [%] } }"),
	".destinations.*.http.headers":                                "destinations: { x: { http: { url: \"https://x.example.com\", headers: { X-Api-Key: % } } } }",

	".store.encryption_key":          "store: { encryption_key: % }\n" + crmBeside,
	".store.previous_encryption_key": "store: { encryption_key: \"${env:OTHER}\", previous_encryption_key: % }\n" + crmBeside,
	".forms.*.captcha.secret":        "forms: { x: { fields: { e: email }, captcha: { provider: hcaptcha, secret: % } } }\n" + crmBeside,
	".enrich.company.auth.bearer":    "enrich: { company: { url: \"https://x.example.com/{domain}\", auth: { bearer: % } } }\n" + crmBeside,
	".enrich.company.basic.password": "enrich: { company: { url: \"https://x.example.com/{domain}\", auth: { basic: { username: u, password: % } } } }\n" + crmBeside,
	".enrich.company.header.value":   "enrich: { company: { url: \"https://x.example.com/{domain}\", auth: { header: { name: X-Key, value: % } } } }\n" + crmBeside,
	".enrich.company.query.value":    "enrich: { company: { url: \"https://x.example.com/{domain}\", auth: { query: { name: key, value: % } } } }\n" + crmBeside,

	".alerts.notifiers.*.slack.url":             "alerts: { notifiers: { x: { slack: { url: % } } } }\n" + crmBeside,
	".alerts.notifiers.*.webhook.secret":        "alerts: { notifiers: { x: { webhook: { url: \"https://x.example.com\", secret: % } } } }\n" + crmBeside,
	".alerts.notifiers.*.pagerduty.routing_key": "alerts: { notifiers: { x: { pagerduty: { routing_key: % } } } }\n" + crmBeside,
	".alerts.notifiers.*.email.password":        "alerts: { notifiers: { x: { email: { host: mx, from: a@example.com, to: [b@example.com], username: u, password: % } } } }\n" + crmBeside,
}

const crmBeside = "destinations: { crm: { hubspot: { token: \"${env:OTHER}\" } } }\n"

// httpWith returns a file with a setting of an HTTP destination.
func httpWith(setting string) string {
	return "destinations: { x: { http: { url: \"https://x.example.com\", " + setting + " } } }"
}

func TestACredentialInPlainTextIsRefusedAndNotRepeated(t *testing.T) {
	t.Parallel()
	env := environment(map[string]string{"TOKEN": "t0ken", "OTHER": "0ther"}, map[string]string{"/run/token": "t0ken\n"})
	for name, file := range credentials {
		for _, good := range []string{`"${env:TOKEN}"`, `"${file:/run/token}"`} {
			if _, err := config.Parse("f", []byte(strings.Replace(file, "%", good, 1)), env); err != nil {
				t.Errorf("%s: %s: %v", name, good, err)
			}
		}
		_, err := config.Parse("f", []byte(strings.Replace(file, "%", `"pat-na1-secret"`, 1)), env)
		if err == nil || !strings.Contains(err.Error(), "is a credential, which must not stand in this file") || strings.Contains(err.Error(), "pat-na1") {
			t.Errorf("%s in plain text: %v", name, err)
		}
	}
}

// This finds credentials that were forgotten when a kind of CRM was added to the schema.
func TestEveryKeyThatSoundsLikeACredentialIsOne(t *testing.T) {
	t.Parallel()
	sounds := regexp.MustCompile(`token|secret|password|bearer|(^|_)key$`)
	walkSchema(func(path, key string) {
		path = strings.NewReplacer(".auth.basic.", ".basic.", ".auth.header.", ".header.", ".auth.query.", ".query.", ".auth.oauth2.", ".oauth2.").Replace(path)
		if sounds.MatchString(key) && !strings.HasSuffix(key, "_url") && !strings.HasSuffix(path, ".dynamics.key") && credentials[path] == "" {
			t.Errorf("%s is not tested to be refused in plain text", path)
		}
	})
}

func TestAReferenceThatLeadsNowhereIsNamed(t *testing.T) {
	t.Parallel()
	env := environment(map[string]string{"EMPTY": "", "LINES": "a\nb"}, map[string]string{"/empty": "\n", "/lines": "a\nb\n", "/utf16": "\xff\xfea\x00\n\x00"})
	for reference, want := range map[string]string{
		"${env:NONE}":    "token: environment variable NONE is not set",
		"${env:EMPTY}":   "token: environment variable EMPTY is empty",
		"${env:LINES}":   "token: environment variable LINES holds more than one line",
		"${file:/none}":  "token: file /none cannot be read: file does not exist",
		"${file:/empty}": "token: file /empty is empty",
		"${file:/lines}": "token: file /lines holds more than one line",
		"${file:/utf16}": "token: file /utf16 is not UTF-8 text",
		"${env:}":        "token: ${env:} is not a reference: write ${env:NAME} or ${file:/path}",
		"${env: NAME}":   "token: ${env: NAME} is not a reference: write ${env:NAME} or ${file:/path}",
		"${env:EMPTY} ":  "token takes one reference, such as \"${env:NAME}\", and nothing around it",
		"${aws:token}":   "token: ${aws:token} is not a reference: write ${env:NAME} or ${file:/path}",
	} {
		_, err := config.Parse("f", []byte(`destinations: { crm: { hubspot: { token: "`+reference+`" } } }`), env)
		if err == nil || err.Error() != "f:1:42: "+want {
			t.Errorf("%s: %v", reference, err)
		}
	}
}

func TestAKeyInPEMHasLines(t *testing.T) {
	t.Parallel()
	env := environment(nil, map[string]string{"/key.pem": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"})
	file := `destinations: { x: { salesforce: { url: "https://x.my.salesforce.com", jwt: { client_id: app, username: u, private_key: "${file:/key.pem}" } } } }`
	if _, err := config.Parse("f", []byte(file), env); err != nil {
		t.Error(err)
	}
}

func TestReferencesAreReadInHeadersAndNowhereElse(t *testing.T) {
	t.Parallel()
	env := environment(map[string]string{"TOKEN": "t0ken"}, nil)
	file := `destinations: { x: { http: { url: "https://x.example.com", headers: { Authorization: "Key ${env:TOKEN}", X-Plain: plain, X-Mixed: "a-${env:TOKEN}" } } } }`
	if _, err := config.Parse("f", []byte(file), env); err != nil {
		t.Error(err)
	}
	_, err := config.Parse("f", []byte(crmBesideToken+"data_dir: \"${env:HOME}/x\"\n"), env)
	if err == nil || err.Error() != "f:2:11: data_dir takes no ${…}: references are read in credentials and headers only" {
		t.Errorf("a reference elsewhere: %v", err)
	}
	_, err = config.Parse("f", []byte(`destinations: { x: { http: { url: "https://u:pass@x.example.com" } } }`), env)
	if err == nil || !strings.Contains(err.Error(), "must not stand in this file") || strings.Contains(err.Error(), "pass@") {
		t.Errorf("a password in a URL: %v", err)
	}
}

const crmBesideToken = "destinations: { crm: { hubspot: { token: \"${env:TOKEN}\" } } }\n"

func TestSecretGivesThePresentContent(t *testing.T) {
	t.Parallel()
	variables, files := map[string]string{"TOKEN": "t0ken"}, map[string]string{"/key": "first\n"}
	snapshot, err := config.Parse("f", []byte(crmBesideToken), environment(variables, files))
	if err != nil {
		t.Fatal(err)
	}
	expect := func(value, want string) {
		t.Helper()
		if got, err := snapshot.Secret(value); got != want || err != nil {
			t.Errorf("%s is %q, %v; want %q", value, got, err, want)
		}
	}
	expect("${env:TOKEN}", "t0ken")
	expect("Key ${env:TOKEN}/${file:/key}.", "Key t0ken/first.")
	expect("plain", "plain")
	expect("", "")
	files["/key"] = "rotated\r\n"
	expect("${file:/key}", "rotated")
	variables["TOKEN"] = "echoed\n"
	expect("${env:TOKEN}", "echoed")
	files["/key"] = "\ufeffby PowerShell\r\n"
	expect("${file:/key}", "by PowerShell")
	for _, bad := range []string{"${env:NONE}", "${env:TOKEN", "${}"} {
		if got, err := snapshot.Secret(bad); err == nil || got != "" {
			t.Errorf("%s is %q", bad, got)
		}
	}
}
