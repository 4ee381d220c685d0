package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Faults configure how a simulated CRM fails. The zero value has no faults.
//
// Method, Path and Containing choose the calls that may fail; all if none is set. Of these, every Every-th fails, the next Times,
// the share FailRate, and all for DownFor from when the faults are set. If none of these four is set, all chosen calls fail,
// provided that the faults say how. How a call fails is Kind, or one of Kinds at random, or determined by Status, LoseAnswer and
// HTML.
type Faults struct {
	// Kind is how calls fail; KindStatus if empty.
	Kind Kind `json:"kind,omitempty"`
	// Kinds are ways to fail, of which each failing call has one at random.
	Kinds []Kind `json:"kinds,omitempty"`
	// Status is the status of failing calls; 503 if 0.
	Status int `json:"status,omitempty"`
	// RetryAfter is the Retry-After header of failing calls, verbatim; "date" stands for the date a minute from now.
	RetryAfter string `json:"retry_after,omitempty"`
	// HTML answers failing calls with a page instead of the CRM's own error, like a proxy. It is short for KindHTML.
	HTML bool `json:"html,omitempty"`
	// LoseAnswer executes failing calls and closes the connection before the answer. It is short for KindLost.
	LoseAnswer bool `json:"lose_answer,omitempty"`
	// Latency delays all chosen calls, failing or not.
	Latency Duration `json:"latency,omitempty"`
	// Jitter is the maximum of a random delay on top of Latency.
	Jitter Duration `json:"jitter,omitempty"`
	// ClockSkew is how far the CRM's clock is ahead; negative if it is behind. It shows in the Date header, and in Retry-After if
	// that is "date".
	ClockSkew Duration `json:"clock_skew,omitempty"`
	// FailRate is the share of calls that fail, from 0 to 1.
	FailRate float64 `json:"fail_rate,omitempty"`
	// DownFor is how long all calls fail.
	DownFor Duration `json:"down_for,omitempty"`
	// Times makes the next n calls fail.
	Times int `json:"times,omitempty"`
	// Every makes every n-th call fail: with 3, the third, the sixth, …
	Every int `json:"every,omitempty"`
	// Method chooses calls by method.
	Method string `json:"method,omitempty"`
	// Path chooses calls by a part of their path.
	Path string `json:"path,omitempty"`
	// Containing chooses calls by a part of the body, such as an address. With KindPartial and KindOmit it chooses records, not
	// calls.
	Containing string `json:"containing,omitempty"`
}

// Kind is a way to fail.
type Kind string

// The ways to fail. Some execute the call, some do not.
const (
	// KindStatus answers with Status and the CRM's own error, without executing the call.
	KindStatus Kind = "status"
	// KindBurst answers that there were too many calls at once, with the CRM's own error and headers.
	KindBurst Kind = "burst"
	// KindDaily answers that the day's calls are used up, with the CRM's own error and headers.
	KindDaily Kind = "daily"
	// KindHTML answers with Status and a page, like a proxy.
	KindHTML Kind = "html"
	// KindPage answers 200 and a page, like a login page.
	KindPage Kind = "page"
	// KindEmpty answers 200 without a body.
	KindEmpty Kind = "empty"
	// KindGarbled executes the call and answers with the first half, which is a complete answer for HTTP.
	KindGarbled Kind = "garbled"
	// KindGzip executes the call and declares the plain answer to be compressed.
	KindGzip Kind = "gzip"
	// KindBOM executes the call and puts a byte order mark before the answer.
	KindBOM Kind = "bom"
	// KindUntyped executes the call and answers without a content type.
	KindUntyped Kind = "untyped"
	// KindHuge answers 200 and ten million bytes.
	KindHuge Kind = "huge"
	// KindRedirect answers 302, to a host that does not exist.
	KindRedirect Kind = "redirect"
	// KindReset closes the connection without executing the call.
	KindReset Kind = "reset"
	// KindCut executes the call and closes the connection in the middle of the answer.
	KindCut Kind = "cut"
	// KindSlow executes the call and takes a second for the answer, byte by byte.
	KindSlow Kind = "slow"
	// KindHang does not execute the call, and does not answer until the caller gives up.
	KindHang Kind = "hang"
	// KindLost executes the call and closes the connection before the answer.
	KindLost Kind = "lost"
	// KindLost502 executes the call and answers 502 and a page, like a proxy that lost the answer.
	KindLost502 Kind = "lost502"
	// KindExpire invalidates all access tokens before the call is executed.
	KindExpire Kind = "expire"
	// KindPartial makes the CRM refuse some records: those that Containing chooses or, if it is empty, every second record of a
	// batch and a record that comes alone.
	KindPartial Kind = "partial"
	// KindOmit makes the CRM leave some records of a batch out of the answer: those that Containing chooses or, if it is empty,
	// every second.
	KindOmit Kind = "omit"
)

