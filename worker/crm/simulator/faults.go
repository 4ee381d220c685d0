package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Faults say how a simulated CRM fails. The zero value does not.
//
// Calls fail for DownFor from the moment the faults are set, and the share FailRate of them at any time. Where neither is
// given, every call has the fault that Status, LoseAnswer or HTML name.
type Faults struct {
	// Status answers failing calls; 503 if 0.
	Status int `json:"status,omitempty"`
	// RetryAfter is sent with failing calls as header Retry-After, as it is.
	RetryAfter string `json:"retry_after,omitempty"`
	// HTML answers failing calls with a page instead of the CRM's own error, as a proxy does.
	HTML bool `json:"html,omitempty"`
	// LoseAnswer carries failing calls out and cuts the connection before the answer.
	LoseAnswer bool `json:"lose_answer,omitempty"`
	// Latency is how long every call waits before it is carried out.
	Latency Duration `json:"latency,omitempty"`
	// FailRate is the share of calls that fail, 0 to 1.
	FailRate float64 `json:"fail_rate,omitempty"`
	// DownFor is how long every call fails.
	DownFor Duration `json:"down_for,omitempty"`
}

// Check reports what makes no sense.
func (f Faults) Check() error {
	switch {
	case f.Status != 0 && (f.Status < 300 || f.Status > 599):
		return fmt.Errorf("status %d is not one that a failing call has; it is between 300 and 599", f.Status)
	case f.FailRate < 0 || f.FailRate > 1:
		return fmt.Errorf("fail rate %v is not between 0 and 1", f.FailRate)
	case f.Latency < 0:
		return fmt.Errorf("latency %v is negative", time.Duration(f.Latency))
	case f.DownFor < 0:
		return fmt.Errorf("down for %v is negative", time.Duration(f.DownFor))
	}
	return nil
}

// always reports whether every call has the fault.
func (f Faults) always() bool {
	return f.FailRate == 0 && f.DownFor == 0 && (f.Status != 0 || f.LoseAnswer || f.HTML)
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

// parseFaults reads faults strictly: a misspelt one would look like a CRM that does not fail.
func parseFaults(r *http.Request) (faults Faults, err error) {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&faults); err != nil {
		return Faults{}, err
	}
	return faults, faults.Check()
}
