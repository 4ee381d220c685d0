package alert

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/window"
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

func (d *destination) judge(name string, m *moment) []*finding {
	state, rules := m.destinations[name], d.rules
	if state == nil { // configured, but not at work yet
		return nil
	}
	findings := []*finding{
		d.paused(state), d.credentials(state), d.rateLimited(m, state), d.breaker(state), d.errorRate(m), d.noSuccess(m, state),
		d.oldestWaiting(m, state, m.counts[name]), d.deadOnes(m), d.drift(m.drifts[place{destination: name}]),
	}
	off := []bool{
		rules.GetPaused().GetOff(), rules.GetCredentials().GetOff(), rules.GetRateLimited().GetOff(), rules.GetBreaker().GetOff(),
		rules.GetErrorRate().GetOff(), rules.GetNoSuccess().GetOff(), rules.GetOldestWaiting().GetOff(), rules.GetDead().GetOff(),
		rules.GetDrift().GetOff(),
	}
	var on []*finding
	for i, f := range findings {
		if !off[i] {
			on = append(on, f)
		}
	}
	for _, named := range d.errors {
		on = append(on, named.judge(m))
	}
	for _, f := range on {
		f.destination = name
		f.page = cmp.Or(f.page, "destinations/{name}")
		if f.rule != "drift" {
			f.lead = cmp.Or(f.lead, d.firstLead) // of those that wait, the one that waits longest
		}
	}
	for _, f := range on { // the texts name the destination
		for _, text := range []*string{&f.summary, &f.cause, &f.action, &f.command, &f.page} {
			*text = strings.ReplaceAll(*text, "{name}", name)
		}
	}
	return on
}

func wrongIf(yes bool) verdict {
	if yes {
		return wrong
	}
	return calm
}

func (d *destination) paused(state *leadgatev1.Destination) *finding {
	cause := "A person paused it"
	if d.cases.halted.detail != "" {
		cause += ": " + d.cases.halted.detail
	}
	return &finding{
		rule:    "paused",
		verdict: wrongIf(state.GetStatus() == leadgatev1.DestinationStatus_DESTINATION_STATUS_PAUSED),
		after:   d.rules.GetPaused().GetAfter().AsDuration(),
		summary: fmt.Sprintf("{name} is paused; %s", leadsWait(state.GetWaiting())), cause: cause,
		action: "Resume it, or leave it paused: leads are still accepted, and wait.", command: "leadgate destinations resume {name}",
	}
}

func (d *destination) credentials(state *leadgatev1.Destination) *finding {
	return &finding{
		rule: "credentials", critical: true,
		verdict: wrongIf(state.GetStatus() == leadgatev1.DestinationStatus_DESTINATION_STATUS_CREDENTIALS_REFUSED),
		after:   d.rules.GetCredentials().GetAfter().AsDuration(),
		summary: fmt.Sprintf("{name} refuses the credentials; %s", leadsWait(state.GetWaiting())), cause: answered(d.cases.refused, state.GetLastError()),
		action:  "Make a new token in the CRM and put it where the configuration of {name} refers to. Nothing is lost: deliveries go on by themselves once the CRM takes it.",
		command: "leadgate destinations test {name}", lead: d.cases.refused.lead,
	}
}

func (d *destination) rateLimited(m *moment, state *leadgatev1.Destination) *finding {
	rule := d.rules.GetRateLimited()
	n := sum(&d.limited, m.now)
	return &finding{
		rule: "rate_limited", verdict: d.limited.verdict(n >= int64(rule.GetAtLeast()), m.now),
		summary: fmt.Sprintf("{name} asked %s within %s for a slower pace", times(n), short(rule.GetWindow().AsDuration())),
		cause:   cmp.Or(answered(d.cases.slowed, state.GetLastError()), "It answers with status 429."), lead: d.cases.slowed.lead,
		action:  "Something else may be using up the account's rate limit. Lower limits: requests_per_second of {name}, or raise the limit in the CRM. Deliveries go on by themselves when the CRM allows.",
		command: "leadgate watch --destination {name} --last 50",
	}
}

