// Package console is the operators' web page: what the gateway does, live, and the controls to intervene.
//
// It is a single page without a framework. Its TypeScript is in web/ and bundled into gen/pages by `make generate`. It uses the same REST
// API as everybody else, with the rights of the API key that signed in.
package console

import (
	"embed"
	"net/http"
	"strings"

	"github.com/leadgate/leadgate/gen/pages"
	"github.com/leadgate/leadgate/server/static"
)

//go:embed index.html icon.svg
var own embed.FS

// policy lets the page load its own files and talk to its own gateway, nothing else, and forbids it to make markup from text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// views are the first elements of the paths below /console/ that the page itself handles.
var views = []string{"", "leads", "held", "dead", "destinations", "drift", "alerts", "preview"}

// Handler serves the page and its files below /console/. Browsers cache them, but revalidate each time.
func Handler() http.Handler {
	files := map[string]*static.File{}
	for _, name := range []string{"index.html", "icon.svg", "console.js", "console.css"} {
		content, err := own.ReadFile(name)
		if err != nil {
			content, err = pages.Files.ReadFile(name)
		}
		if err != nil {
			panic(err) // cannot fail: the file is embedded
		}
		if files[name], err = static.New(name, content); err != nil {
			panic(err) // compressing in memory cannot fail
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-cache")
		name := strings.TrimPrefix(r.URL.Path, "/console/")
		index := files["index.html"] // it tells the reader itself if it does not know the path
		switch f, ok := files[name]; {
		case ok:
			f.ServeHTTP(w, r)
		case isView(name):
			index.ServeHTTP(w, r)
		default:
			index.ServeStatus(w, r, http.StatusNotFound)
		}
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
