package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/window"
)

func (f *form) judge(name string, m *moment) []*finding {
	var findings []*finding
	add := func(off bool, found *finding) {
		if off {
			return
		}
		found.form = name
		findings = append(findings, found)
	}
	add(f.rules.GetDrift().GetOff(), f.drift(name, m.drifts[place{form: name}]))
	add(f.rules.GetHolds().GetOff(), f.holding(name, m))
	add(f.rules.GetRejections().GetOff(), f.rejections(name, m))
	add(f.rules.GetSilence().GetOff(), f.silence(name, m))
	add(f.rules.GetSpeedToLead().GetOff(), f.slow(name, m))
	return findings
}

// maxTold is how many fields an alert lists. Anybody can invent field names, so there may be many more.
const maxTold = 10

func (f *form) drift(name string, drifts []*leadgatev1.Drift) *finding {
	found := &finding{rule: "drift", verdict: wrongIf(len(drifts) > 0), after: f.rules.GetDrift().GetAfter().AsDuration(), page: "drift"}
	if len(drifts) == 0 {
		return found
	}
	newest := slices.SortedStableFunc(slices.Values(drifts), func(a, b *leadgatev1.Drift) int { return b.GetSince().AsTime().Compare(a.GetSince().AsTime()) })
	newest = newest[:min(len(newest), maxTold)]
	var fields, lines, causes []string
	for _, d := range newest {
		fields = append(fields, d.GetField())
		lines = append(lines, cmp.Or(d.GetSuggestion(), d.GetField()+": "+cmp.Or(d.GetLeadField(), "…")))
		causes = append(causes, d.GetDetail())
	}
	found.summary = fmt.Sprintf("the page of form %s sends %s, which nothing maps", name, strings.Join(fields, ", "))
	if more := len(drifts) - len(newest); more > 0 {
		found.summary = fmt.Sprintf("the page of form %s sends %s and %d more, which nothing maps", name, strings.Join(fields, ", "), more)
	}
	found.cause = strings.Join(causes, "; ")
	found.lead = newest[0].GetLeadId()
	found.action = fmt.Sprintf("Add under forms: %s: fields: the line %s, or list the field under ignore: if it means nothing, and check the file; then replay or release what came meanwhile.",
		name, strings.Join(lines, " and the line "))
	found.command = "leadgate check"
	return found
}

func (f *form) holding(name string, m *moment) *finding {
	rule := f.rules.GetHolds()
	n := sum(&f.holds, m.now)
	return &finding{
		rule: "holds", grace: rule.GetWindow().AsDuration(), verdict: f.holds.verdict(n >= int64(rule.GetAtLeast()), m.now),
		summary: fmt.Sprintf("form %s: %s held for a person within %s", name, leads(n), short(rule.GetWindow().AsDuration())),
		cause:   cmp.Or(f.held.detail, "The console shows the reason for each."), lead: f.held.lead,
		action: "Review them, and release the good ones; until then they are not sent.", page: "held?form=" + name,
		command: "leadgate leads list --state held --form " + name,
	}
}

func (f *form) rejections(name string, m *moment) *finding {
	rule := f.rules.GetRejections()
	all := total(&f.submissions, m.now)
	return &finding{
		rule: "rejections", grace: rule.GetWindow().AsDuration(), verdict: f.submissions.verdict(all.ok+all.failed >= int64(rule.GetAtLeast()) && all.share() > rule.GetAbove(), m.now),
		summary: fmt.Sprintf("%.0f %% of the submissions of form %s are refused: %d of %d within %s", 100*all.share(), name, all.failed, all.ok+all.failed, short(rule.GetWindow().AsDuration())),
		cause:   f.rejected.detail,
		action:  "Check what the page sends and why it is refused: it may have changed, or somebody is probing it.", page: "?form=" + name + "&stage=STAGE_REJECTED",
		command: "leadgate watch --form " + name + " --stage rejected --last 20",
	}
}

func (f *form) silence(name string, m *moment) *finding {
	rule, q := f.rules.GetSilence(), f.quiet(m.started, m.now)
	found := &finding{
		rule: "silence", page: "leads?form=" + name, lead: f.rhythm.LastLead,
		action:  "Open the page and submit it: a broken page looks like this, and so does a campaign that ended.",
		command: "leadgate watch --form " + name + " --last 20",
	}
	if q.last.IsZero() {
		return found
	}
	if q.resumed {
		found.verdict = unsure
	}
	if q.learned && q.missing >= rule.GetMissing() && q.silent >= rule.GetAtLeast().AsDuration() {
		found.verdict = wrong
	}
	found.summary = fmt.Sprintf("form %s has been silent for %s", name, short(m.now.Sub(q.last)))
	found.cause = fmt.Sprintf("About %.0f submissions usually arrive in that time; the last one arrived at %s.", q.missing, q.last.Format("2006-01-02 15:04:05 UTC"))
	return found
}

func (f *form) slow(name string, m *moment) *finding {
	rule := f.rules.GetSpeedToLead()
	var all window.Spread
	f.speed.Each(m.now, func(_ time.Time, s *window.Spread) { all.Merge(s) })
	p95 := all.Percentile(.95)
	return &finding{
		rule: "speed_to_lead", verdict: f.speed.verdict(all.Count() > 0 && p95 > rule.GetAbove().AsDuration(), m.now),
		summary: fmt.Sprintf("leads of form %s take %s to their CRM record (95th percentile of %d within %s)", name, short(p95), all.Count(), short(rule.GetWindow().AsDuration())),
		cause:   fmt.Sprintf("The newest that took too long, %s, went to %s.", f.late.detail, f.lateAt), lead: f.late.lead,
		action: "Check whether that destination is slow, limited or failing.", page: "destinations/" + f.lateAt,
		command: "leadgate destinations list",
	}
}
