package server

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/rules"
)

// formRules are the compiled expressions of a form: which further destinations get a lead, and which leads to keep out.
type formRules struct {
	destinations []string // of every lead
	routes       []formRule
	blocks       []formRule
}

// formRule is one expression of a form and its consequence.
type formRule struct {
	name  string // as in the configuration: routes[0]
	when  *rules.Condition
	route *configv1.Route
	block *configv1.Block
}

// environments creates the environment of expressions when the first is compiled.
type environments struct{ made *rules.Environment }

func (e *environments) condition(text string) (*rules.Condition, error) {
	if e.made == nil {
		var err error
		if e.made, err = rules.NewEnvironment(); err != nil {
			return nil, err
		}
	}
	return e.made.Condition(text)
}

func newFormRules(cfg *configv1.Form, env *environments) (*formRules, error) {
	r := &formRules{destinations: cfg.GetDestinations()}
	var problems []error
	compile := func(name, text string) *rules.Condition {
		when, err := env.condition(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
		return when
	}
	for i, route := range cfg.GetRoutes() {
		name := fmt.Sprintf("routes[%d]", i)
		r.routes = append(r.routes, formRule{name: name, when: compile(name, route.GetWhen()), route: route})
	}
	for i, block := range cfg.GetBlock() {
		name := fmt.Sprintf("block[%d]", i)
		r.blocks = append(r.blocks, formRule{name: name, when: compile(name, block.GetWhen()), block: block})
	}
	return r, errors.Join(problems...)
}

// ruleFailure is an expression that failed for a lead.
type ruleFailure struct {
	rule, reason string
}

// route returns the destinations of a lead: those of every lead of the form, and those of each route that matches. A route whose
// expression fails does not match.
func (r *formRules) route(record *leadgatev1.LeadRecord) (destinations []string, failures []ruleFailure) {
	destinations = slices.Clone(r.destinations)
	for _, rule := range r.routes {
		fits, err := rule.when.Holds(record)
		if err != nil {
			failures = append(failures, ruleFailure{rule.name, err.Error()})
		}
		if !fits {
			continue
		}
		for _, destination := range rule.route.GetTo() {
			if !slices.Contains(destinations, destination) {
				destinations = append(destinations, destination)
			}
		}
	}
	return destinations, failures
}

// blocked returns the first rule that keeps a lead out; nil if none does. A rule whose expression fails does not.
func (r *formRules) blocked(record *leadgatev1.LeadRecord) (by *formRule, failures []ruleFailure) {
	for i := range r.blocks {
		fits, err := r.blocks[i].when.Holds(record)
		if err != nil {
			failures = append(failures, ruleFailure{r.blocks[i].name, err.Error()})
		}
		if fits {
			return &r.blocks[i], failures
		}
	}
	return nil, failures
}

// rejects reports whether a blocked lead is refused rather than held.
func (r *formRule) rejects() bool { return r.block.GetThen() == "reject" }

// hold returns the reason why a blocked lead is held.
func (r *formRule) hold() *leadgatev1.Hold {
	detail := r.block.GetReason()
	if detail == "" {
		detail = "a block rule of its form matches"
	}
	return &leadgatev1.Hold{Reason: leadgatev1.HoldReason_HOLD_REASON_BLOCKED, Detail: fmt.Sprintf("%s (%s)", detail, r.name)}
}

// violation returns what the sender of a refused lead is told.
func (r *formRule) violation() violation {
	message := r.block.GetReason()
	if message == "" {
		message = "this form does not accept such submissions"
	}
	return violation{rule: "form.blocked", message: message}
}

// decide sets where an arriving lead goes, and holds it if a rule of its form keeps it out. It returns the rule that refuses the lead;
// nil if none does.
func (s *Server) decide(f *form, a *arrival) (refusing *formRule) {
	record := &leadgatev1.LeadRecord{Lead: a.lead, CreateTime: timestamppb.New(a.call.received)}
	by, failures := f.rules.blocked(record)
	var more []ruleFailure
	a.destinations, more = f.rules.route(record)
	s.rulesFailed(f.name, append(failures, more...))
	switch {
	case by == nil:
		return nil
	case by.rejects():
		return by
	}
	a.holds = append(a.holds, by.hold())
	return nil
}

// rulesFailed publishes events about expressions that failed for a lead, each rule at most once in a while.
func (s *Server) rulesFailed(form string, failures []ruleFailure) {
	for _, failure := range failures {
		if !s.once.Tell(form + " " + failure.rule) {
			continue
		}
		s.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_Form{Form: &leadgatev1.FormEvent{
			Type: leadgatev1.FormEventType_FORM_EVENT_TYPE_RULE_FAILED, Form: form, Field: failure.rule,
			Detail: fmt.Sprintf("%s of form %s failed for a lead, and was treated as false: %s", failure.rule, form, failure.reason),
		}}})
	}
}