func (d *destination) breaker(state *leadgatev1.Destination) *finding {
	cause := answered(d.cases.failed, state.GetLastError())
	return &finding{
		rule: "breaker", critical: true, verdict: wrongIf(state.GetStatus() == leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE),
		after:   d.rules.GetBreaker().GetAfter().AsDuration(),
		summary: fmt.Sprintf("{name} cannot be reached; %s", leadsWait(state.GetWaiting())), cause: cause,
		action:  whyUnreachable(cause) + " Nothing is lost: it is asked again and again, and deliveries go on by themselves when it answers.",
		command: "leadgate destinations test {name}", lead: d.cases.failed.lead,
	}
}

// whyUnreachable is where to look for what keeps a CRM from being reached, by the words of Go's net and crypto/x509.
func whyUnreachable(cause string) string {
	switch {
	case strings.Contains(cause, "x509: "):
		return "See what is wrong with the CRM's certificate, or with this machine's clock, or with the authorities that it trusts."
	case strings.Contains(cause, "no such host"), strings.Contains(cause, "server misbehaving"):
		return "See whether the address of {name} in the configuration is right, and whether this machine's name server works."
	}
	return "See whether the CRM is down."
}

func (d *destination) errorRate(m *moment) *finding {
	rule := d.rules.GetErrorRate()
	all := total(&d.calls, m.now)
	f := &finding{
		rule: "error_rate", critical: true,
		summary: fmt.Sprintf("%.0f %% of the calls to {name} fail: %d of %d within %s", 100*all.share(), all.failed, all.failed+all.ok, short(rule.GetWindow().AsDuration())),
		cause:   answered(d.cases.failed, ""), lead: d.cases.failed.lead,
		action:  "Read what the CRM answers. If it is down, nothing is lost and deliveries go on by themselves; if it refuses what is sent, correct properties: of {name}, then retry what died.",
		command: "leadgate watch --destination {name} --stage retry --stage failure --last 20",
	}
	f.verdict = d.calls.verdict(all.ok+all.failed >= int64(rule.GetAtLeast()) && all.share() > rule.GetAbove(), m.now)
	switch {
	case f.verdict != calm:
	case d.cases.failed.at.After(d.lastSuccess) && all.share() > rule.GetAbove():
		f.verdict = unsure // too few calls to judge by, and the last one failed
	case all.ok+all.failed == 0 && d.cases.failed.at.After(d.lastSuccess) && !d.firstQueued.IsZero():
		f.verdict = unsure // it fails so thoroughly that nobody tries often
	}
	return f
}

func (d *destination) noSuccess(m *moment, state *leadgatev1.Destination) *finding {
	rule := d.rules.GetNoSuccess()
	limit := rule.GetWindow().AsDuration()
	since, judged := d.lastSuccess, true
	var silent time.Duration
	switch rule.GetWhen() {
	case "always":
		silent = m.now.Sub(since)
	case "business_hours":
		silent = m.hours.open(since, m.now)
	default: // leads_came
		judged = !d.firstQueued.IsZero() || state.GetWaiting() > 0
		if d.firstQueued.After(since) {
			since = d.firstQueued
		}
		silent = m.now.Sub(since)
	}
	otherwise := "No call failed, and none is under way: leads wait for their turn, or for the CRM to answer what it is asked before."
	if n := state.GetInFlight(); n > 0 {
		otherwise = fmt.Sprintf("No call failed: %s under way, and the CRM does not answer.", deliveries(n))
	}
	return &finding{
		rule: "no_success", critical: true, verdict: wrongIf(judged && silent >= limit), grace: limit,
		summary: fmt.Sprintf("{name} took no lead for %s; %s", short(m.now.Sub(d.lastSuccess)), leadsWait(state.GetWaiting()+state.GetInFlight())),
		cause:   cmp.Or(answered(d.cases.failed, state.GetLastError()), otherwise), lead: d.cases.failed.lead,
		action:  "Test the destination, and see what happened to the newest leads.",
		command: "leadgate watch --destination {name} --last 50",
	}
}

