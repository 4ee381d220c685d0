package alert

import (
	"maps"
	"slices"
	"strings"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// verdict is the result of a rule at one moment.
type verdict int

const (
	calm   verdict = iota // nothing is wrong
	unsure                // cannot be judged: a firing alert goes on, and no new one fires
	wrong                 // somebody should know
)

// finding is the result of one rule about one form, destination or other thing.
type finding struct {
	rule              string
	form, destination string
	name              string // what else it is about, such as a notifier
	verdict           verdict
	critical          bool
	after             time.Duration // how long it must be wrong before the alert fires
	grace             time.Duration // how long it is still excused after the alert that explains it is resolved
	summary, cause    string
	action, command   string
	page              string // the console's page about the cause, relative to /console/
	lead              string
}

// id returns the identifier of a finding and its alert: the rule and what it is about. Only drift applies to both forms and
// destinations, which may share a name.
func (f *finding) id() string {
	if f.rule == "drift" && f.form != "" {
		return "drift/form/" + f.form
	}
	return strings.Trim(f.rule+"/"+f.form+f.destination+f.name, "/")
}

// explains returns the rules that explain a finding of rule. While an alert of one of them fires for the same form or destination,
// an alert of rule would be redundant.
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

// moment is the input of an evaluation, besides the counters.
type moment struct {
	now          time.Time
	started      time.Time
	blind        bool // destinations or drift could not be read
	hours        hours
	destinations map[string]*leadgatev1.Destination
	counts       map[string]store.Counts
	drifts       map[place][]*leadgatev1.Drift
	free, needed uint64 // of the disk, in bytes; leads are accepted while free is at least needed
	size         int64  // of the data directory, in bytes
	diskErr      error  // from reading free
	refusing     error  // why no leads are accepted; nil if they are
	lost         int64  // log lines, since the start
	lostWhy      string // why the newest were lost
}

// place is a form or a destination.
type place struct{ form, destination string }

// judge evaluates the rules of all destinations and forms.
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
