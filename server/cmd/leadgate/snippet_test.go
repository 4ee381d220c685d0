package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheSnippetHasEverythingThatTheFormIsConfiguredFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "leadgate.yaml")
	err := os.WriteFile(path, []byte(`
forms:
  plain: { required: [company] }
  rich:
    fields: { name: full_name, mail: email, size: custom.size, born: custom.born }
    values: { custom.size: { enum: { "1-10": small, "11-50": medium } }, custom.born: { type: date } }
    required: [email]
    consents:
      newsletter: { field: news, text: Send me <news>., text_field: news_text }
      calls: { field: "ask[]", value: phone, text: Call me. }
    honeypot: [website_url]
    quality: { timing_field: shown_at }
    captcha: { provider: turnstile, secret: "${env:SECRET}" }
# Whoever builds the page has none of these.
api_keys: [{ name: a, key: "${env:KEY_A}", roles: [submit] }, { name: b, key: "${file:/nowhere/b}", roles: [read] }]
destinations:
  crm: { http: { url: "http://127.0.0.1:9/leads" } }
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for form, lines := range map[string][]string{
		"plain": {
			`<label>First name<input name="first_name" autocomplete="given-name"></label>`, `<input name="last_name"`, `<input name="email" type="email"`,
			`<input name="phone" type="tel"`, `<input name="company" autocomplete="organization" required>`, `<textarea name="message">`,
		},
		"rich": {
			`<label>Full name<input name="name" autocomplete="name"></label>`, `<input name="mail" type="email" autocomplete="email" required>`,
			`<select name="size">`, `<option>11-50</option>`, `<input name="born" type="date">`,
			`<label><input name="news" type="checkbox"> Send me &lt;news&gt;.</label>`, `<input name="news_text" type="hidden" value="Send me &lt;news&gt;.">`,
			`<label><input name="ask[]" type="checkbox" value="phone"> Call me.</label>`,
			`<div hidden><label>Leave this empty<input name="website_url" tabindex="-1" autocomplete="off"></label></div>`,
			`<input name="shown_at" type="hidden">`, `<!-- the widget of turnstile goes here; it sends its token as cf-turnstile-response -->`,
		},
	} {
		markup, complaint, code := run(t, nil, "", "snippet", "--config", path, "--form", form)
		if code != 0 {
			t.Fatal(complaint)
		}
		for _, line := range lines {
			if !strings.Contains(markup, line) {
				t.Errorf("%s lacks %s:\n%s", form, line, markup)
			}
		}
	}
}
