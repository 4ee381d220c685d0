package alert

import (
	"maps"
	"slices"
	"strings"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// verdict is what a rule says of a moment.
type verdict int

const (
	calm   verdict = iota // nothing is wrong
	unsure                // nothing can be told: what fires goes on, what does not does not begin
	wrong                 // somebody should know
)

// finding is what one rule says of one thing.
type finding struct {
	rule              string
	form, destination string
	name              string // of what else it is about, such as a notifier
	verdict           verdict
	critical          bool
	after             time.Duration // how long it must be wrong before it fires
	grace             time.Duration // how long it is excused after what explains it is over
	summary, cause    string
	action, command   string
	page              string // of the console, below /console/: where the cause stands and the button is
	lead              string
}

// id names a finding, and the alert that it becomes: the rule, and what it is about. Only drift is judged of forms and of
// destinations, which may have one name.
func (f *finding) id() string {
	if f.rule == "drift" && f.form != "" {
		return "drift/form/" + f.form
	}
	return strings.Trim(f.rule+"/"+f.form+f.destination+f.name, "/")
}

// explains says which rules' alerts make which others superfluous, about the same form or destination: whoever knows the one
// learns nothing from the other.
func explains(rule string) []string {
	switch rule {
	case "breaker":
		return []string{"paused", "credentials", "error_rate"}
	case "error_rate":
		return []string{"credentials", "rate_limited", "breaker"}
	case "oldest_waiting":
		return []string{"paused", "credentials", "rate_limited", "breaker", "error_rate", "no_success"}
	case "no_success":
		return []string{"paused", "credentials", "rate_limited", "breaker", "error_rate", "oldest_waiting"}
	case "dead":
		return []string{"drift", "error_rate"}
	case "holds", "rejections":
		return []string{"drift"}
	}
	return nil
}

// moment is everything that is judged at one time besides the counters.
type moment struct {
	now          time.Time
	started      time.Time
	blind        bool // the destinations and what drifted could not be asked for
	hours        hours
	destinations map[string]*leadgatev1.Destination
	counts       map[string]store.Counts
	drifts       map[place][]*leadgatev1.Drift
	free, needed uint64 // of the disk, in bytes; leads are taken while it has as much as needed
	size         int64  // of the data directory, in bytes
	diskErr      error  // of asking for free
	refusing     error  // why no lead is taken; nil while they are
	lost         int64  // log lines, since the start
	lostWhy      string // the newest of them are
}

// place is a form or a destination.
type place struct{ form, destination string }

// judge asks all rules, those first that explain others.
func (c *counters) judge(m *moment) []*finding {
	var findings []*finding
	for _, name := range slices.Sorted(maps.Keys(c.destinations)) {
		findings = append(findings, c.destinations[name].judge(name, m)...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.forms)) {
		findings = append(findings, c.forms[name].judge(name, m)...)
	}
	return findings
}

func wrongIf(yes bool) verdict {
	if yes {
		return wrong
	}
	return calm
}
