package config

import (
	"maps"
	"slices"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// hints reports what is allowed and probably not meant: mappings that look swapped or doubled, lead fields that go nowhere, and
// properties that nothing fills.
func (r *review) hints(cfg *configv1.Config) {
	for name, form := range cfg.GetForms() {
		r.swapped(path{"forms", name}, form)
		r.doubled(path{"forms", name}, form)
		r.unused(path{"forms", name}, form, cfg)
	}
	for name, destination := range cfg.GetDestinations() {
		r.unfilled(path{"destinations", name}, name, destination, cfg)
	}
}

// swapped finds fields that lead elsewhere than their names say.
func (r *review) swapped(p path, form *configv1.Form) {
	for name, target := range form.GetFields() {
		usual := intake.UsualTarget(name)
		switch {
		case usual == "" || usual == target, strings.HasPrefix(target, "custom."):
		case isName(usual) && isName(target) && (usual == intake.FullName || target == intake.FullName): // a matter of the page
		default:
			r.hint(p.child("fields", name), "%s usually means %s, and leads to %s here", name, usual, target)
		}
	}
}

func isName(target string) bool {
	return target == intake.FullName || target == "first_name" || target == "last_name"
}

// doubled finds two fields that lead to one lead field and have nothing in common, so that a page may well send both.
func (r *review) doubled(p path, form *configv1.Form) {
	names := slices.Sorted(maps.Keys(form.GetFields()))
	for i, name := range names {
		target := form.GetFields()[name]
		for _, other := range names[:i] {
			if form.GetFields()[other] == target && !intake.Alike(name, other, target) {
				r.hint(p.child("fields", name), "%s and %s both lead to %s: of a page that sends both, only the first that is filled in counts", other, name, target)
				break
			}
		}
	}
}

// unused finds lead fields that a form fills and no destination of it takes. Only destinations that say their properties are
// looked at: what others take is up to their kind.
func (r *review) unused(p path, form *configv1.Form, cfg *configv1.Config) {
	taken := map[string]bool{}
	for _, name := range form.GetDestinations() {
		properties := cfg.GetDestinations()[name].GetProperties()
		if len(properties) == 0 {
			return
		}
		for _, source := range properties {
			if strings.HasPrefix(source, "=") { // an expression may use any
				return
			}
			taken[source] = true
		}
	}
	for name, target := range form.GetFields() {
		if taken[target] || target == intake.FullName && (taken["first_name"] || taken["last_name"]) {
			continue
		}
		r.hint(p.child("fields", name), "%s leads to %s, which no property of %s takes; add one, or the CRM never sees it",
			name, target, strings.Join(form.GetDestinations(), ", "))
	}
}

// unfilled finds properties of a destination that no form which leads to it could fill.
func (r *review) unfilled(p path, name string, destination *configv1.Destination, cfg *configv1.Config) {
	filled, forms := map[string]bool{}, 0
	for _, form := range cfg.GetForms() {
		if !slices.Contains(form.GetDestinations(), name) {
			continue
		}
		forms++
		targets := slices.Collect(maps.Values(form.GetFields()))
		if len(targets) == 0 {
			targets = intake.UsualTargets()
		}
		for _, target := range targets {
			filled[target] = true
		}
		for target, value := range form.GetValues() {
			filled[target] = filled[target] || value.GetDefault() != ""
		}
		for purpose := range form.GetConsents() {
			filled["consents."+purpose] = true
		}
	}
	if filled[intake.FullName] {
		filled["first_name"], filled["last_name"] = true, true
	}
	if forms == 0 { // backends fill what they like
		return
	}
	for property, source := range destination.GetProperties() {
		if strings.HasPrefix(source, "=") || strings.HasPrefix(source, "source.") || strings.HasPrefix(source, "enrichment.") || filled[source] {
			continue
		}
		if consent, ok := strings.CutPrefix(source, "consents."); ok {
			if end := strings.LastIndexByte(consent, '.'); end >= 0 && filled["consents."+consent[:end]] {
				continue
			}
		}
		r.hint(p.child("properties", property), "no form that leads to %s fills %s, so only a backend could fill %s", name, source, property)
	}
}
