package simulator

import (
	_ "embed"
	"net/http"
)

//go:embed page.html
var debugPage []byte

// getPage answers with the debug page, which loads nothing else.
func getPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
	_, _ = w.Write(debugPage)
}
