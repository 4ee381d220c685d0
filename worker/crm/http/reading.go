package http

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

// reading says how to interpret answers, as configured.
type reading struct {
	success   *expression // nil if any 2xx is a success
	rules     []rule
	recordID  pointer // nil if answers have no identifier
	recordAt  string  // recordID as configured
	recordURL string
	results   pointer // nil if a batch is answered as a whole
}

// rule says what an answer means.
type rule struct {
	when   *expression
	is     crm.OutcomeKind
	reason string
}

var meanings = map[string]crm.OutcomeKind{
	"delivered": crm.Delivered, "retry": crm.Retry, "rate_limited": crm.RateLimited, "refused": crm.Refused,
	"credentials_refused": crm.CredentialsRefused, "unknown": crm.Unknown,
}

func newReading(cfg *configv1.HTTP) (reading, error) {
	r := reading{recordURL: cfg.GetRecordUrl(), recordAt: cfg.GetRecordId()}
	var problems []error
	var err error
	if cfg.GetRecordId() != "" {
		if r.recordID, err = parsePointer(cfg.GetRecordId()); err != nil {
			problems = append(problems, fmt.Errorf("http.record_id: %w", err))
		}
	}
	if cfg.GetSuccessWhen() != "" {
		if r.success, err = predicate(cfg.GetSuccessWhen()); err != nil {
			problems = append(problems, fmt.Errorf("http.success_when: %w", err))
		}
	}
	for i, c := range cfg.GetRules() {
		when, err := predicate(c.GetWhen())
		if err != nil {
			problems = append(problems, fmt.Errorf("http.rules[%d].when: %w", i, err))
		}
		reason := cmp.Or(c.GetReason(), "the answer is what http.rules calls "+c.GetIs())
		r.rules = append(r.rules, rule{when, meanings[c.GetIs()], reason})
	}
	if batch, err := newBatching(cfg); err == nil && batch != nil { // New reports the error
		r.results = batch.results
	}
	return r, errors.Join(problems...)
}

// seen is an answer as expressions see it.
type seen struct {
	answer    *crm.Answer
	variables map[string]any
	part      []byte // what to store: the answer, or the result of one lead
}

// see prepares an answer for expressions, with numbers as CEL has them.
func see(answer *crm.Answer) *seen {
	headers := map[string]string{}
	for name := range answer.Header {
		headers[strings.ToLower(name)] = answer.Header.Get(name)
	}
	var body any
	if json.Unmarshal(bytes.TrimPrefix(answer.Body, []byte("\xef\xbb\xbf")), &body) != nil {
		body = nil
	}
	return &seen{answer, map[string]any{
		"status": int64(answer.Status), "headers": headers, "body": body, "text": string(answer.Body), "item": body,
	}, answer.Body}
}

// of returns what expressions see of one result.
func (s *seen) of(result json.RawMessage) *seen {
	variables := map[string]any{}
	maps.Copy(variables, s.variables)
	var item any
	_ = json.Unmarshal(result, &item) // it is part of a valid document
	variables["item"] = item
	return &seen{s.answer, variables, result}
}

// one interprets the answer to a single lead.
func (r *reading) one(answer *crm.Answer) crm.Outcome { return r.read(see(answer)) }

// many interprets the answer to a batch of n leads.
func (r *reading) many(answer *crm.Answer, n int) []crm.Outcome {
	s := see(answer)
	if r.results == nil || !isSuccess(answer.Status) {
		outcome := r.read(s)
		if n > 1 && r.mayBeOneOf(s, outcome.Kind) {
			outcome.Kind = crm.Split
		}
		return repeat(outcome, n)
	}
	var results []json.RawMessage
	if json.Unmarshal(r.results.raw(answer.Body), &results) != nil || len(results) != n {
		return repeat(answer.Outcome(crm.Unknown, fmt.Sprintf("%s, but without a result for each of %d leads; check http.batch.results", told(answer.Status), n)), n)
	}
	outcomes := make([]crm.Outcome, n)
	for i, result := range results {
		outcomes[i] = r.read(s.of(result))
	}
	return outcomes
}

// mayBeOneOf reports whether a batch was refused as a whole for a reason that may concern only one of its leads.
func (r *reading) mayBeOneOf(s *seen, kind crm.OutcomeKind) bool {
	switch s.answer.Status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return kind == crm.Refused
	case http.StatusForbidden:
		return kind == crm.Retry && r.rule(s) == nil // a rule would say that it is about the call
	}
	return false
}

// rule returns the first rule that holds; nil if none does.
func (r *reading) rule(s *seen) *rule {
	for i := range r.rules {
		if r.rules[i].when.holds(s.variables) {
			return &r.rules[i]
		}
	}
	return nil
}

// read interprets an answer by the rules or, if none holds, by its status.
func (r *reading) read(s *seen) crm.Outcome {
	if rule := r.rule(s); rule != nil {
		if rule.is == crm.Delivered {
			return r.delivered(s)
		}
		return s.outcome(rule.is, rule.reason)
	}
	status := s.answer.Status
	switch {
	case !isSuccess(status):
		outcome := failed(s.answer)
		outcome.Body = s.answer.Show(s.part)
		return outcome
	case r.success != nil && !r.success.holds(s.variables):
		return s.outcome(crm.Unknown, told(status)+", but not what http.success_when asks for")
	case r.success == nil && isPage(s.answer): // a login page is a 200, too
		return s.outcome(crm.Unknown, told(status)+" and a page, which is no answer of an API; check http.url, or say in http.success_when what a success is")
	}
	return r.delivered(s)
}

func (r *reading) delivered(s *seen) crm.Outcome {
	outcome := s.outcome(crm.Delivered, "")
	if r.recordID == nil {
		return outcome
	}
	if outcome.RecordID = r.recordID.text(s.part); outcome.RecordID == "" {
		return s.outcome(crm.Unknown, fmt.Sprintf("%s, but without an identifier at %s; check http.record_id", told(s.answer.Status), r.recordAt))
	}
	if r.recordURL != "" {
		before, _, _ := strings.Cut(r.recordURL, "{id}")
		outcome.RecordURL = strings.ReplaceAll(r.recordURL, "{id}", inURL(before, outcome.RecordID))
	}
	return outcome
}

func (s *seen) outcome(kind crm.OutcomeKind, reason string) crm.Outcome {
	return s.answer.About(s.part).Outcome(kind, reason)
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }

func isPage(answer *crm.Answer) bool {
	return strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") && bytes.HasPrefix(bytes.TrimSpace(answer.Body), []byte("<"))
}
