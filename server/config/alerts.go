package config

import (
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strconv"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/observe/alert"
)

// alerts checks that rules are about existing destinations and forms, and that patterns and addresses are valid.
func (r *review) alerts(p path, cfg *configv1.Config) {
	alerts := cfg.GetAlerts()
	if hours := alerts.GetBusinessHours(); hours != nil {
		if err := alert.Check(hours); err != nil {
			r.on(p.child("business_hours"), "%v", err)
		}
	}
	r.rulesOf(p.child("rules"), alerts.GetRules())
	destinations := slices.Sorted(maps.Keys(cfg.GetDestinations()))
	for name, rules := range alerts.GetDestinations() {
		if at := p.child("destinations", name); cfg.GetDestinations()[name] == nil {
			r.onKey(at, "unknown destination %q%s", name, suggest(name, destinations))
		}
		r.rulesOf(p.child("destinations", name), rules)
	}
	forms := slices.Sorted(maps.Keys(cfg.GetForms()))
	for name, rules := range alerts.GetForms() {
		if at := p.child("forms", name); cfg.GetForms()[name] == nil {
			r.onKey(at, "unknown form %q%s", name, suggest(name, forms))
		}
		r.rulesOf(p.child("forms", name), rules)
	}
	for name, notifier := range alerts.GetNotifiers() {
		r.mail(p.child("notifiers", name, "email"), notifier.GetEmail())
		r.address(p.child("notifiers", name, "webhook", "url"), notifier.GetWebhook().GetUrl())
		r.address(p.child("notifiers", name, "pagerduty", "base_url"), notifier.GetPagerduty().GetBaseUrl())
	}
}

// rulesOf checks a set of rules.
func (r *review) rulesOf(p path, rules *configv1.AlertRules) {
	names := map[string]bool{}
	for i, rule := range rules.GetCrmErrors() {
		at := p.child("crm_errors", strconv.Itoa(i))
		if _, err := regexp.Compile(rule.GetPattern()); err != nil {
			r.on(at.child("pattern"), "pattern: %v; to find a text as it stands, put a backslash before each of .+*?()[]{}|^$", err)
		}
		if names[rule.GetName()] {
			r.on(at.child("name"), "there is another error %q: give each its own name", rule.GetName())
		}
		names[rule.GetName()] = true
	}
}

// mail checks the settings of an e-mail notifier.
func (r *review) mail(p path, cfg *configv1.EmailNotifier) {
	if cfg == nil {
		return
	}
	if _, err := mail.ParseAddress(cfg.GetFrom()); err != nil {
		r.on(p.child("from"), "from: %q is not an e-mail address, such as leadgate@example.com", cfg.GetFrom())
	}
	for i, to := range cfg.GetTo() {
		if _, err := mail.ParseAddress(to); err != nil {
			r.on(p.child("to", strconv.Itoa(i)), "to: %q is not an e-mail address, such as ops@example.com", to)
		}
	}
	if (cfg.GetUsername() == "") != (cfg.GetPassword() == "") {
		r.on(p, "email: a username needs a password, and a password a username")
	}
}
