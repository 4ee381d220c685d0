// Package simulator is the common part of all simulated CRMs: faults on demand, a journal of calls, and debug URLs below /_sim/.
// Each CRM has its own subpackage, which only answers like the real one.
//
//	GET  /_sim/           a page with all of this, and buttons
//	GET  /_sim/contacts   the CRM's records, oldest first: [{"id": …, "properties": {…}}]
//	GET  /_sim/requests   the newest thousand calls, oldest first; see [Request]
//	GET  /_sim/faults     the current faults
//	POST /_sim/faults     sets the faults, as JSON; see [Faults]; {} for none
//	GET  /_sim/fields     the fields of a record
//	POST /_sim/fields     changes them, as JSON; see [FieldChange]
//	POST /_sim/tokens     {"expire": true} invalidates all access tokens; {"revoke": true} refuses new ones, too; {} accepts again
//	POST /_sim/merge      {"from": address, "into": address} merges two records, like a user who tidies up
//	POST /_sim/reset      starts over, without records, calls and faults
package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxBody is the maximum length of a request body, in bytes.
const maxBody = 16 << 20

// CRM is the specific part of a simulated CRM. Implementations are safe for concurrent use.
type CRM interface {
	// Handler serves the CRM's API.
	http.Handler
	// Contacts returns the records, oldest first, as a value for JSON.
	Contacts() any
	// Fail answers with the CRM's own error for a status.
	Fail(w http.ResponseWriter, status int)
	// Reset deletes everything.
	Reset()
}

// Limited is a CRM with its own answers to exceeded limits. Others answer 429.
type Limited interface {
	// Limit answers that there were too many calls at once or, if daily, that the day's calls are used up.
	Limit(w http.ResponseWriter, daily bool)
}

// Tokened is a CRM that issues access tokens.
type Tokened interface {
	// ExpireTokens invalidates all access tokens; callers may get new ones.
	ExpireTokens()
	// Revoke invalidates the callers' credentials, or makes them valid again.
	Revoke(revoked bool)
}

// Merging is a CRM whose users can merge records.
type Merging interface {
	// Merge merges the record of the first e-mail address into that of the second.
	Merge(from, into string) error
}

// Single is a CRM that accepts one record per call, so that KindOmit does not apply.
type Single interface{ OneByOne() }

// Simulator is a simulated CRM with faults and a journal. It is safe for concurrent use.
type Simulator struct {
	crm     CRM
	now     func() time.Time
	seed    uint64
	admin   *http.ServeMux
	journal journal

	mu     sync.Mutex
	random *rand.Rand
	faults Faults
	downTo time.Time
	chosen int // calls that the faults have chosen since they were set
}

// New returns a simulator without faults. Equal seeds give equal failures. If now is nil, it is time.Now.
func New(crm CRM, seed uint64, now func() time.Time) *Simulator {
	if now == nil {
		now = time.Now
	}
	s := &Simulator{crm: crm, now: now, seed: seed, admin: http.NewServeMux(), random: newRandom(seed)}
	s.admin.HandleFunc("GET /_sim/contacts", func(w http.ResponseWriter, _ *http.Request) { write(w, crm.Contacts()) })
	s.admin.HandleFunc("GET /_sim/requests", func(w http.ResponseWriter, _ *http.Request) { write(w, s.Requests()) })
	s.admin.HandleFunc("GET /_sim/faults", func(w http.ResponseWriter, _ *http.Request) { write(w, s.Faults()) })
	s.admin.HandleFunc("POST /_sim/faults", s.postFaults)
	s.admin.HandleFunc("GET /_sim/fields", s.getFields)
	s.admin.HandleFunc("POST /_sim/fields", s.postFields)
	s.admin.HandleFunc("POST /_sim/tokens", s.postTokens)
	s.admin.HandleFunc("POST /_sim/merge", s.postMerge)
	s.admin.HandleFunc("GET /_sim/{$}", getPage)
	s.admin.HandleFunc("POST /_sim/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	return s
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// Contacts returns the CRM's records, oldest first, as a value for JSON.
func (s *Simulator) Contacts() any { return s.crm.Contacts() }

// Requests returns the newest calls, oldest first.
func (s *Simulator) Requests() []Request { return s.journal.all() }

// Faults returns the current faults.
func (s *Simulator) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// Check returns an error if the faults make no sense, in general or for this CRM.
func (s *Simulator) Check(faults Faults) error {
	if _, single := s.crm.(Single); single && (faults.Kind == KindOmit || slices.Contains(faults.Kinds, KindOmit)) {
		return errors.New("the fault omit leaves records out of the answer to a batch, and this CRM takes one record a call; hubspot, salesforce, zoho and http take batches")
	}
	return faults.Check()
}

// SetFaults replaces the faults. It ends an outage of TakeDown.
func (s *Simulator) SetFaults(faults Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.downTo, s.chosen = faults, s.now().Add(time.Duration(faults.DownFor)), 0
}

// TakeDown makes every call fail for a while. The other faults remain.
func (s *Simulator) TakeDown(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.downTo = s.now().Add(d)
}

// Reset deletes records, calls and faults, and restarts the random numbers.
func (s *Simulator) Reset() {
	s.crm.Reset()
	s.journal.clear()
	s.SetFaults(Faults{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.random = newRandom(s.seed)
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.admin.ServeHTTP(w, r)
		return
	}
	entry := Request{Time: s.now().UTC(), Method: r.Method, Path: r.URL.RequestURI(), IdempotencyKey: r.Header.Get("Idempotency-Key")}
	defer func() { s.journal.add(entry) }()
	// The body is read first: net/http notices only after it that a caller has gone.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		entry.Fault = "the call ended early"
		panic(http.ErrAbortHandler)
	}
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, &entry))
	r.Body = io.NopCloser(bytes.NewReader(body))

	m := s.draw(r, body)
	there := s.now().Add(m.skew)
	if m.skew != 0 {
		w.Header().Set("Date", there.UTC().Format(http.TimeFormat))
	}
	if m.retryAfter == "date" {
		m.retryAfter = there.Add(time.Minute).UTC().Format(http.TimeFormat)
	}
	if !sleep(r.Context(), m.latency) {
		entry.Fault = "the caller did not wait"
		panic(http.ErrAbortHandler)
	}
	if m.kind != "" {
		s.befall(w, r, m, &entry)
		return
	}
	seen := &recorder{ResponseWriter: w, status: http.StatusOK}
	s.crm.ServeHTTP(seen, r)
	entry.Status = seen.status
}

