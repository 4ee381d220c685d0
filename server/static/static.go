// Package static serves files that do not change while the process runs. It compresses them only once, and does not send them again
// to clients that have them.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"path"
	"strings"
	"time"
)

// File is a static file. It is safe for concurrent use.
type File struct {
	contentType string
	tag         string // hash of plain, without quotes
	plain       []byte
	packed      []byte // gzip; nil if that is not smaller
}

// contentTypes maps file extensions. Anything else is JSON.
var contentTypes = map[string]string{
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8", ".svg": "image/svg+xml",
}

// New returns a file. The extension of name determines its content type.
func New(name string, data []byte) (*File, error) {
	sum := sha256.Sum256(data)
	f := &File{plain: data, tag: base64.RawURLEncoding.EncodeToString(sum[:12]), contentType: contentTypes[path.Ext(name)]}
	if f.contentType == "" {
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

// ServeHTTP answers with the file, or with 304 if the client has it. The caller sets the headers for caching and access.
func (f *File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, tag := f.choose(w, r)
	w.Header().Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body)) // answers 304 if the tag matches
}

// ServeStatus answers with the file as the page for a status. It has no ETag.
func (f *File) ServeStatus(w http.ResponseWriter, r *http.Request, status int) {
	body, _ := f.choose(w, r)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client went away
	}
}

// choose sets the headers and returns the body, compressed if the client accepts gzip, and its tag.
func (f *File) choose(w http.ResponseWriter, r *http.Request) (body []byte, tag string) {
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Vary", "Accept-Encoding")
	if f.packed == nil || !takesGzip(r) {
		return f.plain, f.tag
	}
	header.Set("Content-Encoding", "gzip")
	return f.packed, f.tag + "-gzip"
}

// takesGzip reports whether the client accepts gzip.
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
