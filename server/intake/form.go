package intake

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// KeyField is the field in which a page may send its idempotency key. It is not part of the lead, and is stored with the lead's
// record instead of the submission.
const KeyField = "idempotency_key"

// Form is the compiled configuration of a form. It is immutable and safe for concurrent use.
type Form struct {
	name       string
	region     string             // for national phone numbers, numbers and dates; may be empty
	targets    []*target          // sorted by path, so that country comes before what depends on it
	byField    map[string]*target // by form field
	bySpelling map[string]*target // by form field, as returned by spelling
	byPath     map[string]*target // by lead field
	required   []*target
	ignored    map[string]struct{} // by spelling
	// dictionary maps the fields of a form that configures none; nil in other forms.
	dictionary *dictionary
	// known is the same dictionary, in every form, to guess what an unmapped field means.
	known    *dictionary
	autoMap  bool
	consents []consentReader
	quality  quality
	// silent are fields that are not about the visitor: consents, honeypots, the time when the page was loaded.
	silent map[string]struct{}

	// Targets for what a submission has besides its fields.
	pageURL, userAgent *target
}

// NewForm compiles the configuration of a form. The error lists every fault, each with how to fix it; the caller adds the form's
// name.
func NewForm(name string, cfg *configv1.Form) (*Form, error) {
	f := &Form{
		name: name, region: cfg.GetDefaultRegion(), known: knownNames(), autoMap: cfg.GetAutoMap(),
		byField: map[string]*target{}, bySpelling: map[string]*target{}, byPath: map[string]*target{},
		ignored: map[string]struct{}{}, silent: map[string]struct{}{},
	}
	err := errors.Join(
		f.compileFields(cfg.GetFields()),
		f.compileValues(cfg.GetValues()),
		f.compileRequired(cfg.GetRequired()),
		f.compileIgnored(cfg.GetIgnore()),
		f.compileConsents(cfg.GetConsents()),
		f.compileQuality(cfg.GetHoneypot(), cfg.GetQuality()),
		checkRegion(f.region),
	)
	if err != nil {
		return nil, err
	}
	if f.pageURL, err = newTarget("source.page_url"); err != nil {
		return nil, err
	}
	if f.userAgent, err = newTarget("source.user_agent"); err != nil {
		return nil, err
	}
	if f.byPath[pathCountry] != nil {
		countries() // builds the table now, so that no visitor has to wait for it
	}
	if f.byPath[pathPhone] != nil {
		phonePlans().plan(f.region)
	}
	return f, nil
}

// compileFields creates the targets: the configured ones, or all that the dictionary knows.
func (f *Form) compileFields(fields map[string]string) error {
	var faults []error
	if len(fields) == 0 {
		f.dictionary = f.known
		for _, path := range f.dictionary.paths {
			if err := f.compileTarget(path); err != nil {
				faults = append(faults, err)
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if err := f.compileField(field, fields[field]); err != nil {
			faults = append(faults, fmt.Errorf("fields: %s: %w", field, err))
		}
	}
	for _, field := range slices.Sorted(maps.Keys(f.byField)) { // the first by name wins
		if spelt := spelling(field); f.bySpelling[spelt] == nil {
			f.bySpelling[spelt] = f.byField[field]
		}
	}
	f.sortTargets()
	if err := checkCustom(f.targets); err != nil {
		faults = append(faults, fmt.Errorf("fields: %w", err))
	}
	return errors.Join(faults...)
}

func (f *Form) sortTargets() {
	f.targets = slices.SortedFunc(maps.Values(f.byPath), func(a, b *target) int { return strings.Compare(a.path, b.path) })
	for i, t := range f.targets {
		t.index = i
	}
}

func (f *Form) compileTarget(path string) error {
	if f.byPath[path] != nil {
		return nil
	}
	t, err := mappable(path)
	if err != nil {
		return err
	}
	f.byPath[path] = t
	return nil
}

func (f *Form) compileField(field, path string) error {
	switch {
	case field == KeyField:
		return errors.New("this name is the idempotency key's; give the form's field another")
	case isSecret(field):
		return errors.New("passwords and payment cards are never kept; if it is neither, give the form's field another name")
	}
	if err := f.compileTarget(path); err != nil {
		return err
	}
	t := f.byPath[path]
	t.fields = append(t.fields, field)
	f.byField[field] = t
	return nil
}

// compileValues sets how the values of lead fields are read.
func (f *Form) compileValues(values map[string]*configv1.Value) error {
	var faults []error
	for _, path := range slices.Sorted(maps.Keys(values)) {
		t := f.byPath[path]
		if t == nil && (values[path].GetDefault() != "" || f.isPart(path)) { // the same for every lead, or part of a full name
			if err := f.compileLate(path); err != nil {
				faults = append(faults, fmt.Errorf("values: %w", err))
				continue
			}
			t = f.byPath[path]
		}
		if t == nil {
			faults = append(faults, fmt.Errorf("values: %s: no field leads to it; map one under fields, or give it a default", path))
			continue
		}
		reader, err := newValueReader(values[path])
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("values: %s: %w", path, err))
		case reader.kind != typeString && (path == pathEmail || path == pathPhone || path == pathCountry || path == FullName):
			faults = append(faults, fmt.Errorf("values: %s: type %s: its values are read in a way of their own; leave the type out", path, reader.kind))
		case path == FullName && reader.initial != "":
			faults = append(faults, errors.New("values: full_name: a lead has none, so it takes no default; give first_name or last_name one"))
		default:
			if fault := f.initialFault(path, reader.initial); fault != "" {
				faults = append(faults, fmt.Errorf("values: %s: default: %q %s", path, reader.initial, fault))
			}
		}
		t.value = reader
	}
	return errors.Join(faults...)
}

