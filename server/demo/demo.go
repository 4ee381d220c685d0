// Package demo serves a sample page with a form, beside which the visitor sees live what leadgate does with a lead.
package demo

import (
	_ "embed" // for the page
	"encoding/json"
	"net/http"
	"time"

	"github.com/leadgate/leadgate/gen/pages"
)

//go:embed index.html
var index []byte

// Config is the configuration of the demo. It needs HUBSPOT_TOKEN in its environment, and the CRM's address has to be set.
//
//go:embed demo.yaml
var Config []byte

// Outage is how long the page's switch takes the CRM down, unless it is switched back earlier.
const Outage = 20 * time.Second

// CRM is the simulated CRM shown on the page.
type CRM interface {
	// Contacts returns the CRM's records, oldest first, each with id and properties, as a value that can be encoded as JSON.
	Contacts() any
	// TakeDown makes every call fail for the given time; 0 ends an outage.
	TakeDown(time.Duration)
}

// policy allows the page only its own files and its own gateway.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Handler serves the page, and what it needs of the CRM, below /demo/.
func Handler(crm CRM) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /demo/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(index) // the client went away, here and below
	})
	for _, name := range []string{"demo.js", "demo.css"} {
		mux.HandleFunc("GET /demo/"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pages.Files, name) })
	}
	mux.HandleFunc("GET /demo/crm/contacts", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(crm.Contacts())
	})
	for method, outage := range map[string]time.Duration{http.MethodPost: Outage, http.MethodDelete: 0} {
		mux.HandleFunc(method+" /demo/crm/down", func(w http.ResponseWriter, _ *http.Request) {
			crm.TakeDown(outage)
			w.WriteHeader(http.StatusNoContent)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	})
}
