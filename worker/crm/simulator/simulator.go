// Package simulator is what every simulated CRM has around it: faults on demand, a journal of the calls, and the debug
// addresses below /_sim/. Each CRM is one folder beside this file and only answers as the real one would.
//
//	GET  /_sim/           a page that shows all of this, with buttons
//	GET  /_sim/contacts   the CRM's records, oldest first: [{"id": …, "properties": {…}}]
//	GET  /_sim/requests   the newest thousand calls, oldest first; see [Request]
//	GET  /_sim/faults     how it fails now
//	POST /_sim/faults     how it fails from now on, as JSON; see [Faults]; {} for not at all
//	GET  /_sim/fields     the fields of a record
//	POST /_sim/fields     changes them, as JSON; see [FieldChange]
//	POST /_sim/tokens     {"expire": true} makes all access tokens invalid; {"revoke": true} refuses new ones, too; {} not any more
//	POST /_sim/merge      {"from": address, "into": address} makes one record of two, as somebody does who tidies up
//	POST /_sim/reset      as new: no records, calls, faults
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

// maxBody bounds the body of a call, in bytes.
const maxBody = 16 << 20

// CRM is a CRM's own part of its simulator. Implementations are safe for concurrent use.
type CRM interface {
	// Handler answers the calls of its API.
	http.Handler
	// Contacts returns the records, oldest first, as JSON can hold them.
	Contacts() any
	// Fail answers with an error as the CRM words it.
	Fail(w http.ResponseWriter, status int)
	// Reset forgets everything.
	Reset()
}

// Limited is a CRM that words the end of its limits in a way of its own. Others say 429.
type Limited interface {
	// Limit answers that too many calls came at once or, daily, that the day's are used up.
	Limit(w http.ResponseWriter, daily bool)
}

// Tokened is a CRM that gives out access tokens.
type Tokened interface {
	// ExpireTokens makes all access tokens invalid; callers may ask for new ones.
	ExpireTokens()
	// Revoke makes the callers' credentials invalid, or valid again.
	Revoke(revoked bool)
}

// Merging is a CRM whose users make one record of two.
type Merging interface {
	// Merge makes the records of two e-mail addresses one, that of the second.
	Merge(from, into string) error
}

// Single is a CRM that takes one record a call. It has no answer to a batch to leave some out of, as KindOmit asks for.
type Single interface{ OneByOne() }

// Simulator is a CRM with what surrounds it. It is safe for concurrent use.
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
	chosen int // calls that the faults chose since they were set
}

// New returns a simulator without faults. Equal seeds fail alike. A nil now is time.Now.
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

// Contacts returns the CRM's records, oldest first, as JSON can hold them.
func (s *Simulator) Contacts() any { return s.crm.Contacts() }

// Requests returns the newest calls, oldest first.
func (s *Simulator) Requests() []Request { return s.journal.all() }

// Faults returns the present faults.
func (s *Simulator) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// Check reports what makes no sense, in general or for this CRM.
func (s *Simulator) Check(faults Faults) error {
	if _, single := s.crm.(Single); single && (faults.Kind == KindOmit || slices.Contains(faults.Kinds, KindOmit)) {
		return errors.New("the fault omit leaves records out of the answer to a batch, and this CRM takes one record a call; hubspot, salesforce, zoho and http take batches")
	}
	return faults.Check()
}

// SetFaults replaces the faults; an outage of TakeDown ends.
func (s *Simulator) SetFaults(faults Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.downTo, s.chosen = faults, s.now().Add(time.Duration(faults.DownFor)), 0
}

// TakeDown makes every call fail for a while. The other faults stay.
func (s *Simulator) TakeDown(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.downTo = s.now().Add(d)
}

// Reset forgets records, calls and faults, and begins the random numbers anew.
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
	// The body is read before anything else: net/http notices that a caller has gone only behind it.
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

// draw returns what befalls this call.
func (s *Simulator) draw(r *http.Request, body []byte) mishap {
	s.mu.Lock()
	defer s.mu.Unlock()
	faults, down := s.faults, s.now().Before(s.downTo)
	skew := time.Duration(faults.ClockSkew)
	if !faults.chooses(r, body) {
		if down && faults.DownFor == 0 { // TakeDown knows no choice
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
	if down && m.kind == KindLost {
		m.kind = KindStatus // what is down carries nothing out
	}
	return m
}

func (s *Simulator) postFaults(w http.ResponseWriter, r *http.Request) {
	var faults Faults
	err := decode(r, &faults) // strictly: a misspelt one would look like a CRM that does not fail
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
	_ = json.NewEncoder(w).Encode(value) // the caller went away
}

// sleep waits; false if ctx ended before.
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
