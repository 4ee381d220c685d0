package config

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/intake"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/spelling"
)

// hints reports what is valid but probably not intended: fields that seem to be mapped wrongly or twice, lead fields that are not
// sent, and properties that nothing fills.
func (r *review) hints(cfg *configv1.Config) {
	for name, form := range cfg.GetForms() {
		r.swapped(path{"forms", name}, form)
		r.doubled(path{"forms", name}, form)
		r.unused(path{"forms", name}, form, cfg)
		r.misread(path{"forms", name}, form)
		r.countryless(path{"forms", name}, form)
	}
	for name, destination := range cfg.GetDestinations() {
		r.unfilled(path{"destinations", name}, name, destination, cfg)
	}
	for i, network := range cfg.GetTrustedProxies() {
		if strings.HasSuffix(network, "/0") {
			r.hint(path{"trusted_proxies", strconv.Itoa(i)}, "%s is everybody: whoever calls may then say what address is theirs; name the network of the proxy", network)
		}
	}
}

// swapped finds fields that are mapped to another lead field than their names suggest.
func (r *review) swapped(p path, form *configv1.Form) {
	for name, target := range form.GetFields() {
		usual := intake.UsualTarget(name)
		switch {
		case usual == "" || usual == target, strings.HasPrefix(target, "custom."):
		case isName(usual) && isName(target) && (usual == intake.FullName || target == intake.FullName): // depends on the page
		default:
			r.hint(p.child("fields", name), "%s usually means %s, and leads to %s here", name, usual, target)
		}
	}
}

func isName(target string) bool {
	return target == intake.FullName || target == "first_name" || target == "last_name"
}

// countryless finds forms with phone numbers but nothing that tells their country.
func (r *review) countryless(p path, form *configv1.Form) {
	targets := slices.Collect(maps.Values(form.GetFields()))
	if form.GetDefaultRegion() != "" || slices.Contains(targets, "country") || form.GetValues()["country"].GetDefault() != "" {
		return
	}
	for name, target := range form.GetFields() {
		if target == "phone" {
			r.hint(p.child("fields", name), "%s leads to phone: numbers without a country's code cannot be read; say by default_region, such as US, which country they are of", name)
		}
	}
}

// doubled finds unlike fields that are mapped to the same lead field, so that a page may well send both.
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

// unused finds lead fields that a form fills but none of its destinations takes.
func (r *review) unused(p path, form *configv1.Form, cfg *configv1.Config) {
	taken, byItself := map[string]bool{}, false
	for _, name := range form.GetDestinations() {
		destination := cfg.GetDestinations()[name]
		byItself = byItself || len(destination.GetProperties()) == 0
		for _, source := range worker.Properties(destination) {
			if strings.HasPrefix(source, "=") { // an expression may use any
				return
			}
			taken[source] = true
		}
	}
	wayOut := "add one, or the CRM never sees it"
	if byItself {
		wayOut = "the CRM sees it if properties: names it, and all others that are to be sent"
	}
	for name, target := range form.GetFields() {
		if taken[target] || target == intake.FullName && (taken["first_name"] || taken["last_name"]) {
			continue
		}
		r.hint(p.child("fields", name), "%s leads to %s, which no property of %s takes; %s", name, target, strings.Join(form.GetDestinations(), ", "), wayOut)
	}
}

// unfilled finds properties of a destination that no form with this destination can fill.
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
	if forms == 0 { // backends may fill anything
		return
	}
	for property, source := range destination.GetProperties() {
		if expression, ok := mapping.Expression(source); ok {
			r.unknown(p.child("properties", property), expression, filled)
			continue
		}
		if strings.HasPrefix(source, "source.") || strings.HasPrefix(source, "enrichment.") || filled[source] {
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

var (
	// customOf matches the custom fields in an expression.
	customOf = regexp.MustCompile(`\blead\.custom(?:\.|\[\??["'])(\w+)`)
	// asNumber matches those that it compares with a number.
	asNumber = regexp.MustCompile(`\blead\.custom\.(\w+)\s*(?:[<>]=?|[!=]=)\s*-?\d`)
)

// misread finds conditions that are never true, which the compiler cannot notice because it does not know custom fields.
func (r *review) misread(p path, form *configv1.Form) {
	if len(form.GetFields()) == 0 {
		return
	}
	filled := map[string]bool{}
	for _, target := range form.GetFields() {
		filled[target] = true
	}
	for target := range form.GetValues() {
		filled[target] = true
	}
	condition := func(p path, text string) {
		r.unknown(p, text, filled)
		for _, found := range asNumber.FindAllStringSubmatch(text, -1) {
			if name := "custom." + found[1]; filled[name] && form.GetValues()[name].GetType() != "integer" {
				r.hint(p, "%s is a text, which is never a number: write double(lead.%s), and numbers as 5000.0", name, name)
			}
		}
	}
	for i, route := range form.GetRoutes() {
		condition(p.child("routes", strconv.Itoa(i), "when"), route.GetWhen())
	}
	for i, block := range form.GetBlock() {
		condition(p.child("block", strconv.Itoa(i), "when"), block.GetWhen())
	}
}

// unknown finds custom fields in an expression that no form fills.
func (r *review) unknown(p path, expression string, filled map[string]bool) {
	for _, found := range customOf.FindAllStringSubmatch(expression, -1) {
		if name := "custom." + found[1]; !filled[name] {
			near := ""
			if meant := spelling.Nearest(name, slices.Sorted(maps.Keys(filled))); meant != "" {
				near = "; did you mean " + meant + "?"
			}
			r.hint(p, "no form field leads to %s, so only a backend could fill it%s", name, near)
		}
	}
}
