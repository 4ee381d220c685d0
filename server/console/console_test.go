package console_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/leadgate/leadgate/server/console"
)

// firstPaint is how much may be transferred until a reader sees something, in bytes.
const firstPaint = 100_000

func get(path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, r)
	return w
}

func TestThePageIsSmallAndStrict(t *testing.T) {
	t.Parallel()
	total, packed := 0, 0
	for path, contentType := range map[string]string{
		"/console/": "text/html; charset=utf-8", "/console/console.js": "text/javascript; charset=utf-8",
		"/console/console.css": "text/css; charset=utf-8", "/console/icon.svg": "image/svg+xml",
	} {
		w := get(path)
		total += w.Body.Len()
		packed += get(path, "Accept-Encoding", "gzip").Body.Len()
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != contentType || w.Body.Len() == 0 {
			t.Errorf("%s: status %d, %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if again := get(path, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s a second time: status %d, %d bytes", path, again.Code, again.Body.Len())
		}
	}
	if packed >= firstPaint/2 || packed >= total/2 { // the other half is for the data that the page requests
		t.Errorf("the files take %d bytes, packed %d, which is not less than half of %d", total, packed, firstPaint)
	}
	t.Logf("%d bytes, packed %d", total, packed)
}

func TestEveryViewHasAnAddress(t *testing.T) {
	t.Parallel()
	for path, status := range map[string]int{
		"/console/": 200, "/console/leads": 200, "/console/leads/019a0000-0000-7000-8000-000000000000": 200, "/console/held": 200,
		"/console/dead": 200, "/console/destinations": 200, "/console/drift": 200, "/console/alerts": 200, "/console/nowhere": 404, "/console/console.go": 404,
	} {
		if w := get(path); w.Code != status || !strings.Contains(w.Body.String(), `<div id="app">`) {
			t.Errorf("%s: status %d, want %d", path, w.Code, status)
		}
	}
}
