package server

import (
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/leadgate/leadgate/server/static"
)

// How long browsers use a shared file without asking: long enough for a visit, short enough that a corrected client spreads soon.
const sharedAge = 5 * time.Minute

// shared serves a file to pages of every origin: it is public and the same for everyone.
func shared(f *static.File) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(sharedAge.Seconds())))
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
		f.ServeHTTP(w, r)
	})
}

// pageFiles returns the handlers of the files that pages load, by path: the script, and the lists that it loads when needed.
func pageFiles(files fs.FS) (map[string]http.Handler, error) {
	served := map[string]http.Handler{}
	add := func(url, name string) error {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		file, err := static.New(name, data)
		served[url] = shared(file)
		return err
	}
	for _, name := range []string{"leadgate.js", "leadgate.mjs"} {
		if err := add("/"+name, name); err != nil {
			return nil, err
		}
	}
	lists, err := fs.ReadDir(files, "lists")
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		if err := add("/leadgate/"+list.Name(), "lists/"+list.Name()); err != nil {
			return nil, err
		}
	}
	return served, nil
}
