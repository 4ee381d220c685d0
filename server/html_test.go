package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// What Chromium sends when it submits a form without JavaScript.
const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestAVisitorWithoutScriptSeesAPage(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: strings.Replace(contactForm, "  strict:\n", "  strict:\n    redirect: https://www.example.com/thanks\n", 1)})
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	send := func(path, body string) answer {
		return h.post(path, asForm, body, "Accept", browserAccept, "Referer", "https://www.example.com/contact?a=1&b=2")
	}
	for name, c := range map[string]struct {
		answer answer
		status int
		words  []string
	}{
		"thanks":     {send("/v1/forms/contact/submissions", "email=ada@example.com&idempotency_key=1"), 201, []string{"Thank you", `href="https://www.example.com/contact?a=1&amp;b=2">Back to the form<`}},
		"once more":  {send("/v1/forms/contact/submissions", "email=ada@example.com&idempotency_key=1"), 200, []string{"Thank you"}},
		"violations": {send("/v1/forms/contact/submissions", "email=ada"), 400, []string{"<strong>email</strong>: must be a valid email address"}},
		// By default, browsers tell another site only this much: it may be another page.
		"the site": {h.post("/v1/forms/contact/submissions", asForm, "email=ada", "Accept", browserAccept, "Referer", "https://www.example.com/"), 400,
			[]string{`<a href="https://www.example.com/">www.example.com</a>`}},
		"no method": {h.send(http.MethodGet, "/v1/forms/contact/submissions?email=ada%40example.com", "", "", "Accept", browserAccept), 405, []string{"give the form method=&#34;post&#34;"}},
		// The address of an answer, reloaded or from a bookmark.
		"opened": {h.send(http.MethodGet, "/v1/forms/contact/submissions", "", "", "Accept", browserAccept, "Accept-Language", "de"), 405, []string{`<html lang="de">`, "nichts gesendet"}},
		"markup": {send("/v1/forms/%3Cscript%3E/submissions", "email=ada"), 404, []string{"&lt;script&gt;"}},
	} {
		if c.answer.status != c.status || c.answer.header.Get("Content-Type") != "text/html; charset=utf-8" || c.answer.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: status %d, header %v", name, c.answer.status, c.answer.header)
		}
		for _, word := range c.words {
			if !strings.Contains(c.answer.text, word) {
				t.Errorf("%s: the page lacks %s: %s", name, word, c.answer.text)
			}
		}
	}
	if a := send("/v1/forms/strict/submissions", "email=ada@example.com"); a.status != 303 || a.header.Get("Location") != "https://www.example.com/thanks" {
		t.Errorf("with a redirect: status %d to %q", a.status, a.header.Get("Location"))
	}
	h.send(http.MethodGet, "/v1/forms/strict/submissions", "", "").expect(t, 405, "METHOD_NOT_ALLOWED")
	// Scripts accept anything, or JSON.
	h.post("/v1/forms/strict/submissions", asForm, "email=grace@example.com", "Accept", "*/*").expect(t, 201, `"leadId"`)
	h.post("/v1/forms/strict/submissions", asForm, "email=no", "Accept", "application/json").expect(t, 400)
}