func (f *Form) compileRequired(paths []string) error {
	var faults []error
	for _, path := range paths {
		t := f.byPath[path]
		if t == nil && f.isPart(path) {
			if err := f.compileLate(path); err != nil {
				return err
			}
			t = f.byPath[path]
		}
		if t == nil {
			faults = append(faults, fmt.Errorf("required: no field leads to %q, so that every submission would be refused; map one under fields", path))
			continue
		}
		t.required = true
		f.required = append(f.required, t)
	}
	return errors.Join(faults...)
}

// isPart reports whether a path is part of a name and the form maps a full name.
func (f *Form) isPart(path string) bool { return f.byPath[FullName] != nil && isNamePart(path) }

// initialFault says what is wrong with a default that is read like a visitor's input; empty if nothing is.
func (f *Form) initialFault(path, initial string) string {
	if initial == "" {
		return ""
	}
	switch path {
	case pathEmail:
		if _, err := mail.ParseAddress(initial); err != nil {
			return "must be an e-mail address"
		}
	case pathPhone:
		if number, _ := readPhone(initial, f.region); number == "" {
			return mustBePhone
		}
	case pathCountry:
		if readCountry(initial) == "" {
			return mustBeCountry
		}
	}
	return ""
}

// compileLate adds a target that no field maps to.
func (f *Form) compileLate(path string) error {
	if err := f.compileTarget(path); err != nil {
		return err
	}
	f.sortTargets()
	return checkCustom(f.targets)
}

func (f *Form) compileIgnored(fields []string) error {
	var faults []error
	for _, field := range fields {
		if t := f.byField[field]; t != nil {
			faults = append(faults, fmt.Errorf("ignore: %s also leads to %s; leave it out here, or under fields", field, t.path))
		}
		f.ignored[spelling(field)] = struct{}{}
	}
	return errors.Join(faults...)
}

func checkRegion(region string) error {
	if region == "" || phonenumbers.GetSupportedRegions()[region] {
		return nil
	}
	return fmt.Errorf("default_region: the phone numbers of %q are not known; give an ISO 3166-1 alpha-2 country code, such as US", region)
}

// Knows reports whether the configuration or the dictionary says what to do with a field of the page: it maps to a lead field, is
// ignored, or has another purpose.
func (f *Form) Knows(field string) bool {
	return f.isSilent(field) || f.ignores(field) || f.resolve(field) != nil
}

// Volatile reports whether a page sets a field anew for each attempt, so that it does not make two submissions different.
func (f *Form) Volatile(field string) bool {
	if f.isSilent(field) && !f.isConsent(field) {
		return true
	}
	return IsClientField(field) || f.byField[field] == nil && f.known.meaning(field) == plumbing
}

// isSilent reports whether a field has a purpose of its own and maps to no lead field.
func (f *Form) isSilent(field string) bool {
	_, ok := f.silent[field]
	return ok || f.isConsent(field)
}

func (f *Form) isConsent(field string) bool {
	return slices.ContainsFunc(f.consents, func(c consentReader) bool { return f.isCalled(field, c.field) || f.isCalled(field, c.textField) })
}

// isCalled reports whether a page's field is the one with a configured name: it has that very name or, unless it means something
// else, another spelling of it.
func (f *Form) isCalled(field, configured string) bool {
	if field == configured || configured == "" {
		return configured != ""
	}
	spelt := spelling(field)
	_, silent := f.silent[field]
	return spelt == spelling(configured) && !silent && f.bySpelling[spelt] == nil
}
