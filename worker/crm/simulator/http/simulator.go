// Package http simulates a generic HTTP API for leads as JSON, like those of most business software and webhook receivers. It
// accepts one lead, an array or one lead per line, supports idempotency keys, issues access tokens, and checks signatures.
//
//	POST /leads        an object, an array, {"leads": […]} or, as application/x-ndjson, lines
//	PUT  /leads/{key}  creates or replaces the lead with that key
//	GET  /health       whether it is up and accepts the credentials
//	POST /oauth/token  an access token, for client credentials or a refresh token
package http

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// tokenLife is the lifetime of access tokens.
const tokenLife = time.Hour

// Options configure the API.
type Options struct {
	// Token is what callers must send: as bearer token, as X-Api-Key, as password, as the query parameter api_key, or as
	// client_secret to get an access token. If it is empty, anybody may call.
	Token string
	// SigningSecret is the Standard Webhooks secret for signatures of requests; if it is empty, none are required.
	SigningSecret string
	// Seed determines tokens and faults.
	Seed uint64
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
}

// Simulator is the simulated API. It is safe for concurrent use.
type Simulator struct{ *simulator.Simulator }

// New returns an API without leads.
func New(o Options) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &api{options: o, mux: http.NewServeMux(), Tokens: simulator.NewTokens(o.Seed, o.Now)}
	a.Reset()
	a.mux.HandleFunc("POST /oauth/token", a.token)
	a.mux.HandleFunc("GET /health", a.guarded(func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		answer(w, http.StatusOK, map[string]any{"ok": true})
	}))
	a.mux.HandleFunc("POST /leads", a.guarded(a.post))
	a.mux.HandleFunc("PUT /leads/{key}", a.guarded(a.put))
	return &Simulator{simulator.New(a, o.Seed, o.Now)}
}

type api struct {
	options Options
	mux     *http.ServeMux
	*simulator.Tokens

	mu      sync.Mutex // guards the fields below
	records *simulator.Records
	keys    map[string]*simulator.Record
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Reset implements simulator.CRM.
func (a *api) Reset() {
	a.Tokens.Reset()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records = simulator.NewRecords(func(n int) string { return fmt.Sprintf("L-%d", n) })
	a.keys = map[string]*simulator.Record{}
}

// Contacts implements simulator.CRM.
func (a *api) Contacts() any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.records.Shown("", "")
}

// Fail implements simulator.CRM.
func (a *api) Fail(w http.ResponseWriter, status int) {
	answer(w, status, map[string]any{"ok": false, "error": strings.ToLower(strings.ReplaceAll(http.StatusText(status), " ", "_"))})
}

// Limit implements simulator.Limited.
func (a *api) Limit(w http.ResponseWriter, daily bool) {
	wait, policy := "1", "burst"
	if daily {
		wait, policy = "3600", "daily"
	}
	w.Header().Set("Retry-After", wait)
	w.Header().Set("RateLimit", fmt.Sprintf("%q;r=0;t=%s", policy, wait))
	a.Fail(w, http.StatusTooManyRequests)
}

// guarded requires the secret and, if configured, a signature.
func (a *api) guarded(next func(http.ResponseWriter, *http.Request, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case !a.knows(r):
			a.Fail(w, http.StatusUnauthorized)
		case r.Method != http.MethodGet && a.options.SigningSecret != "" && !a.signed(r, body):
			answer(w, http.StatusBadRequest, map[string]any{"ok": false, "error": "bad_signature"})
		default:
			next(w, r, body)
		}
	}
}

func (a *api) knows(r *http.Request) bool {
	secret := a.options.Token
	if secret == "" {
		return true
	}
	if a.Revoked() {
		return false
	}
	_, password, _ := r.BasicAuth()
	if slices.Contains([]string{strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), r.Header.Get("X-Api-Key"), password, r.URL.Query().Get("api_key")}, secret) {
		return true
	}
	return a.Valid(r.Header.Get("Authorization"), "Bearer")
}

