package alert

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

func (d *destination) judge(name string, m *moment) []*finding {
	state, rules := m.destinations[name], d.rules
	if state == nil { // configured, but not started yet
		return nil
	}
	findings := []*finding{
		d.paused(state), d.credentials(state), d.rateLimited(m, state), d.breaker(state), d.errorRate(m), d.noSuccess(m, state),
		d.oldestWaiting(m, state, m.counts[name]), d.deadOnes(m, m.counts[name]), d.drift(m.drifts[place{destination: name}]),
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
			f.lead = cmp.Or(f.lead, d.firstLead) // of the waiting leads, the one that has waited longest
		}
	}
	for _, f := range on { // the texts name the destination
		for _, text := range []*string{&f.summary, &f.cause, &f.action, &f.command, &f.page} {
			*text = strings.ReplaceAll(*text, "{name}", name)
		}
	}
	return on
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
		action:  "Make a new token in the CRM and put it where the configuration of {name} refers to. Nothing is lost: deliveries continue by themselves once the CRM accepts it.",
		command: "leadgate destinations test {name}", lead: d.cases.refused.lead,
	}
}

func (d *destination) rateLimited(m *moment, state *leadgatev1.Destination) *finding {
	rule := d.rules.GetRateLimited()
	n := sum(&d.limited, m.now)
	return &finding{
		rule: "rate_limited", verdict: d.limited.verdict(n >= int64(rule.GetAtLeast()), m.now),
		summary: fmt.Sprintf("{name} asked for fewer requests %s within %s", times(n), short(rule.GetWindow().AsDuration())),
		cause:   cmp.Or(answered(d.cases.slowed, state.GetLastError()), "It answers with status 429."), lead: d.cases.slowed.lead,
		action:  "Something else may be using up the account's rate limit. Lower limits: requests_per_second of {name}, or raise the limit in the CRM. Deliveries continue by themselves when the CRM allows.",
		command: "leadgate watch --destination {name} --last 50",
	}
}

func (d *destination) breaker(state *leadgatev1.Destination) *finding {
	cause := answered(d.cases.failed, state.GetLastError())
	return &finding{
		rule: "breaker", critical: true, verdict: wrongIf(state.GetStatus() == leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE),
		after:   d.rules.GetBreaker().GetAfter().AsDuration(),
		summary: fmt.Sprintf("{name} cannot be reached; %s", leadsWait(state.GetWaiting())), cause: cause,
		action:  whyUnreachable(cause) + " Nothing is lost: leadgate keeps checking, and deliveries continue by themselves when it answers.",
		command: "leadgate destinations test {name}", lead: d.cases.failed.lead,
	}
}

// whyUnreachable returns what to check when a CRM cannot be reached, going by the error texts of net and crypto/x509.
func whyUnreachable(cause string) string {
	switch {
	case strings.Contains(cause, "x509: "):
		return "Check what is wrong with the CRM's certificate, or with this machine's clock, or with the authorities that it trusts."
	case strings.Contains(cause, "no such host"), strings.Contains(cause, "server misbehaving"):
		return "Check whether the address of {name} in the configuration is right, and whether this machine's name server works."
	}
	return "Check whether the CRM is down."
}

func (d *destination) errorRate(m *moment) *finding {
	rule := d.rules.GetErrorRate()
	all := total(&d.calls, m.now)
	f := &finding{
		rule: "error_rate", critical: true, grace: rule.GetWindow().AsDuration(),
		summary: fmt.Sprintf("%.0f %% of the calls to {name} fail: %d of %d within %s", 100*all.share(), all.failed, all.failed+all.ok, short(rule.GetWindow().AsDuration())),
		cause:   answered(d.cases.failed, ""), lead: d.cases.failed.lead,
		action:  "Read what the CRM answers. If it is down, nothing is lost and deliveries continue by themselves; if it refuses what is sent, correct properties: of {name}, then retry what died.",
		command: "leadgate watch --destination {name} --stage retry --stage failure --last 20",
	}
	f.verdict = d.calls.verdict(all.ok+all.failed >= int64(rule.GetAtLeast()) && all.share() > rule.GetAbove(), m.now)
	switch {
	case f.verdict != calm:
	case d.cases.failed.at.After(d.lastSuccess) && all.share() > rule.GetAbove():
		f.verdict = unsure // too few calls to judge, and the last one failed
	case all.ok+all.failed == 0 && d.cases.failed.at.After(d.lastSuccess) && !d.firstQueued.IsZero():
		f.verdict = unsure // it fails so persistently that there are few attempts
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
	otherwise := "No call failed, and none is under way: leads wait for their turn, or for an answer that the CRM has to give first."
	if n := state.GetInFlight(); n > 0 {
		otherwise = fmt.Sprintf("No call failed: %s under way, and the CRM does not answer.", deliveries(n))
	}
	return &finding{
		rule: "no_success", critical: true, verdict: wrongIf(judged && silent >= limit), grace: limit,
		summary: fmt.Sprintf("{name} has accepted no lead for %s; %s", short(m.now.Sub(d.lastSuccess)), leadsWait(state.GetWaiting()+state.GetInFlight())),
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
		action:  "Check whether the destination is slow, limited or failing. If more leads come than it may take, raise limits: of {name}, if the CRM allows it.",
		command: "leadgate deliveries list --destination {name} --state retry_wait",
	}
	if counts.OldestWaiting.IsZero() {
		return f
	}
	waited := m.now.Sub(counts.OldestWaiting)
	f.verdict = wrongIf(waited > limit)
	f.summary = fmt.Sprintf("a lead has been waiting for {name} for %s", short(waited))
	return f
}

func (d *destination) deadOnes(m *moment, counts store.Counts) *finding {
	rule := d.rules.GetDead()
	n := sum(&d.dead, m.now)
	found := d.dead.verdict(n >= int64(rule.GetAtLeast()), m.now)
	if counts.ByState[leadgatev1.DeliveryState_DELIVERY_STATE_DEAD] < int64(rule.GetAtLeast()) {
		found = calm // they were retried or deleted
	}
	return &finding{
		rule: "dead", verdict: found,
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
	found.summary = fmt.Sprintf("properties of {name} no longer fit the mapping: %s", strings.Join(properties, ", "))
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