func (d *destination) oldestWaiting(m *moment, state *leadgatev1.Destination, counts store.Counts) *finding {
	limit := d.rules.GetOldestWaiting().GetAbove().AsDuration()
	f := &finding{
		rule: "oldest_waiting", grace: limit, lead: d.cases.failed.lead,
		cause: cmp.Or(answered(d.cases.failed, state.GetLastError()),
			fmt.Sprintf("No call failed: %s, %d under way, and {name} takes %.3g requests a second.", leadsWait(state.GetWaiting()), state.GetInFlight(), state.GetRequestsPerSecond())),
		action:  "See whether the destination is slow, limited or failing. More than it can take: raise limits: of {name} if the CRM allows.",
		command: "leadgate deliveries list --destination {name} --state retry_wait",
	}
	if counts.OldestWaiting.IsZero() {
		return f
	}
	waited := m.now.Sub(counts.OldestWaiting)
	f.verdict = wrongIf(waited > limit)
	f.summary = fmt.Sprintf("a lead waits for {name} since %s", short(waited))
	return f
}

func (d *destination) deadOnes(m *moment) *finding {
	rule := d.rules.GetDead()
	n := sum(&d.dead, m.now)
	return &finding{
		rule: "dead", verdict: d.dead.verdict(n >= int64(rule.GetAtLeast()), m.now),
		summary: fmt.Sprintf("%s to {name} given up or refused for good within %s", deliveries(n), short(rule.GetWindow().AsDuration())),
		cause:   answered(d.cases.buried, ""), lead: d.cases.buried.lead,
		action:  "They are kept. Correct what the CRM objects to, then send them again.",
		command: "leadgate deliveries retry --all --destination {name} --dry-run", page: "dead?destination={name}",
	}
}

func (d *destination) drift(drifts []*leadgatev1.Drift) *finding {
	found := &finding{rule: "drift", verdict: wrongIf(len(drifts) > 0), after: d.rules.GetDrift().GetAfter().AsDuration(), page: "drift"}
	var properties, lines, causes []string
	for _, drift := range drifts {
		properties, causes = append(properties, drift.GetField()), append(causes, drift.GetDetail())
		if drift.GetSuggestion() != "" {
			lines = append(lines, drift.GetSuggestion())
		}
	}
	found.summary = fmt.Sprintf("properties of {name} do not fit the mapping any more: %s", strings.Join(properties, ", "))
	found.cause = strings.Join(causes, "; ")
	found.action = "Correct properties: of {name}, or the property in the CRM; leads are delivered without it meanwhile."
	if len(lines) > 0 {
		found.action = fmt.Sprintf("Write under properties: of {name} the line %s, or correct the property in the CRM; leads are delivered without it meanwhile.", strings.Join(lines, " and the line "))
	}
	found.command = "leadgate destinations test {name}"
	return found
}

func (e *crmError) judge(m *moment) *finding {
	n := sum(&e.seen, m.now)
	return &finding{
		rule: "crm_errors", name: "/" + e.rule.GetName(), verdict: e.seen.verdict(n >= int64(e.rule.GetAtLeast()), m.now),
		summary: fmt.Sprintf("{name} answered %q %s within %s", e.rule.GetName(), times(n), short(e.rule.GetWindow().AsDuration())),
		cause:   answered(e.newest, ""), lead: e.newest.lead,
		action:  "Read what the CRM answers, and what it was sent.",
		command: "leadgate watch --destination {name} --stage retry --stage failure --last 20",
	}
}

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

// maxTold is how many fields an alert names; where somebody makes names up there are more.
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
		rule: "holds", verdict: f.holds.verdict(n >= int64(rule.GetAtLeast()), m.now),
		summary: fmt.Sprintf("form %s put %s aside within %s", name, leads(n), short(rule.GetWindow().AsDuration())),
		cause:   cmp.Or(f.held.detail, "The console has the reason of each."), lead: f.held.lead,
		action: "Look through them and release those that are good; they are not sent before that.", page: "held?form=" + name,
		command: "leadgate leads list --state held --form " + name,
	}
}

