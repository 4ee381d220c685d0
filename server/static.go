package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// How long a browser uses a static file without asking: long enough for a visit, short enough that a mended client is
// everywhere soon.
const staticAge = 5 * time.Minute

// static is a file that never changes while the process lives, packed once for all who read it.
type static struct {
	contentType string
	tag         string // of what is in plain, without quotes
	plain       []byte
	packed      []byte // gzip; nil if that is no smaller
}

func newStatic(name string, data []byte) (*static, error) {
	sum := sha256.Sum256(data)
	f := &static{plain: data, tag: base64.RawURLEncoding.EncodeToString(sum[:12])}
	switch path.Ext(name) {
	case ".js", ".mjs":
		f.contentType = "text/javascript; charset=utf-8"
	default:
		f.contentType = "application/json"
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if packed.Len() < len(data) {
		f.packed = packed.Bytes()
	}
	return f, nil
}

// ServeHTTP answers with the file, to pages of every origin: it is the same for all and holds nothing of anybody.
func (f *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header, body, tag := w.Header(), f.plain, f.tag
	header.Set("Content-Type", f.contentType)
	header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(staticAge.Seconds())))
	header.Set("Access-Control-Allow-Origin", "*")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Vary", "Accept-Encoding")
	if f.packed != nil && takesGzip(r) {
		header.Set("Content-Encoding", "gzip")
		body, tag = f.packed, f.tag+"-gzip"
	}
	header.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body)) // answers 304 to whoever has the same already
}

// pageFiles are the files that pages load, by their paths: the script, and beside it what it loads when needed.
func pageFiles(files fs.FS) (map[string]*static, error) {
	served := map[string]*static{}
	add := func(url, name string) error {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		served[url], err = newStatic(name, data)
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

// takesGzip says whether a client reads gzip.
func takesGzip(r *http.Request) bool {
	for offer := range strings.SplitSeq(strings.Join(r.Header["Accept-Encoding"], ","), ",") {
		coding, quality, _ := strings.Cut(strings.TrimSpace(offer), ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			q := strings.ReplaceAll(strings.ToLower(quality), " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
