package prepare

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

// check is one thing to find out about a lead.
type check struct {
	name string
	ask  func(ctx context.Context) finding
}

// finding is the result of a check.
type finding struct {
	// enrich writes the result to the lead; nil if there is nothing to write.
	enrich func(*leadgatev1.Enrichment)
	// learnt names the fields that enrich writes.
	learnt []string
	// hold says why to hold the lead for a person; nil to let it go on.
	hold *leadgatev1.Hold
	// without says why the lead goes without a result; empty if it has one.
	without string
}

// checks returns the checks for a lead of a form. Without a submission, use them only to see if there are any.
func (pl *plan) checks(form string, lead *leadgatev1.Lead, submission *leadgatev1.Submission) []check {
	var checks []check
	domain := domainOf(lead.GetEmail())
	if pl.company != nil && pl.company.wants(domain) {
		checks = append(checks, check{"company", func(ctx context.Context) finding { return pl.company.find(ctx, domain) }})
	}
	if ip := lead.GetSource().GetIp(); pl.place != nil && ip != "" {
		checks = append(checks, check{"place", func(context.Context) finding { return pl.place.find(ip) }})
	}
	f := pl.forms[form]
	if f.captcha != nil {
		checks = append(checks, check{"captcha", func(ctx context.Context) finding { return f.captcha.verify(ctx, submission) }})
	}
	if f.mail != nil && domain != "" {
		checks = append(checks, check{"no_mx", func(ctx context.Context) finding { return f.mail.check(ctx, domain) }})
	}
	return checks
}

func domainOf(email string) string {
	return email[strings.LastIndexByte(email, '@')+1:]
}

// run prepares a lead.
func (p *Preparer) run(leadID string) {
	defer func() {
		if fault := recover(); fault != nil {
			p.log.Error("preparing a lead panicked; it goes without", "lead_id", leadID, "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
		}
	}()
	record, err := p.store.Lead(p.ctx, leadID)
	if err != nil {
		if p.ctx.Err() == nil {
			p.log.Error("reading a lead to prepare failed; it goes without", "lead_id", leadID, "error", err)
		}
		return
	}
	plan := p.plan.Load()
	checks := plan.checks(record.GetLead().GetSource().GetForm(), record.GetLead(), record.GetSubmission())
	if record.GetPrepareTime() != nil || record.GetState() != leadgatev1.LeadState_LEAD_STATE_OPEN {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, record.GetCreateTime().AsTime().Add(plan.timeout).Sub(p.now()))
	defer cancel()
	findings := p.ask(ctx, checks, plan.timeout)
	if p.ctx.Err() != nil {
		return // the next process takes it up
	}
	p.write(record, findings)
}

// ask runs all checks concurrently, and waits for them at most until ctx ends.
func (p *Preparer) ask(ctx context.Context, checks []check, timeout time.Duration) []finding {
	type named struct {
		i int
		finding
	}
	answers := make(chan named, len(checks))
	findings := make([]finding, len(checks))
	for i, check := range checks {
		findings[i].without = fmt.Sprintf("%s: there was no result within %s", check.name, timeout)
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return findings
	}
	for i, check := range checks {
		p.jobs.Go(func() {
			defer func() {
				if fault := recover(); fault != nil {
					p.log.Error("preparing a lead panicked; it goes without", "panic", fmt.Sprint(fault), "stack", string(debug.Stack()))
				}
			}()
			answers <- named{i, check.ask(ctx)}
		})
	}
	for range checks {
		select {
		case answer := <-answers:
			findings[answer.i] = answer.finding
		case <-ctx.Done():
			return findings
		}
	}
	return findings
}

// How often to write the result if somebody else changes the lead at the same time.
const writeTries = 5

// write writes the findings to the lead, and makes its deliveries due or holds it.
func (p *Preparer) write(record *leadgatev1.LeadRecord, findings []finding) {
	mayHold := true
	for range writeTries {
		results, err := p.store.Amend(p.ctx, p.amendment(record, findings, mayHold))
		if err == nil {
			err = results[0].Err
		}
		switch {
		case err == nil:
			return
		case errors.Is(err, store.ErrState): // it was already sent, because its time was over
			mayHold = false
		case !errors.Is(err, store.ErrConflict):
			if p.ctx.Err() == nil && !errors.Is(err, store.ErrNotFound) {
				p.log.Error("keeping what was learnt about a lead failed; it goes without", "lead_id", record.GetLeadId(), "error", err)
			}
			return
		}
		if record, err = p.store.Lead(p.ctx, record.GetLeadId()); err != nil || record.GetState() != leadgatev1.LeadState_LEAD_STATE_OPEN {
			return
		}
	}
}

func (p *Preparer) amendment(was *leadgatev1.LeadRecord, findings []finding, mayHold bool) *store.Amendment {
	now := timestamppb.New(p.now())
	record := clone(was)
	record.PrepareTime = now
	var learnt, without []string
	var holds []*leadgatev1.Hold
	for _, f := range findings {
		if f.enrich != nil && record.GetLead() != nil {
			if record.Lead.Enrichment == nil {
				record.Lead.Enrichment = &leadgatev1.Enrichment{}
			}
			f.enrich(record.Lead.Enrichment)
		}
		learnt = append(learnt, f.learnt...)
		if f.without != "" {
			without = append(without, f.without)
		}
		if f.hold != nil {
			holds = append(holds, f.hold)
		}
	}
	event := func(stage leadgatev1.Stage, detail string) *leadgatev1.Event {
		return &leadgatev1.Event{Time: now, Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
			Stage: stage, LeadId: was.GetLeadId(), Form: was.GetLead().GetSource().GetForm(), IdempotencyKey: was.GetIdempotencyKey(),
			Person: journal.MaskEmail(was.GetLead().GetEmail()), RequestId: was.GetRequestId(), Detail: detail,
		}}}
	}
	var parts []string
	if len(learnt) > 0 {
		parts = append(parts, "learnt "+strings.Join(learnt, ", "))
	}
	if len(without) > 0 {
		parts = append(parts, "goes without "+strings.Join(without, "; "))
	}
	amendment := &store.Amendment{Was: was, Record: record, Hurry: true}
	switch {
	case len(holds) > 0 && mayHold:
		details := make([]string, len(holds))
		for i, hold := range holds {
			details[i] = hold.GetDetail()
		}
		record.State, record.Holds = leadgatev1.LeadState_LEAD_STATE_HELD, holds
		held := event(leadgatev1.Stage_STAGE_HELD, strings.Join(details, "; "))
		held.GetLead().Reason = strings.TrimPrefix(holds[0].GetReason().String(), "HOLD_REASON_")
		amendment.Events = []*leadgatev1.Event{event(leadgatev1.Stage_STAGE_PREPARED, strings.Join(parts, "; ")), held}
		return amendment
	case len(holds) > 0:
		parts = append(parts, "would be held, but was already sent: "+holds[0].GetDetail())
	}
	amendment.Events = []*leadgatev1.Event{event(leadgatev1.Stage_STAGE_PREPARED, strings.Join(parts, "; "))}
	return amendment
}
