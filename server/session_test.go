package server_test

import (
	"net/http"
	"strings"
	"testing"
)

// signIn signs in to the console and returns the answer and the cookie to send from then on.
func signIn(t *testing.T, h *house, key string, headers ...string) (answer, string) {
	t.Helper()
	headers = append([]string{"Origin", h.url("")}, headers...)
	a := h.post("/console/session", asJSON, `{"key":"`+key+`"}`, headers...)
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	return a, cookie
}

func TestABrowserSignsInWithAnAPIKey(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: withKeys, env: keys})
	origin := h.url("")
	h.send(http.MethodGet, "/console/session", "", "").expect(t, 200, `"signedIn":false`, `"keys":true`)
	if a, cookie := signIn(t, h, "wrong"); a.status != 401 || cookie != "" {
		t.Errorf("a wrong key: status %d, cookie %q", a.status, cookie)
	}
	a, cookie := signIn(t, h, "ops-key")
	a.expect(t, 200, `"signedIn":true`, `"name":"ops"`, `"roles":["read","operate"]`)
	for _, word := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(a.header.Get("Set-Cookie"), word) {
			t.Errorf("the cookie lacks %s: %s", word, a.header.Get("Set-Cookie"))
		}
	}
	if strings.Contains(a.text, "ops-key") || strings.Contains(a.header.Get("Set-Cookie"), "Secure") {
		t.Errorf("%s %s", a.header.Get("Set-Cookie"), a.text)
	}
	for name, c := range map[string]struct {
		method, path string
		headers      []string
		status       int
	}{
		"reads":                    {"GET", "/v1/leads", nil, 200},
		"reads from elsewhere":     {"GET", "/v1/leads", []string{"Origin", "https://evil.example"}, 200}, // it cannot read the answer, and gets no cookie
		"acts from its own page":   {"POST", "/v1/destinations/crm:pause", []string{"Origin", origin}, 200},
		"acts, as browsers say it": {"POST", "/v1/destinations/crm:resume", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"a page elsewhere acts":    {"POST", "/v1/destinations/crm:pause", []string{"Origin", "https://evil.example"}, 403},
		"a page of another port":   {"POST", "/v1/destinations/crm:pause", []string{"Origin", "http://127.0.0.1:1"}, 403},
		"a neighbouring host":      {"POST", "/v1/destinations/crm:pause", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"nobody says where from":   {"POST", "/v1/destinations/crm:pause", nil, 403},
		"beyond its roles":         {"POST", "/v1/leads", []string{"Origin", origin}, 403},
	} {
		body := "{}"
		if c.path == "/v1/leads" && c.method == "POST" {
			body = ada
		}
		if a := h.send(c.method, c.path, asJSON, body, append(c.headers, "Cookie", cookie)...); a.status != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, a.status, c.status, a.text)
		}
	}
	gone := h.send(http.MethodDelete, "/console/session", "", "", "Cookie", cookie, "Origin", origin)
	if gone.status != 204 || !strings.Contains(gone.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("sign-out: status %d, %v", gone.status, gone.header)
	}
}

func TestOverTLSTheCookieIsSecure(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: withKeys + "trusted_proxies: [\"127.0.0.0/8\"]\n", env: keys})
	a, cookie := signIn(t, h, "ops-key", "X-Forwarded-Proto", "https", "Sec-Fetch-Site", "same-origin")
	if !strings.HasPrefix(cookie, "__Host-") || !strings.Contains(a.header.Get("Set-Cookie"), "Secure") {
		t.Errorf("cookie %q: %s", a.header.Get("Set-Cookie"), a.text)
	}
	for name, c := range map[string]struct {
		cookie string
		secure bool
		status int
	}{
		"its own":                  {cookie, true, 200},
		"a neighbouring host's":    {strings.TrimPrefix(cookie, "__Host-"), true, 401}, // it can set any name but __Host-
		"one of TLS in clear text": {cookie, false, 401},
	} {
		headers := []string{"Cookie", c.cookie}
		if c.secure {
			headers = append(headers, "X-Forwarded-Proto", "https")
		}
		if a := h.send(http.MethodGet, "/v1/leads", "", "", headers...); a.status != c.status {
			t.Errorf("%s: status %d, want %d", name, a.status, c.status)
		}
	}
}

func TestSignInRefusesWhatIsNoSignIn(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: withKeys, env: keys})
	for name, c := range map[string]struct {
		method, body, origin string
		status               int
	}{
		"a page elsewhere":   {"POST", `{"key":"ops-key"}`, "https://evil.example", 403},
		"no JSON":            {"POST", `key=ops-key`, h.url(""), 400},
		"an unknown field":   {"POST", `{"token":"ops-key"}`, h.url(""), 400},
		"a very long key":    {"POST", `{"key":"` + strings.Repeat("k", 10_000) + `"}`, h.url(""), 400},
		"an empty key":       {"POST", `{"key":""}`, h.url(""), 401},
		"a method not known": {"PUT", `{}`, h.url(""), 405},
	} {
		t.Run(name, func(t *testing.T) {
			h.send(c.method, "/console/session", asJSON, c.body, "Origin", c.origin).expect(t, c.status)
		})
	}
	// An undecodable cookie is no key.
	h.send(http.MethodGet, "/v1/leads", "", "", "Cookie", "leadgate-key=%%%").expect(t, 401)
}

func TestWithoutKeysTheConsoleAsksForNoSignIn(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.send(http.MethodGet, "/console/session", "", "").expect(t, 200, `"signedIn":true`, `"keys":false`, `"operate"`)
	h.send(http.MethodGet, "/console/session", "", "", "X-Forwarded-For", "203.0.113.9").expect(t, 200, `"signedIn":false`, "configure api_keys")
}

func TestABrowserThatAsksForTheGatewayGetsTheConsole(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if a := h.send(http.MethodGet, "/", "", "", "Accept", browserAccept); a.status != 302 || a.header.Get("Location") != "/console/" {
		t.Errorf("status %d to %q", a.status, a.header.Get("Location"))
	}
	h.send(http.MethodGet, "/", "", "", "Accept", "*/*").expect(t, 404)
	h.send(http.MethodPost, "/", asJSON, "{}", "Accept", browserAccept).expect(t, 404)
}