// signed checks a Standard Webhooks signature, which may be up to five minutes old.
func (a *api) signed(r *http.Request, body []byte) bool {
	id, stamp := r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
	var seconds int64
	if _, err := fmt.Sscan(stamp, &seconds); err != nil || a.options.Now().Sub(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(a.options.SigningSecret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for signature := range strings.FieldsSeq(r.Header.Get("Webhook-Signature")) {
		if hmac.Equal([]byte(signature), []byte(want)) {
			return true
		}
	}
	return false
}

func (a *api) token(w http.ResponseWriter, r *http.Request) {
	_, secret, basic := r.BasicAuth()
	if !basic {
		secret = r.PostFormValue("client_secret")
	}
	switch grant := r.PostFormValue("grant_type"); {
	case grant != "client_credentials" && grant != "refresh_token":
		answer(w, http.StatusBadRequest, map[string]any{"error": "unsupported_grant_type"})
	case a.Revoked() || a.options.Token != "" && secret != a.options.Token:
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "the client is not known, or its secret is another"})
	default:
		answer(w, http.StatusOK, map[string]any{"access_token": a.Issue(tokenLife), "token_type": "Bearer", "expires_in": int(tokenLife / time.Second)})
	}
}

// post accepts one lead or many.
func (a *api) post(w http.ResponseWriter, r *http.Request, body []byte) {
	leads, single, err := read(r.Header.Get("Content-Type"), body)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"ok": false, "error": "not_json"})
		return
	}
	var results []map[string]any
	committed := 0
	for i, lead := range leads {
		key := r.Header.Get("Idempotency-Key")
		if own, ok := lead["request_id"].(string); ok {
			key = own
		}
		result := a.take(r, key, lead, i, len(leads))
		if result["ok"] == true {
			committed++
		}
		if line, _ := json.Marshal(lead); !single && simulator.Omit(r.Context(), i, line) {
			continue
		}
		results = append(results, result)
	}
	simulator.Note(r.Context(), len(leads), committed)
	if !single {
		answer(w, http.StatusOK, map[string]any{"results": results})
		return
	}
	status := http.StatusCreated
	if results[0]["ok"] != true {
		status = http.StatusUnprocessableEntity
	}
	answer(w, status, results[0])
}

func (a *api) put(w http.ResponseWriter, r *http.Request, body []byte) {
	leads, single, err := read(r.Header.Get("Content-Type"), body)
	if err != nil || !single {
		answer(w, http.StatusBadRequest, map[string]any{"ok": false, "error": "not_json"})
		return
	}
	result := a.take(r, "put "+r.PathValue("key"), leads[0], 0, 1)
	simulator.Note(r.Context(), 1, 1)
	answer(w, http.StatusOK, result)
}

// take stores a lead, replacing an earlier one with the same key. A lead that was accepted once is not refused later.
func (a *api) take(r *http.Request, key string, lead map[string]any, i, n int) map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	var record *simulator.Record
	if key != "" {
		record = a.keys[key]
	}
	if line, _ := json.Marshal(lead); record == nil && simulator.Refuse(r.Context(), i, n, line) {
		return map[string]any{"ok": false, "error": "invalid_lead"}
	}
	if record == nil {
		record = a.records.Insert("", lead, a.options.Now())
		a.keys[key] = record
	} else {
		a.records.Update(record, lead, a.options.Now())
	}
	return map[string]any{"ok": true, "id": record.ID}
}

// read decodes leads in any of the formats.
func read(contentType string, body []byte) (leads []map[string]any, single bool, err error) {
	if strings.HasPrefix(contentType, "application/x-ndjson") {
		for line := range bytes.Lines(body) {
			lead, err := simulator.Values(line)
			if err != nil {
				return nil, false, err
			}
			leads = append(leads, lead)
		}
		return leads, false, nil
	}
	if json.Unmarshal(body, &leads) == nil {
		return leads, false, nil
	}
	lead, err := simulator.Values(body)
	if err != nil {
		return nil, false, err
	}
	if list, ok := lead["leads"].([]any); ok {
		for _, item := range list {
			if lead, ok := item.(map[string]any); ok {
				leads = append(leads, lead)
			}
		}
		return leads, false, nil
	}
	return []map[string]any{lead}, true, nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails if the caller has gone
}
