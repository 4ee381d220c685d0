package alert

import (
	"fmt"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// disk judges the free space on the disk. It gives no verdict while no leads are accepted, because store reports that.
func (m *moment) disk(belowMiB uint64, dir string) *finding {
	f := &finding{
		rule: "disk", critical: true, summary: fmt.Sprintf("the disk of the data directory has %d MiB left", m.free>>20),
		cause: fmt.Sprintf("This alert fires below %d MiB. leadgate itself uses %d MiB, in %s; the rest is used by something else.", belowMiB, m.size>>20, dir),
		action: fmt.Sprintf("Free some space, or enlarge the disk. Below %d MiB, no lead is accepted; what is stored is safe. If leadgate itself needs the space, shorten retention: in the configuration.",
			m.needed>>20),
		command: "df -h " + dir, page: "alerts",
	}
	switch {
	case m.refusing != nil:
		f.verdict = unsure
	case m.diskErr == nil && m.free < belowMiB<<20:
		f.verdict = wrong
	}
	return f
}

// store judges whether leads are accepted at all. It is a separate alert, so that it is sent even if low disk space was reported
// before.
func (m *moment) store(dir string) *finding {
	f := &finding{rule: "disk", name: "refusing", critical: true, summary: "no lead is accepted: the store cannot be written", page: "alerts"}
	if m.refusing == nil {
		return f
	}
	f.verdict, f.cause = wrong, m.refusing.Error()
	f.action = "Stop leadgate and run the command: it names what is damaged, and says how to save the rest. If nothing is damaged, start leadgate again."
	f.command = "leadgate doctor --data-dir " + dir
	if m.diskErr == nil && m.free < m.needed {
		f.action = "Free some space, or enlarge the disk; leadgate then accepts leads again by itself. What is stored is safe."
		f.command = "df -h " + dir
	}
	return f
}

// judge judges whether log lines were lost. why is the reason for the newest.
func (l *lostLines) judge(rule *configv1.CountRule, why string, now time.Time) *finding {
	n := sum(&l.windowed, now)
	return &finding{
		rule: "log_lines", verdict: l.verdict(n >= int64(rule.GetAtLeast()), now), cause: why,
		summary: fmt.Sprintf("log lines are lost: %d within %s", n, short(rule.GetWindow().AsDuration())),
		action:  "See to what takes leadgate's standard output: journald, the container's log driver, or the file and its disk. Leads go on all the same; the console and the metrics know what the missing lines would have told.",
		command: "leadgate watch --last 50", page: "alerts",
	}
}

// refusedConfiguration judges whether the configuration file was refused. why is the reason; empty if it was not.
func refusedConfiguration(why string, after time.Duration) *finding {
	return &finding{
		rule: "configuration", verdict: wrongIf(why != ""), after: after, summary: "the configuration file is refused, and its changes are not in force", cause: why,
		action:  "Correct the file; it then takes effect at once. Until then, leadgate runs with the previous configuration, but would not start with this file.",
		command: "leadgate check", page: "alerts",
	}
}
