// Package demo is a sample page with a form, beside which the visitor sees live what leadgate does with a lead.
package demo

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"time"
)

//go:embed static
var static embed.FS

// Config is the configuration that the demo runs under. It wants HUBSPOT_TOKEN in its environment; where the CRM is has to
// be set.
//
//go:embed demo.yaml
var Config []byte

// Outage is how long the page's button takes the CRM down.
const Outage = 20 * time.Second

// CRM is the simulated CRM that the page shows.
type CRM interface {
	// Contacts returns the CRM's records, oldest first, as JSON can hold them: id and properties.
	Contacts() any
	// TakeDown makes every call fail for a while.
	TakeDown(time.Duration)
}

// policy lets the page load its own files and talk to its own gateway, nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler serves the page and what it asks about the CRM, below /demo/.
func Handler(crm CRM) (http.Handler, error) {
	files, err := fs.Sub(static, "static")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /demo/", http.StripPrefix("/demo/", http.FileServerFS(files)))
	mux.HandleFunc("GET /demo/crm/contacts", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(crm.Contacts()) // the page went away
	})
	mux.HandleFunc("POST /demo/crm/down", func(w http.ResponseWriter, _ *http.Request) {
		crm.TakeDown(Outage)
		w.WriteHeader(http.StatusNoContent)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	}), nil
}
