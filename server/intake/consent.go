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

// consentReader reads one thing that a visitor agrees to.
type consentReader struct {
	purpose, field, text, version, textField string
}

// Bounds of a consent in lead.proto, in characters.
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
		f.consents = append(f.consents, consentReader{purpose, cfg.GetField(), cfg.GetText(), cfg.GetTextVersion(), cfg.GetTextField()})
		f.silent[cfg.GetField()] = struct{}{}
		if cfg.GetTextField() != "" {
			f.silent[cfg.GetTextField()] = struct{}{}
		}
	}
	return errors.Join(faults...)
}

// fillConsents records what the visitor agreed to or refused in as many words, with the time, the page and the address. An
// unchecked box is not sent, which is no answer: a lead's earlier consent is not taken back by a form that asks again.
func (r *Result) fillConsents() {
	for _, c := range r.form.consents {
		answer := r.valueOf(c.field)
		if answer == "" {
			continue
		}
		granted, ok := readBoolean(answer)
		if !ok {
			granted = true // the box's own value, often the wording
		}
		text := c.text
		if came := r.valueOf(c.textField); came != "" {
			text = came
		}
		r.Lead.Consents = append(r.Lead.Consents, &leadgatev1.Consent{
			Purpose: c.purpose, Granted: granted, Text: cut(text, maxWording), TextVersion: c.version,
			Time: r.submission.GetTime(), PageUrl: r.Lead.GetSource().GetPageUrl(), Ip: r.Lead.GetSource().GetIp(),
		})
	}
}

// valueOf is the last value of a field that is not empty; pages put a hidden "0" before a check box of the same name.
func (r *Result) valueOf(name string) string {
	if name == "" {
		return ""
	}
	for _, field := range r.submission.GetFields() {
		if field.GetName() != name {
			continue
		}
		for _, value := range slices.Backward(field.GetValues()) {
			if text, _ := paragraphs(strings.TrimSpace(value)); text != "" {
				return text
			}
		}
	}
	return ""
}