func (f *form) rejections(name string, m *moment) *finding {
	rule := f.rules.GetRejections()
	all := total(&f.submissions, m.now)
	return &finding{
		rule: "rejections", verdict: f.submissions.verdict(all.ok+all.failed >= int64(rule.GetAtLeast()) && all.share() > rule.GetAbove(), m.now),
		summary: fmt.Sprintf("%.0f %% of the submissions of form %s are refused: %d of %d within %s", 100*all.share(), name, all.failed, all.ok+all.failed, short(rule.GetWindow().AsDuration())),
		cause:   f.rejected.detail,
		action:  "See what the page sends and why it is refused: it may have changed, or somebody is trying it out.", page: "?form=" + name + "&stage=STAGE_REJECTED",
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
	found.summary = fmt.Sprintf("form %s is silent for %s", name, short(m.now.Sub(q.last)))
	found.cause = fmt.Sprintf("About %.0f submissions usually come in such a time; the last one came at %s.", q.missing, q.last.Format("2006-01-02 15:04:05 UTC"))
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
		action: "See whether that destination is slow, limited or failing.", page: "destinations/" + f.lateAt,
		command: "leadgate destinations list",
	}
}

// disk judges the room on the disk. Where no lead is taken any more, that is told instead.
func (m *moment) disk(belowMiB uint64, dir string) *finding {
	f := &finding{
		rule: "disk", critical: true, summary: fmt.Sprintf("the disk of the data directory has %d MiB left", m.free>>20),
		cause: fmt.Sprintf("%d MiB is the mark at which this is told. Of what is taken, %d MiB is leadgate's own, in %s; the rest is somebody else's.", belowMiB, m.size>>20, dir),
		action: fmt.Sprintf("Make room, or grow the disk. Below %d MiB no lead is taken; what is stored is safe. If it is leadgate's own, have leads kept for less long: retention:.",
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

// store judges whether leads are taken at all. Whoever was told that the disk is filling up is told anew.
func (m *moment) store(dir string) *finding {
	f := &finding{rule: "disk", name: "refusing", critical: true, summary: "no lead is taken: the store cannot be written", page: "alerts"}
	if m.refusing == nil {
		return f
	}
	f.verdict, f.cause = wrong, m.refusing.Error()
	f.action = "Stop leadgate, and have the data directory read: what is damaged is named, and how to save the rest. If nothing is, start leadgate again."
	f.command = "leadgate doctor --data-dir " + dir
	if m.diskErr == nil && m.free < m.needed {
		f.action = "Make room, or grow the disk: leads are then taken again by themselves. What is stored is safe."
		f.command = "df -h " + dir
	}
	return f
}

// refusedConfiguration judges whether the configuration file is in force; why says why it is not.
func refusedConfiguration(why string, after time.Duration) *finding {
	return &finding{
		rule: "configuration", verdict: wrongIf(why != ""), after: after, summary: "the configuration file is refused, and its changes are not in force", cause: why,
		action:  "Correct the file; it then takes effect at once. Until then leadgate goes on as it was, and would not start again.",
		command: "leadgate check", page: "alerts",
	}
}

// leads is a number of leads in words.
func leads(n int64) string {
	if n == 1 {
		return "1 lead"
	}
	return fmt.Sprintf("%d leads", n)
}

// times is how often something happened in words.
func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// deliveries is a number of deliveries in words.
func deliveries(n int64) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

// leadsWait is a number of leads that wait, in words.
func leadsWait(n int64) string {
	if n == 1 {
		return "1 lead waits"
	}
	return leads(n) + " wait"
}

// answered says what the CRM answered in a case, or what else is known.
func answered(s sample, otherwise string) string {
	text := cmp.Or(s.detail, otherwise)
	if s.status == 0 || text == "" {
		return text
	}
	return fmt.Sprintf("HTTP %d: %s", s.status, text)
}

// short is a duration in its two largest units, without what is 0.
func short(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	d = d.Round(time.Second)
	if d >= time.Hour {
		d = d.Round(time.Minute)
	}
	text := ""
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if n := d / unit.size; n > 0 {
			text += fmt.Sprintf(" %d %s", n, unit.name)
			d -= n * unit.size
		}
	}
	return strings.TrimSpace(text)
}
