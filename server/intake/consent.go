package intake

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// consentReader reads the consent for one purpose.
type consentReader struct {
	purpose, field, text, version, textField, value string
}

// Limits of consents in lead.proto; lengths are in characters.
const (
	maxPurpose  = 255
	maxWording  = 8192
	maxConsents = 20
)

func (f *Form) compileConsents(consents map[string]*configv1.ConsentField) error {
	var faults []error
	if len(consents) > maxConsents {
		faults = append(faults, fmt.Errorf("consents: there are %d, a lead has room for %d", len(consents), maxConsents))
	}
	for _, purpose := range slices.Sorted(maps.Keys(consents)) {
		cfg := consents[purpose]
		switch {
		case purpose == "" || len(purpose) > maxPurpose:
			faults = append(faults, errors.New("consents: a purpose has 1 to 255 characters"))
		case cfg.GetField() == "":
			faults = append(faults, fmt.Errorf("consents: %s: name the form's check box under field", purpose))
		case isSecret(cfg.GetField()):
			faults = append(faults, fmt.Errorf("consents: %s: fields called %s are never kept; give the check box another name", purpose, cfg.GetField()))
		}
		f.consents = append(f.consents, consentReader{purpose, cfg.GetField(), cfg.GetText(), cfg.GetTextVersion(), cfg.GetTextField(), cfg.GetValue()})
		f.silent[cfg.GetField()] = struct{}{}
		if cfg.GetTextField() != "" {
			f.silent[cfg.GetTextField()] = struct{}{}
		}
	}
	return errors.Join(faults...)
}

// fillConsents records what the visitor explicitly agreed to or refused, with the time, the page and the IP address. Browsers do
// not send an unchecked box, which is no answer: a form that asks again does not withdraw an earlier consent. A value that is
// neither yes nor no is no consent either, and is reported as omitted.
func (r *Result) fillConsents() {
	for _, c := range r.form.consents {
		text := c.text
		if came := r.valuesIn(c.textField); len(came) > 0 {
			text = came[len(came)-1]
		}
		granted, ok := r.answer(c, text)
		if !ok {
			continue
		}
		r.Lead.Consents = append(r.Lead.Consents, &leadgatev1.Consent{
			Purpose: c.purpose, Granted: &granted, Text: cut(text, maxWording), TextVersion: c.version,
			Time: r.submission.GetTime(), PageUrl: r.Lead.GetSource().GetPageUrl(), Ip: r.Lead.GetSource().GetIp(),
		})
	}
}

// answer returns the visitor's answer to a wording. The last answer counts: pages put a hidden "0" before a check box of the same
// name. Boxes with the same name are told apart by their values.
func (r *Result) answer(c consentReader, wording string) (granted, ok bool) {
	answers := r.valuesIn(c.field)
	for _, answer := range slices.Backward(answers) {
		if c.agrees(answer, wording) {
			return true, true
		}
		if granted, ok := readBoolean(answer); ok {
			return granted, true
		}
	}
	others := func(answer string) bool {
		return slices.ContainsFunc(r.form.consents, func(other consentReader) bool { return other.field == c.field && other.agrees(answer, other.text) })
	}
	if !slices.ContainsFunc(answers, others) && len(answers) > 0 {
		r.Omitted = append(r.Omitted, Violation{c.field, RuleConsent, fmt.Sprintf(
			"is neither yes nor no to %s; if that is what the checked box sends, write it under consents: %s: value", c.purpose, c.purpose)})
	}
	return false, false
}

// agrees reports whether an answer is what the check box sends: its configured value, its name, the purpose, or the wording.
func (c consentReader) agrees(answer, wording string) bool {
	folded := fold(answer)
	return folded != "" && slices.ContainsFunc([]string{c.value, c.field, c.purpose, wording}, func(own string) bool { return fold(own) == folded })
}

// valuesIn returns the values of the field with a configured name.
func (r *Result) valuesIn(configured string) []string {
	return r.values(func(name string) bool { return r.form.isCalled(name, configured) })
}

// values returns the non-empty values of the fields whose names match.
func (r *Result) values(match func(name string) bool) (values []string) {
	for _, field := range r.submission.GetFields() {
		if !match(field.GetName()) {
			continue
		}
		for _, value := range field.GetValues() {
			if text, _ := paragraphs(strings.TrimSpace(value)); text != "" {
				values = append(values, text)
			}
		}
	}
	return values
}

// valueOf returns the last non-empty value of a field.
func (r *Result) valueOf(name string) string {
	if values := r.values(func(sent string) bool { return name != "" && sent == name }); len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}