// executes reports whether the CRM executes a call that fails in this way.
func (k Kind) executes() bool {
	switch k {
	case KindGarbled, KindGzip, KindBOM, KindUntyped, KindCut, KindSlow, KindLost, KindLost502, KindExpire, KindPartial, KindOmit:
		return true
	}
	return false
}

var kinds = []Kind{
	KindStatus, KindBurst, KindDaily, KindHTML, KindPage, KindEmpty, KindGarbled, KindGzip, KindBOM, KindUntyped, KindHuge, KindRedirect,
	KindReset, KindCut, KindSlow, KindHang, KindLost, KindLost502, KindExpire, KindPartial, KindOmit,
}

// Kinds returns the ways to fail.
func Kinds() []Kind { return slices.Clone(kinds) }

// KindNames returns the ways to fail as a list for people.
func KindNames() string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return strings.Join(names, ", ")
}

// Check returns an error if the faults make no sense.
func (f Faults) Check() error {
	for _, kind := range append(slices.Clone(f.Kinds), f.Kind) {
		if kind != "" && !slices.Contains(kinds, kind) {
			return fmt.Errorf("%q is no fault; there are %s", kind, KindNames())
		}
	}
	switch {
	case f.Kind != "" && len(f.Kinds) > 0:
		return errors.New("kind and kinds: give one of them")
	case f.Status != 0 && (f.Status < 300 || f.Status > 599):
		return fmt.Errorf("status %d is not one that a failing call has; it is between 300 and 599", f.Status)
	case f.FailRate < 0 || f.FailRate > 1:
		return fmt.Errorf("fail rate %v is not between 0 and 1", f.FailRate)
	case f.Latency < 0 || f.Jitter < 0:
		return fmt.Errorf("latency %v and jitter %v are not negative", time.Duration(f.Latency), time.Duration(f.Jitter))
	case f.DownFor < 0:
		return fmt.Errorf("down for %v is negative", time.Duration(f.DownFor))
	case f.Times < 0 || f.Every < 0:
		return fmt.Errorf("times %d and every %d are not negative", f.Times, f.Every)
	}
	return nil
}

// chooses reports whether a call may fail.
func (f Faults) chooses(r *http.Request, body []byte) bool {
	return (f.Method == "" || strings.EqualFold(f.Method, r.Method)) &&
		strings.Contains(r.URL.Path, f.Path) &&
		(f.byRecord() || strings.Contains(string(body), f.Containing))
}

// byRecord reports whether Containing chooses records.
func (f Faults) byRecord() bool { return f.Kind == KindPartial || f.Kind == KindOmit }

// names reports whether the faults say how to fail.
func (f Faults) names() bool {
	return f.Kind != "" || len(f.Kinds) > 0 || f.Status != 0 || f.LoseAnswer || f.HTML
}

// always reports whether all chosen calls fail.
func (f Faults) always() bool {
	return f.FailRate == 0 && f.DownFor == 0 && f.Times == 0 && f.Every == 0 && f.names()
}

// kind returns how a call fails. pick returns a random number in [0, n).
func (f Faults) kind(pick func(n int) int) Kind {
	switch {
	case f.Kind != "":
		return f.Kind
	case len(f.Kinds) > 0:
		return f.Kinds[pick(len(f.Kinds))]
	case f.LoseAnswer:
		return KindLost
	case f.HTML:
		return KindHTML
	}
	return KindStatus
}

func (f Faults) status() int {
	if f.Status == 0 {
		return http.StatusServiceUnavailable
	}
	return f.Status
}

// Duration is a time.Duration that is text in JSON, such as "1m30s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
