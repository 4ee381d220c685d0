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

// Faults say how a simulated CRM fails. The zero value does not.
//
// First, which calls: those that Method, Path and Containing choose, all if none is given. Of these, every Every-th, the next
// Times, the share FailRate, and all for DownFor from the moment the faults are set; where none of the four is given, every
// one of them, provided that a fault is named at all. Then, what befalls them: Kind, or one of Kinds at random, or what
// Status, LoseAnswer and HTML say.
type Faults struct {
	// Kind is what befalls failing calls; KindStatus if empty.
	Kind Kind `json:"kind,omitempty"`
	// Kinds are what may befall a failing call; one of them does, at random.
	Kinds []Kind `json:"kinds,omitempty"`
	// Status answers failing calls; 503 if 0.
	Status int `json:"status,omitempty"`
	// RetryAfter is sent with failing calls as header Retry-After, as it is; "date" is the time in a minute, as a date.
	RetryAfter string `json:"retry_after,omitempty"`
	// HTML answers failing calls with a page instead of the CRM's own error, as a proxy does. It is KindHTML.
	HTML bool `json:"html,omitempty"`
	// LoseAnswer carries failing calls out and cuts the connection before the answer. It is KindLost.
	LoseAnswer bool `json:"lose_answer,omitempty"`
	// Latency is how long every chosen call waits before it is carried out, failing or not.
	Latency Duration `json:"latency,omitempty"`
	// Jitter is how much longer some wait, at most.
	Jitter Duration `json:"jitter,omitempty"`
	// ClockSkew is how far the CRM's clock is ahead; negative if it is behind. The answers' Date says so, and Retry-After where it
	// is "date".
	ClockSkew Duration `json:"clock_skew,omitempty"`
	// FailRate is the share of calls that fail, 0 to 1.
	FailRate float64 `json:"fail_rate,omitempty"`
	// DownFor is how long every call fails.
	DownFor Duration `json:"down_for,omitempty"`
	// Times is how many calls fail; then the faults are over, but for Latency.
	Times int `json:"times,omitempty"`
	// Every makes each such call fail: 3 for the third, the sixth, …
	Every int `json:"every,omitempty"`
	// Method chooses calls by their method.
	Method string `json:"method,omitempty"`
	// Path chooses calls by a part of their path.
	Path string `json:"path,omitempty"`
	// Containing chooses calls by a part of what is sent, such as an address. With KindPartial and KindOmit it chooses
	// records, not calls.
	Containing string `json:"containing,omitempty"`
}

// Kind is one way to fail.
type Kind string

// The ways to fail. What a call is said to be carried out, it is.
const (
	// KindStatus answers with Status, worded as the CRM does, and carries nothing out.
	KindStatus Kind = "status"
	// KindBurst says that too many calls came at once, as the CRM words it, with its headers.
	KindBurst Kind = "burst"
	// KindDaily says that the day's calls are used up, as the CRM words it, with its headers.
	KindDaily Kind = "daily"
	// KindHTML answers with Status and a page, as a proxy does.
	KindHTML Kind = "html"
	// KindPage answers 200 and a page, as where somebody has to log in.
	KindPage Kind = "page"
	// KindEmpty answers 200 and nothing.
	KindEmpty Kind = "empty"
	// KindGarbled carries the call out and answers with the first half, complete as far as HTTP can tell.
	KindGarbled Kind = "garbled"
	// KindGzip carries the call out and says that the plain answer is compressed.
	KindGzip Kind = "gzip"
	// KindBOM carries the call out and answers behind a byte order mark.
	KindBOM Kind = "bom"
	// KindUntyped carries the call out and answers without a content type.
	KindUntyped Kind = "untyped"
	// KindHuge answers 200 and ten million bytes.
	KindHuge Kind = "huge"
	// KindRedirect answers 302, to a place that does not exist.
	KindRedirect Kind = "redirect"
	// KindReset cuts the connection and carries nothing out.
	KindReset Kind = "reset"
	// KindCut carries the call out and cuts the connection in the middle of the answer.
	KindCut Kind = "cut"
	// KindSlow carries the call out and takes a second for the answer, byte by byte.
	KindSlow Kind = "slow"
	// KindHang answers nothing until the caller goes, and carries nothing out.
	KindHang Kind = "hang"
	// KindLost carries the call out and cuts the connection before the answer.
	KindLost Kind = "lost"
	// KindLost502 carries the call out and answers 502 and a page, as a proxy does that lost the answer.
	KindLost502 Kind = "lost502"
	// KindExpire makes the CRM forget all access tokens before the call is carried out.
	KindExpire Kind = "expire"
	// KindPartial has the CRM refuse some records of the call: those that Containing chooses; every second of a batch, and
	// one that comes alone, if it is empty.
	KindPartial Kind = "partial"
	// KindOmit has the CRM leave some records out of the answer to a batch: those that Containing chooses; every second if
	// it is empty.
	KindOmit Kind = "omit"
)

var kinds = []Kind{
	KindStatus, KindBurst, KindDaily, KindHTML, KindPage, KindEmpty, KindGarbled, KindGzip, KindBOM, KindUntyped, KindHuge, KindRedirect,
	KindReset, KindCut, KindSlow, KindHang, KindLost, KindLost502, KindExpire, KindPartial, KindOmit,
}

// Kinds returns the ways to fail.
func Kinds() []Kind { return slices.Clone(kinds) }

// KindNames are the ways to fail in a list for people.
func KindNames() string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return strings.Join(names, ", ")
}

// Check reports what makes no sense.
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

// chooses reports whether a call is one of those that may fail.
func (f Faults) chooses(r *http.Request, body []byte) bool {
	return (f.Method == "" || strings.EqualFold(f.Method, r.Method)) &&
		strings.Contains(r.URL.Path, f.Path) &&
		(f.byRecord() || strings.Contains(string(body), f.Containing))
}

// byRecord reports whether Containing chooses records.
func (f Faults) byRecord() bool { return f.Kind == KindPartial || f.Kind == KindOmit }

// names reports whether a fault is named at all.
func (f Faults) names() bool {
	return f.Kind != "" || len(f.Kinds) > 0 || f.Status != 0 || f.LoseAnswer || f.HTML
}

// always reports whether every chosen call has the fault.
func (f Faults) always() bool {
	return f.FailRate == 0 && f.DownFor == 0 && f.Times == 0 && f.Every == 0 && f.names()
}

// kind is what befalls a failing call; pick returns a number below n.
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

// Duration is a time.Duration that JSON has as text, such as "1m30s".
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
