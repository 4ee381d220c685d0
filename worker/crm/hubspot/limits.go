package hubspot

import (
	"strconv"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// HubSpot limits calls per second, per ten seconds, and per day of the account (HubSpot, "API usage guidelines"). These are the
// waits if it names none.
const (
	secondlyWait    = time.Second
	tenSecondlyWait = 10 * time.Second
	// Used while the end of the account's day is unknown. A call an hour is cheap.
	dailyWait = time.Hour
)

// report passes on what an answer says about HubSpot's two quotas. The daily one is shared with the account's other private apps.
// Answers to OAuth calls do not mention it.
func (d *destination) report(answer *crm.Answer) {
	if d.env.Report == nil {
		return
	}
	number := func(name string) (int, bool) {
		n, err := strconv.Atoi(answer.Header.Get("X-HubSpot-RateLimit-" + name))
		return n, err == nil && n >= 0
	}
	if left, ok := number("Remaining"); ok {
		q := crm.Quota{Window: tenSecondlyWait, Remaining: left}
		q.Limit, _ = number("Max")
		if ms, ok := number("Interval-Milliseconds"); ok && ms > 0 {
			q.Window = min(time.Duration(ms)*time.Millisecond, crm.MaxRetryAfter)
		}
		d.env.Report(q)
	}
	if left, ok := number("Daily-Remaining"); ok {
		q := crm.Quota{Window: 24 * time.Hour, Remaining: left}
		q.Limit, _ = number("Daily")
		if account := d.account.Load(); account != nil {
			now := d.env.Now()
			q.Reset = now.Add(account.untilMidnight(now))
		}
		d.env.Report(q)
	}
}

const policyDaily = "DAILY"

// limited interprets an answer that a rate limit was exceeded.
func (d *destination) limited(answer *crm.Answer, p problem) crm.Outcome {
	of := ""
	if p.PolicyName == policyDaily {
		of = " for today"
	}
	outcome := answer.Outcome(crm.RateLimited, "HubSpot's limit of calls"+of+" is reached"+draft.InBrackets(p.PolicyName))
	if outcome.After > 0 {
		return outcome
	}
	switch p.PolicyName {
	case "SECONDLY":
		outcome.After = secondlyWait
	case policyDaily:
		outcome.After = dailyWait
		if account := d.account.Load(); account != nil {
			outcome.After = account.untilMidnight(d.env.Now())
		}
	default:
		outcome.After = tenSecondlyWait
		if ms, err := strconv.Atoi(answer.Header.Get("X-HubSpot-RateLimit-Interval-Milliseconds")); err == nil && ms > 0 {
			outcome.After = min(time.Duration(ms)*time.Millisecond, crm.MaxRetryAfter)
		}
	}
	return outcome
}
