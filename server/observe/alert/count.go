package alert

import (
	"net/http"
	"regexp"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe/window"
	"github.com/leadgate/leadgate/worker"
)

// Windows are divided into this many slots, which expire one by one.
const windowParts = 20

// counters count events for the rules, per configured form and destination. Their memory is bounded by the configuration. They are
// not safe for concurrent use.
type counters struct {
	destinations map[string]*destination
	forms        map[string]*form
	lost         lostLines
}

type destination struct {
	rules       *configv1.AlertRules
	calls       windowed[calls]
	limited     windowed[int64]
	dead        windowed[int64]
	errors      []*crmError
	lastSuccess time.Time // when observation began if there was none
	firstQueued time.Time // the first lead queued after that; zero if there was none
	firstLead   string    // its identifier
	cases       cases
	changed     bool // lastSuccess or firstQueued changed since they were stored
}

// cases are the newest case of each kind of trouble of a destination.
type cases struct {
	failed  sample // a call that failed
	slowed  sample // it asked for a slower pace
	refused sample // it refused the credentials
	halted  sample // it was paused
	buried  sample // a delivery that died
}

type calls struct{ ok, failed int64 }

type crmError struct {
	rule    *configv1.CrmErrorRule
	pattern *regexp.Regexp
	seen    windowed[int64]
	total   int64 // matches since the start
	newest  sample
}

type form struct {
	rules       *configv1.AlertRules
	submissions windowed[calls] // failed are the rejected ones
	holds       windowed[int64]
	speed       windowed[window.Spread]
	rhythm      *rhythm
	held        sample // the newest held lead
	rejected    sample // the newest rejected submission
	late        sample // the newest lead that took longer to its record than the rule allows
	lateAt      string // the destination of that lead
}

// lostLines counts lost log lines, about which there are no events.
type lostLines struct {
	windowed[int64]
	all int64 // since the start
}

// count takes the total since the start.
func (l *lostLines) count(all int64, now time.Time) {
	if slot := l.At(now); slot != nil {
		*slot += all - l.all
	}
	l.all = all
}

// sample is one case of what a rule is about, as an example for people.
type sample struct {
	at           time.Time
	lead, detail string
	status       int32
}

// windowed counts over the window of a rule.
type windowed[T any] struct {
	window.Slots[T]
	width time.Duration
	since time.Time // counts are complete from here on: the start, before which some events are unknown
}

func newWindowed[T any](width time.Duration, now time.Time) windowed[T] {
	return windowed[T]{window.New[T](max(time.Millisecond, width/windowParts), windowParts), width, now}
}

// keep takes over earlier counts if their window has the same width.
func (w *windowed[T]) keep(before windowed[T]) {
	if w.width == before.width {
		*w = before
	}
}

// verdict returns the verdict of a rule over the window. Until the window is full, it cannot tell that all is well.
func (w *windowed[T]) verdict(isWrong bool, now time.Time) verdict {
	if !isWrong && now.Sub(w.since) < w.width {
		return unsure
	}
	return wrongIf(isWrong)
}

func add(w *windowed[int64], at time.Time) {
	if slot := w.At(at); slot != nil {
		*slot++
	}
}

func sum(w *windowed[int64], now time.Time) (n int64) {
	w.Each(now, func(_ time.Time, slot *int64) { n += *slot })
	return n
}

func total(w *windowed[calls], now time.Time) (all calls) {
	w.Each(now, func(_ time.Time, slot *calls) {
		all.ok += slot.ok
		all.failed += slot.failed
	})
	return all
}

// share returns the share of calls that failed.
func (c calls) share() float64 {
	if c.ok+c.failed == 0 {
		return 0
	}
	return float64(c.failed) / float64(c.ok+c.failed)
}

func newDestination(rules *configv1.AlertRules, now time.Time) *destination {
	d := &destination{
		rules:       rules,
		calls:       newWindowed[calls](rules.GetErrorRate().GetWindow().AsDuration(), now),
		limited:     newWindowed[int64](rules.GetRateLimited().GetWindow().AsDuration(), now),
		dead:        newWindowed[int64](rules.GetDead().GetWindow().AsDuration(), now),
		lastSuccess: now,
		changed:     true,
	}
	for _, rule := range rules.GetCrmErrors() {
		d.errors = append(d.errors, &crmError{
			rule: rule, pattern: regexp.MustCompile("(?i)" + rule.GetPattern()), // validated before
			seen: newWindowed[int64](rule.GetWindow().AsDuration(), now),
		})
	}
	return d
}

func newForm(rules *configv1.AlertRules, r *rhythm, now time.Time) *form {
	return &form{
		rules:       rules,
		submissions: newWindowed[calls](rules.GetRejections().GetWindow().AsDuration(), now),
		holds:       newWindowed[int64](rules.GetHolds().GetWindow().AsDuration(), now),
		speed:       newWindowed[window.Spread](rules.GetSpeedToLead().GetWindow().AsDuration(), now),
		rhythm:      r,
	}
}

// count counts an event. Events of forms and destinations that are not configured are ignored.
func (c *counters) count(event *leadgatev1.Event) {
	at := event.GetTime().AsTime()
	switch kind := event.GetKind().(type) {
	case *leadgatev1.Event_Lead:
		e := kind.Lead
		if f := c.forms[e.GetForm()]; f != nil {
			f.count(at, e)
		}
		if d := c.destinations[e.GetDestination()]; d != nil {
			d.count(at, e)
		}
	case *leadgatev1.Event_Destination:
		if d := c.destinations[kind.Destination.GetDestination()]; d != nil {
			d.befell(at, kind.Destination)
		}
	}
}

