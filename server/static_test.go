package server_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestStaticFilesAreAskedForOnce(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for path, contentType := range map[string]string{
		"/leadgate.js": "text/javascript; charset=utf-8", "/leadgate.mjs": "text/javascript; charset=utf-8",
		"/leadgate/de.json": "application/json", "/leadgate/typo.mjs": "text/javascript; charset=utf-8", "/openapi.json": "application/json",
	} {
		for _, coding := range []string{"identity", "br, gzip;q=0.8"} {
			a := h.send(http.MethodGet, path, "", "", "Accept-Encoding", coding).expect(t, 200)
			tag := a.header.Get("ETag")
			if a.header.Get("Content-Type") != contentType || a.header.Get("Cache-Control") != "public, max-age=300" || tag == "" ||
				a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: %v", path, a.header)
			}
			if packed := a.header.Get("Content-Encoding") == "gzip"; packed != strings.Contains(coding, "gzip") {
				t.Errorf("%s for %q comes as %q", path, coding, a.header.Get("Content-Encoding"))
			}
			if a = h.send(http.MethodGet, path, "", "", "Accept-Encoding", coding, "If-None-Match", tag).expect(t, 304); a.text != "" {
				t.Errorf("%s: 304 with a body", path)
			}
		}
	}
	h.post("/leadgate.js", "", "").expect(t, 405)
	h.send(http.MethodGet, "/leadgate/xx.json", "", "").expect(t, 404)
}

func TestAVisitorIsToldInTheirLanguage(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for accept, want := range map[string]string{
		"":                          "must be a valid email address",
		"en-GB,de;q=0.5":            "must be a valid email address",
		"ja":                        "must be a valid email address",
		"de-AT, en;q=0.7":           "muss eine gültige E-Mail-Adresse sein",
		"ja, fr-CA;q=0.9, de;q=0.8": "doit être une adresse e-mail valide",
		"pt-BR":                     "deve ser um endereço de e-mail válido",
	} {
		h.post("/v1/forms/contact/submissions", asForm, "email=x", "Accept-Language", accept).expect(t, 400, want)
	}
	page := h.post("/v1/forms/contact/submissions", asForm, "email=ada@example.com", "Accept", browserAccept, "Accept-Language", "it").text
	if !strings.Contains(page, `<html lang="it">`) || !strings.Contains(page, "Grazie") {
		t.Errorf("the page in Italian: %s", page)
	}
	// Messages to backends are not translated: programs read them.
	h.post("/v1/leads", asJSON, `{"lead":{"email":"x"}}`, "Accept-Language", "de").expect(t, 400, "must be a valid email address")
}