// draw decides what happens to this call.
func (s *Simulator) draw(r *http.Request, body []byte) mishap {
	s.mu.Lock()
	defer s.mu.Unlock()
	faults, down := s.faults, s.now().Before(s.downTo)
	skew := time.Duration(faults.ClockSkew)
	if !faults.chooses(r, body) {
		if down && faults.DownFor == 0 { // TakeDown applies to all calls
			return mishap{kind: KindStatus, status: faults.status(), retryAfter: faults.RetryAfter, skew: skew}
		}
		return mishap{skew: skew}
	}
	s.chosen++
	m := mishap{latency: time.Duration(faults.Latency), status: faults.status(), retryAfter: faults.RetryAfter, containing: faults.Containing, skew: skew}
	if faults.Jitter > 0 {
		m.latency += time.Duration(s.random.Int64N(int64(faults.Jitter)))
	}
	unlucky := faults.FailRate > 0 && s.random.Float64() < faults.FailRate
	turn := faults.Every > 0 && s.chosen%faults.Every == 0 || s.chosen <= faults.Times
	if down || unlucky || turn || faults.always() {
		m.kind = faults.kind(s.random.IntN)
	}
	if down && m.kind.executes() { // while it is down, it executes nothing
		m.kind = KindStatus
	}
	return m
}

func (s *Simulator) postFaults(w http.ResponseWriter, r *http.Request) {
	var faults Faults
	err := decode(r, &faults) // strictly: with a misspelt key, the CRM would seem not to fail
	if err == nil {
		err = s.Check(faults)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.SetFaults(faults)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Simulator) getFields(w http.ResponseWriter, _ *http.Request) {
	if crm, ok := s.crm.(Fielded); ok {
		write(w, crm.Fields())
		return
	}
	http.Error(w, "this CRM takes any field", http.StatusNotFound)
}

func (s *Simulator) postFields(w http.ResponseWriter, r *http.Request) {
	crm, ok := s.crm.(Fielded)
	if !ok {
		http.Error(w, "this CRM takes any field", http.StatusNotFound)
		return
	}
	var change FieldChange
	err := decode(r, &change)
	if err == nil {
		err = crm.ChangeFields(change)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Simulator) postTokens(w http.ResponseWriter, r *http.Request) {
	crm, ok := s.crm.(Tokened)
	if !ok {
		http.Error(w, "this CRM gives out no tokens", http.StatusNotFound)
		return
	}
	var change struct {
		Expire bool `json:"expire"`
		Revoke bool `json:"revoke"`
	}
	if err := decode(r, &change); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if change.Expire || change.Revoke {
		crm.ExpireTokens()
	}
	crm.Revoke(change.Revoke)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Simulator) postMerge(w http.ResponseWriter, r *http.Request) {
	crm, ok := s.crm.(Merging)
	if !ok {
		http.Error(w, "this CRM merges nothing", http.StatusNotFound)
		return
	}
	var merge struct {
		From string `json:"from"`
		Into string `json:"into"`
	}
	err := decode(r, &merge)
	if err == nil {
		err = crm.Merge(merge.From, merge.Into)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // fails if the caller has gone
}

// sleep waits; it returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