func (f *form) count(at time.Time, e *leadgatev1.LeadEvent) {
	switch e.GetStage() {
	case leadgatev1.Stage_STAGE_RECEIVED:
		f.rhythm.came(at)
		f.rhythm.LastLead = e.GetLeadId()
		if slot := f.submissions.At(at); slot != nil {
			slot.ok++
		}
	case leadgatev1.Stage_STAGE_REJECTED: // a page whose submissions are refused is not silent
		f.rhythm.came(at)
		f.rejected = sample{at: at, lead: e.GetLeadId(), detail: e.GetError()}
		if slot := f.submissions.At(at); slot != nil {
			slot.failed++
		}
	case leadgatev1.Stage_STAGE_DUPLICATE:
		f.rhythm.came(at)
	case leadgatev1.Stage_STAGE_HELD:
		if e.GetReason() == worker.UndiscardedReason {
			return // a person has seen it already
		}
		f.held = sample{at: at, lead: e.GetLeadId(), detail: e.GetDetail()}
		add(&f.holds, at)
	case leadgatev1.Stage_STAGE_SUCCESS:
		if e.GetSpeedToLead() == nil {
			return
		}
		took := e.GetSpeedToLead().AsDuration()
		if took > f.rules.GetSpeedToLead().GetAbove().AsDuration() {
			f.late, f.lateAt = sample{at: at, lead: e.GetLeadId(), detail: short(took)}, e.GetDestination()
		}
		if slot := f.speed.At(at); slot != nil {
			slot.Add(took)
		}
	}
}

func (d *destination) count(at time.Time, e *leadgatev1.LeadEvent) {
	switch e.GetStage() {
	case leadgatev1.Stage_STAGE_QUEUED:
		if d.firstQueued.IsZero() && at.After(d.lastSuccess) {
			d.firstQueued, d.firstLead, d.changed = at, e.GetLeadId(), true
		}
	case leadgatev1.Stage_STAGE_SUCCESS:
		if at.After(d.lastSuccess) {
			d.lastSuccess, d.firstQueued, d.firstLead, d.changed = at, time.Time{}, "", true
		}
		if slot := d.calls.At(at); slot != nil {
			slot.ok++
		}
	case leadgatev1.Stage_STAGE_RETRY:
		d.fail(at, e)
		d.match(at, e)
	case leadgatev1.Stage_STAGE_FAILURE: // the event that follows, DEAD or SUCCESS, says how the call ended
		d.match(at, e)
	case leadgatev1.Stage_STAGE_DEAD:
		d.fail(at, e)
		d.cases.buried = sample{at: at, lead: e.GetLeadId(), detail: e.GetError(), status: e.GetCrmStatus()}
		add(&d.dead, at)
	}
}

// fail counts a failed call, unless a rule of its own judges it.
func (d *destination) fail(at time.Time, e *leadgatev1.LeadEvent) {
	if e.GetDuration() == nil {
		return // nothing was sent
	}
	switch status := e.GetCrmStatus(); {
	case status == http.StatusTooManyRequests:
		d.cases.slowed = d.cases.slowed.by(sampleOf(at, e))
		return
	case status == http.StatusUnauthorized, e.GetNextAttemptTime() == nil && e.GetStage() == leadgatev1.Stage_STAGE_RETRY:
		d.cases.refused = d.cases.refused.by(sampleOf(at, e)) // it waits for credentials, whatever the status was
		return
	}
	d.cases.failed = sampleOf(at, e)
	if slot := d.calls.At(at); slot != nil {
		slot.failed++
	}
}

// match counts the errors that the configuration names.
func (d *destination) match(at time.Time, e *leadgatev1.LeadEvent) {
	for _, named := range d.errors {
		if named.pattern.MatchString(e.GetError()) || named.pattern.MatchString(e.GetCrmBody()) {
			named.newest = sampleOf(at, e)
			named.total++
			add(&named.seen, at)
		}
	}
}

func sampleOf(at time.Time, e *leadgatev1.LeadEvent) sample {
	detail := e.GetError()
	if body := e.GetCrmBody(); body != "" && detail == "" {
		detail = body
	}
	return sample{at: at, lead: e.GetLeadId(), detail: detail, status: e.GetCrmStatus()}
}

// by returns the sample lead, with the text and status of the destination's own event if there was one.
func (s sample) by(lead sample) sample {
	if s.detail != "" {
		lead.detail, lead.status = s.detail, s.status
	}
	return lead
}

func (d *destination) befell(at time.Time, e *leadgatev1.DestinationEvent) {
	of := func(before sample) sample {
		return sample{at: at, lead: before.lead, detail: e.GetDetail(), status: e.GetCrmStatus()}
	}
	switch e.GetType() {
	case leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RATE_LIMITED:
		d.cases.slowed = of(d.cases.slowed)
		add(&d.limited, at)
	case leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_CREDENTIALS_REFUSED:
		d.cases.refused = of(d.cases.refused)
	case leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_PAUSED:
		d.cases.halted = of(d.cases.halted)
	}
}
