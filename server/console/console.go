// Package console is the operators' web page: what the gateway does, live, and the buttons that help.
//
// It is one page without a framework. Its TypeScript stands in web/, is bundled into gen/pages by `make generate`, and talks
// to the same REST API as everybody else; what it may do is what the API key of whoever signed in may do.
package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/leadgate/leadgate/gen/pages"
)

//go:embed index.html icon.svg
var static embed.FS

// policy lets the page load its own files and talk to its own gateway, nothing else, and make no markup from text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// views are the first parts of the paths that the page itself understands, behind /console/.
var views = []string{"", "leads", "held", "dead", "destinations", "drift", "alerts"}

// file is one of the page's files, as it is sent.
type file struct {
	contentType, tag string
	content          []byte
}

// Handler serves the page and its files below /console/.
func Handler() http.Handler {
	files := map[string]file{}
	for name, contentType := range map[string]string{
		"index.html": "text/html; charset=utf-8", "icon.svg": "image/svg+xml",
		"console.js": "text/javascript; charset=utf-8", "console.css": "text/css; charset=utf-8",
	} {
		content, err := static.ReadFile(name)
		if err != nil {
			content, err = pages.Files.ReadFile(name)
		}
		if err != nil {
			panic(err) // the compiler embedded it
		}
		hash := sha256.Sum256(content)
		files[name] = file{contentType, `"` + hex.EncodeToString(hash[:8]) + `"`, content}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/console/")
		status := http.StatusOK
		f, ok := files[name]
		if !ok {
			f = files["index.html"] // it says itself when it does not know the path
			if !isView(name) {
				status = http.StatusNotFound
			}
		}
		f.serve(w, r, status)
	})
}

func isView(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	for _, view := range views {
		if first == view {
			return true
		}
	}
	return false
}

func (f file) serve(w http.ResponseWriter, r *http.Request, status int) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache") // kept, but asked about
	header.Set("Content-Type", f.contentType)
	if status == http.StatusOK {
		header.Set("ETag", f.tag)
		if r.Header.Get("If-None-Match") == f.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.content) // the client went away
	}
}
