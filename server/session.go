package server

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/leadgate/leadgate/worker"
)

const (
	// How long a browser stays signed in. Removing the key from the configuration ends it at once.
	sessionAge = 30 * 24 * time.Hour
	// Largest body of a sign-in, in bytes.
	maxSignIn = 8 << 10
)

// session tells the console who is signed in.
type session struct {
	SignedIn bool     `json:"signedIn"`
	Name     string   `json:"name,omitempty"` // of the API key; empty for a caller on this machine
	Roles    []string `json:"roles,omitempty"`
	// Keys reports whether API keys are configured; if not, signing in is pointless.
	Keys   bool   `json:"keys"`
	Detail string `json:"detail,omitempty"` // why nobody is signed in
}

// keyCookie returns the name of the cookie that holds an operator's API key. With TLS, its prefix makes browsers refuse a cookie that a
// neighbouring host set, and no other cookie is read.
func keyCookie(secure bool) string {
	if secure {
		return "__Host-leadgate-key"
	}
	return "leadgate-key"
}

// cookieKey returns the API key in a browser's cookie; empty if there is none.
func cookieKey(r *http.Request, secure bool) string {
	cookie, err := r.Cookie(keyCookie(secure))
	if err != nil {
		return ""
	}
	key, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return ""
	}
	return string(key)
}

// sameOrigin reports whether a request comes from a page of this gateway, or changes nothing. Browsers send a cookie no matter which page
// makes the request. SameSite keeps out pages of other sites; this keeps out other origins of the same site, and old browsers, which send
// neither header.
func sameOrigin(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	if r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return false
	}
	return http.NewCrossOriginProtection().Check(r) == nil
}

// serveSession answers who is signed in (GET), signs in with {"key": …} (POST), and signs out (DELETE).
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	switch {
	case r.Method == http.MethodGet:
		s.writeSession(w, c)
	case r.Method != http.MethodPost && r.Method != http.MethodDelete:
		s.writeProblem(w, r, methodNotAllowed(w, "GET, POST, DELETE"))
	case !sameOrigin(r):
		s.writeProblem(w, r, crossOrigin())
	case r.Method == http.MethodPost:
		s.signIn(w, r, c)
	default:
		setKeyCookie(w, c, "", -1)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request, c *call) {
	var given struct {
		Key string `json:"key"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSignIn))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		s.writeProblem(w, r, malformed(`the body must be {"key": "…"}`))
		return
	}
	c.bearer, c.cookie = given.Key, false
	if err := s.letIn(c, known); err != nil {
		s.writeProblem(w, r, err)
		return
	}
	if c.apiKey != "" { // without API keys there is nothing to keep
		setKeyCookie(w, c, given.Key, int(sessionAge.Seconds()))
	}
	s.writeSession(w, c)
}

// writeSession answers who is signed in. If nobody is, that is no error: the console asks this first.
func (s *Server) writeSession(w http.ResponseWriter, c *call) {
	h := s.house()
	answer := session{SignedIn: true, Keys: len(h.keys) > 0}
	switch err := h.authorize(c, known); {
	case err != nil:
		answer = session{Keys: answer.Keys, Detail: status.Convert(err).Message()}
	case c.apiKey == "":
		answer.Roles = []string{string(submit), string(read), string(operate)}
	default:
		answer.Name, answer.Roles = c.apiKey, h.key(c.bearer).GetRoles()
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer) // fails if the client went away
}

// setKeyCookie stores a key in the browser; if age is negative, it removes the key.
func setKeyCookie(w http.ResponseWriter, c *call, key string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: keyCookie(c.secure), Value: base64.RawURLEncoding.EncodeToString([]byte(key)), Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.secure,
	})
}

func crossOrigin() error {
	return worker.Failure(nil, codes.PermissionDenied, &errdetails.ErrorInfo{Reason: "CROSS_ORIGIN"},
		"a signed-in browser may change things from this gateway's own pages only; other callers send their API key as Authorization: Bearer KEY")
}
