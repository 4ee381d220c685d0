package intake

import (
	"fmt"
	"net/netip"
	"slices"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// maxField bounds a field of a submission in bytes, all its values together; see also bounded.
const maxField = 8 << 10

// Rules that a form adds to those of lead.proto.
const (
	// RuleRequired says that nothing came for a field that the form requires.
	RuleRequired = "form.required"
	// RuleSize says that a field is too large.
	RuleSize = "form.size"
	// RulePhone says that a phone number cannot be read.
	RulePhone = "form.phone"
	// RuleCountry says that a country is not known.
	RuleCountry = "form.country"
	// RuleSeveral says that several values came for a field that takes one.
	RuleSeveral = "form.several"
)

// Violation is something wrong with a field.
type Violation struct {
	// Field is the form's own name of the field.
	Field string
	// Rule identifies what is wrong, for programs.
	Rule string
	// Message says what is wrong, for people. It contains nothing of the value.
	Message string
}

// Result is what became of a submission.
type Result struct {
	// Lead is what could be read. Whether it keeps the rules of lead.proto is for the caller to check.
	Lead *leadgatev1.Lead
	// Stored is the submission without what is not kept: ignored fields, secrets, the idempotency key. It shares the
	// remaining fields with the submission.
	Stored *leadgatev1.Submission
	// Violations are the reasons to refuse the submission. Rules of lead.proto are not among them.
	Violations []Violation
	// Omitted are values that the lead does without, because they cannot be read, or because it has room for one only. They
	// are no reason to refuse it: Stored keeps them.
	Omitted []Violation
	// Unmapped names the fields, in their order, that lead nowhere and are not ignored.
	Unmapped []string

	form   *Form
	picked []pick // by index of the form's targets
}

// pick is what came for a target.
type pick struct {
	field  string   // the form's field it came in; the first empty one if none was filled in; "" if none came
	values []string // cleaned; never empty strings
}

// Lead maps and cleans a submission, which it leaves as it is; nil is an empty one.
//
// Where several fields lead to one of the lead's, the first in the submission that is not empty wins: the configuration is
// a map, and has no order. For how values are cleaned, see the package's documentation.
func (f *Form) Lead(submission *leadgatev1.Submission) *Result {
	r := &Result{
		Lead: &leadgatev1.Lead{Source: &leadgatev1.Source{Form: f.name}},
		Stored: &leadgatev1.Submission{
			Fields:      make([]*leadgatev1.Submission_Field, 0, len(submission.GetFields())),
			ContentType: submission.GetContentType(), Time: submission.GetTime(), Address: submission.GetAddress(),
			UserAgent: submission.GetUserAgent(), PageUrl: submission.GetPageUrl(),
		},
		form: f, picked: make([]pick, len(f.targets)),
	}
	for _, field := range submission.GetFields() {
		r.take(field)
	}
	r.fillSource(submission)
	for _, t := range f.targets {
		r.fill(t)
	}
	r.fillVisit(submission)
	for _, t := range f.required {
		if len(r.picked[t.index].values) == 0 {
			r.violate(t, RuleRequired, "must be filled in")
		}
	}
	return r
}

// take sorts a field to where it belongs.
func (r *Result) take(field *leadgatev1.Submission_Field) {
	name := field.GetName()
	if _, ignored := r.form.ignored[name]; ignored || name == KeyField {
		return
	}
	t := r.form.byField[name]
	if t == nil && !IsClientField(name) {
		r.Unmapped = append(r.Unmapped, name)
		if isSecret(name) {
			return
		}
	}
	r.Stored.Fields = append(r.Stored.Fields, field)
	if size(field) > maxField && (t == nil || t.bounded()) {
		r.Violations = append(r.Violations, Violation{name, RuleSize, fmt.Sprintf("must be at most %d KiB", maxField>>10)})
	}
	if t == nil {
		return
	}
	p := &r.picked[t.index]
	if len(p.values) > 0 {
		return
	}
	if values := t.cleaned(field.GetValues()); len(values) > 0 {
		*p = pick{name, values}
	} else if p.field == "" {
		p.field = name
	}
}

func size(field *leadgatev1.Submission_Field) int {
	bytes := 0
	for _, value := range field.GetValues() {
		bytes += len(value)
	}
	return bytes
}

// fillSource says where the lead came from, as far as the submission tells beside its fields.
func (r *Result) fillSource(submission *leadgatev1.Submission) {
	if _, err := netip.ParseAddr(submission.GetAddress()); err == nil {
		r.Lead.Source.Ip = submission.GetAddress()
	}
	for _, told := range []struct {
		target *target
		text   string
	}{{r.form.pageURL, submission.GetPageUrl()}, {r.form.userAgent, submission.GetUserAgent()}} {
		if text := told.target.clean(told.text); text != "" {
			told.target.set(r.Lead, text)
		}
	}
}

// fill puts what came for a target into the lead.
func (r *Result) fill(t *target) {
	values := r.picked[t.index].values
	if len(values) == 0 {
		return
	}
	if t.field != nil && slices.ContainsFunc(values, func(value string) bool { return value != values[0] }) {
		r.omit(t, RuleSeveral, "takes one value; the first is taken")
	}
	switch t.path {
	case pathCountry:
		r.fillCountry(t, values[0])
	case pathPhone:
		r.fillPhone(t, values[0])
	default:
		t.set(r.Lead, values...)
	}
}

func (r *Result) fillCountry(t *target, text string) {
	code := readCountry(text)
	if code == "" {
		r.refuseOrOmit(t, RuleCountry, "must be the name of a country or its ISO 3166-1 code, such as US")
		return
	}
	t.set(r.Lead, code)
}

func (r *Result) fillPhone(t *target, text string) {
	number, extension := readPhone(text, r.Lead.GetCountry(), r.form.region)
	if number == "" {
		const message = "must be a phone number, best with its country's code, such as +14155550132"
		if r.Lead.GetEmail() == "" {
			r.violate(t, RulePhone, message)
			return
		}
		r.refuseOrOmit(t, RulePhone, message)
		return
	}
	if extension {
		r.omit(t, RulePhone, "has an extension, which a lead's phone has no room for")
	}
	t.set(r.Lead, number)
}

// refuseOrOmit deals with a value that cannot be read: a form that requires it refuses the submission, another goes on
// without it.
func (r *Result) refuseOrOmit(t *target, rule, message string) {
	if slices.Contains(r.form.required, t) {
		r.violate(t, rule, message)
		return
	}
	r.omit(t, rule, message)
}

func (r *Result) violate(t *target, rule, message string) {
	r.Violations = append(r.Violations, Violation{r.FieldOf(t.path), rule, message})
}

func (r *Result) omit(t *target, rule, message string) {
	r.Omitted = append(r.Omitted, Violation{r.FieldOf(t.path), rule, message})
}

// FieldOf returns the form's own name for a field of the lead: the one under which it came, or else the first by name of
// those under which it would have come. The path is written as in the configuration or as protovalidate writes it:
// custom.budget, custom["budget"]. A path that the form does not map is returned as it is.
func (r *Result) FieldOf(leadPath string) string {
	t := r.form.byPath[configured(leadPath)]
	if t == nil {
		return leadPath
	}
	if field := r.picked[t.index].field; field != "" {
		return field
	}
	return t.fields[0]
}
