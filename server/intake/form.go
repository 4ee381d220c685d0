package intake

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// KeyField is the name under which a page may send its idempotency key among the form's fields. It is no part of the lead,
// and is kept with the lead's record rather than with the submission.
const KeyField = "idempotency_key"

// Form is a configured entrance, compiled. It does not change and is safe for concurrent use.
type Form struct {
	name     string
	region   string             // reads national phone numbers; may be empty
	targets  []*target          // sorted by path, so that phone comes after country and email, which it is read by
	byField  map[string]*target // by the form's field
	byPath   map[string]*target // by the lead's field
	required []*target
	ignored  map[string]struct{}

	// What a submission brings beside its fields.
	pageURL, userAgent *target
	visited            []visited
}

// NewForm compiles the configuration of a form. Its error names every fault, each with the way to mend it; the form's name
// is for the caller to add.
func NewForm(name string, cfg *configv1.Form) (*Form, error) {
	f := &Form{
		name: name, region: cfg.GetDefaultRegion(),
		byField: map[string]*target{}, byPath: map[string]*target{}, ignored: map[string]struct{}{},
	}
	err := errors.Join(
		f.compileFields(cfg.GetFields()),
		f.compileRequired(cfg.GetRequired()),
		f.compileIgnored(cfg.GetIgnore()),
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
	if f.visited, err = newVisited(); err != nil {
		return nil, err
	}
	if f.byPath[pathCountry] != nil {
		countries() // so that no visitor waits while the table is made
	}
	return f, nil
}

func (f *Form) compileFields(fields map[string]string) error {
	if len(fields) == 0 {
		return errors.New("fields: none is mapped, so that every submission would be refused; map at least one, such as email: email")
	}
	var faults []error
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if err := f.compileField(field, fields[field]); err != nil {
			faults = append(faults, fmt.Errorf("fields: %s: %w", field, err))
		}
	}
	f.targets = slices.SortedFunc(maps.Values(f.byPath), func(a, b *target) int { return strings.Compare(a.path, b.path) })
	for i, t := range f.targets {
		t.index = i
	}
	if err := checkCustom(f.targets); err != nil {
		faults = append(faults, fmt.Errorf("fields: %w", err))
	}
	return errors.Join(faults...)
}

func (f *Form) compileField(field, path string) error {
	switch {
	case field == KeyField:
		return errors.New("this name is the idempotency key's; give the form's field another")
	case isSecret(field):
		return errors.New("passwords and payment cards are never kept; if it is neither, give the form's field another name")
	}
	t := f.byPath[path]
	if t == nil {
		var err error
		if t, err = mappable(path); err != nil {
			return err
		}
		f.byPath[path] = t
	}
	t.fields = append(t.fields, field)
	f.byField[field] = t
	return nil
}

func (f *Form) compileRequired(paths []string) error {
	var faults []error
	for _, path := range paths {
		t := f.byPath[path]
		if t == nil {
			faults = append(faults, fmt.Errorf("required: no field leads to %q, so that every submission would be refused; map one under fields", path))
			continue
		}
		f.required = append(f.required, t)
	}
	return errors.Join(faults...)
}

func (f *Form) compileIgnored(fields []string) error {
	var faults []error
	for _, field := range fields {
		if t := f.byField[field]; t != nil {
			faults = append(faults, fmt.Errorf("ignore: %s also leads to %s; leave it out here, or under fields", field, t.path))
		}
		f.ignored[field] = struct{}{}
	}
	return errors.Join(faults...)
}

func checkRegion(region string) error {
	if region == "" || phonenumbers.GetSupportedRegions()[region] {
		return nil
	}
	return fmt.Errorf("default_region: the phone numbers of %q are not known; give an ISO 3166-1 alpha-2 country code, such as US", region)
}
