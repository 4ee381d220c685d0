package intake

import (
	"fmt"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// maxField limits the size of a field of a submission, all its values together, in bytes; see also bounded.
const maxField = 8 << 10

// Rules that a form has in addition to those of lead.proto.
const (
	// RuleRequired means that a required field is missing or empty.
	RuleRequired = "form.required"
	// RuleSize means that a field is too large.
	RuleSize = "form.size"
	// RuleEmail means that an e-mail address breaks a rule of RFC 5321.
	RuleEmail = "form.email"
	// RulePhone means that a phone number cannot be read.
	RulePhone = "form.phone"
	// RuleCountry means that a country is unknown.
	RuleCountry = "form.country"
	// RuleWebsite means that the address of a web site cannot be read.
	RuleWebsite = "form.website"
	// RuleType means that a value is not of the configured type.
	RuleType = "form.type"
	// RuleSeveral means that there are several values for a field that takes one.
	RuleSeveral = "form.several"
	// RuleConsent means that the value of a consent is neither yes nor no.
	RuleConsent = "form.consent"
	// RuleUnmapped means that a required value came in a field that is not mapped.
	RuleUnmapped = "form.unmapped"
)

// Violation is a fault of a field.
type Violation struct {
	// Field is the form's name of the field.
	Field string
	// Rule identifies the fault, for programs.
	Rule string
	// Message describes the fault, for people. It contains no part of the value.
	Message string
}

// Result is the result of reading a submission.
type Result struct {
	// Lead has everything that could be read. The caller must check the rules of lead.proto.
	Lead *leadgatev1.Lead
	// Stored is the submission without what is not stored: ignored fields, secrets and the idempotency key. It shares the remaining
	// fields with the submission.
	Stored *leadgatev1.Submission
	// Violations are the reasons to refuse the submission, other than rules of lead.proto.
	Violations []Violation
	// Waiting are the reasons to hold the submission for a person: required values that probably came in fields that are not
	// mapped. The lead may break rules of lead.proto then.
	Waiting []Violation
	// Omitted are values that are not in the lead because they cannot be read, or because the lead has room for only one. They are
	// no reason to refuse the submission: Stored keeps them.
	Omitted []Violation
	// Unmapped names the fields that are neither mapped nor ignored, in their order, without what form builders send besides the
	// visitor's input.
	Unmapped []string
	// Drift are those unmapped fields that look like one that is missing.
	Drift []Drift
	// Changes are the differences between the submitted values and the lead, each with its reason.
	Changes []*leadgatev1.Change

	form       *Form
	submission *leadgatev1.Submission
	picked     []pick // by index of the form's targets
	strangers  []*leadgatev1.Submission_Field
	gravity    []*leadgatev1.Submission_Field
	beside     []beside
}

// pick is what was submitted for a target.
type pick struct {
	field string // the form field with the value; the first empty one if all are empty; "" if none was submitted
	raw   string // the first value as submitted
	first string // the first value, cleaned; empty if there is none
	more  []string
	why   reasons
	// others are the values of further fields for the same target.
	others []pick
}

// Lead maps and cleans a submission, without changing it. A nil submission is an empty one.
//
// If several fields map to the same lead field, the first in the submission that is not empty and can be read wins: the
// configuration is a map and has no order. The package documentation says how values are cleaned.
func (f *Form) Lead(submission *leadgatev1.Submission) *Result {
	r := &Result{
		Lead: &leadgatev1.Lead{Source: &leadgatev1.Source{Form: f.name}},
		Stored: &leadgatev1.Submission{
			Fields:      make([]*leadgatev1.Submission_Field, 0, len(submission.GetFields())),
			ContentType: submission.GetContentType(), Time: submission.GetTime(), Address: submission.GetAddress(),
			UserAgent: submission.GetUserAgent(), PageUrl: submission.GetPageUrl(), Files: submission.GetFiles(),
		},
		form: f, submission: submission, picked: make([]pick, len(f.targets)),
	}
	for _, field := range submission.GetFields() {
		r.take(field)
	}
	r.takeGravity()
	r.guess()
	r.findDrift()
	r.fillSource()
	for _, t := range f.targets {
		r.fill(t)
	}
	r.dropNoAddress()
	r.splitFullName()
	r.fillCampaign()
	r.fillConsents()
	r.checkRequired()
	return r
}

// take sorts a field into the parts of the result.
func (r *Result) take(field *leadgatev1.Submission_Field) {
	name := field.GetName()
	if name == KeyField || r.form.ignores(name) {
		return
	}
	t := r.form.resolve(name)
	if r.namesTheForm(name) {
		r.Stored.Fields = append(r.Stored.Fields, field)
		return
	}
	if t == nil {
		r.stranger(field)
		if isSecret(name) {
			return
		}
	}
	r.Stored.Fields = append(r.Stored.Fields, field)
	if size(field) > maxField && (t == nil || t.bounded()) {
		r.Violations = append(r.Violations, Violation{name, RuleSize, fmt.Sprintf("must be at most %d KiB", maxField>>10)})
	}
	if t != nil {
		r.pick(t, field, 0)
	}
}

// namesTheForm reports whether a field called name is the form's name rather than the visitor's: in Webflow's webhook, and where
// the visitor's input is nested under data.
func (r *Result) namesTheForm(name string) bool {
	if name != "payload.name" && name != "name" || r.form.byField[name] != nil {
		return false
	}
	under := strings.TrimSuffix(name, "name")
	data, email := false, false
	for _, field := range r.submission.GetFields() {
		switch of := field.GetName(); {
		case strings.HasPrefix(of, under+"data."), name != "name" && (of == under+"siteId" || of == under+"formId"):
			data = true
		case of == under+"email":
			email = true
		}
	}
	return data && !email
}

// stranger records a field that is not mapped.
func (r *Result) stranger(field *leadgatev1.Submission_Field) {
	name := field.GetName()
	if r.form.isSilent(name) || IsClientField(name) {
		return
	}
	if r.form.dictionary != nil {
		if _, _, ok := gravity(name); ok {
			r.gravity = append(r.gravity, field)
			return
		}
	}
	switch meaning := r.form.known.meaning(name); {
	case meaning == plumbing:
		return
	case isBesideStreet(meaning) && r.form.dictionary != nil:
		r.takeBeside(field, meaning)
		return
	}
	r.Unmapped = append(r.Unmapped, name)
	if !isSecret(name) {
		r.strangers = append(r.strangers, field)
	}
}

// beside is the value of a field that is part of the street.
type beside struct {
	pick
	meaning string
}

func (r *Result) takeBeside(field *leadgatev1.Submission_Field, meaning string) {
	came := beside{pick{field: field.GetName()}, meaning}
	if values := field.GetValues(); len(values) > 0 {
		came.raw = values[0]
		came.first, came.why = plain(values[0])
	}
	r.beside = append(r.beside, came)
}

// pick records a field's values for a target; the first field with a value wins.
func (r *Result) pick(t *target, field *leadgatev1.Submission_Field, why reasons) {
	p := &r.picked[t.index]
	came := pick{field: field.GetName(), why: why}
	for _, value := range field.GetValues() {
		cleaned, changed := t.clean(value)
		switch {
		case cleaned == "":
			continue
		case came.first == "":
			came.first, came.raw = cleaned, value
		default:
			came.more = append(came.more, cleaned)
		}
		came.why |= changed
	}
	switch {
	case p.field == "" || p.first == "" && came.first != "":
		*p = came
	case came.first == "":
	case t.isCustom() && listName(came.field) != came.field && spelling(listName(came.field)) == spelling(listName(p.field)):
		p.more = append(append(p.more, came.first), came.more...) // tags[0], tags[1]
	case came.first != p.first:
		p.others = append(p.others, came)
	}
}

func size(field *leadgatev1.Submission_Field) int {
	bytes := 0
	for _, value := range field.GetValues() {
		bytes += len(value)
	}
	return bytes
}

// checkRequired finds missing values. If one came in a field that is not mapped, that is not the visitor's fault.
func (r *Result) checkRequired() {
	for _, t := range r.form.required {
		if r.picked[t.index].first != "" || t.place != nil && *t.place(r.Lead) != "" || t.path == FullName && (r.Lead.FirstName != "" || r.Lead.LastName != "") {
			continue
		}
		full := r.came(FullName)
		switch {
		case full && t.path == pathFirstName && r.Lead.LastName != "": // the visitor wrote no more than 王小明 or Mr Smith
		case r.wait(t.path):
		case full && (t.path == pathFirstName || t.path == pathLastName):
			r.violate(t, RuleRequired, "must hold a first and a last name")
		default:
			r.violate(t, RuleRequired, "must be filled in")
		}
	}
	if r.Lead.Email == "" && r.Lead.Phone == "" && len(r.Waiting) == 0 && len(r.Violations) == 0 {
		_ = r.wait(pathEmail) || r.wait(pathPhone)
	}
}

// wait notes that a missing value probably is in a field that is not mapped. It reports whether there is such a field.
func (r *Result) wait(path string) bool {
	for _, d := range r.Drift {
		if d.LeadField == path && !d.Taken {
			r.Waiting = append(r.Waiting, Violation{d.Field, RuleUnmapped, fmt.Sprintf("probably is %s, which is missing; add %q under fields", path, d.Line)})
			return true
		}
	}
	return false
}

// set sets a text field of the lead.
func (r *Result) set(t *target, text string, why reasons) {
	p := &r.picked[t.index]
	*t.place(r.Lead) = text
	if why |= p.why; why != 0 {
		r.change(p.field, t.path, p.came(r), text, why)
	}
}

// came returns the values for a target as submitted.
func (p *pick) came(r *Result) string {
	if len(p.more) == 0 {
		return p.raw
	}
	for _, field := range r.submission.GetFields() {
		if field.GetName() == p.field {
			return strings.Join(field.GetValues(), ", ")
		}
	}
	return p.raw
}

func (r *Result) change(field, path, from, to string, why reasons) {
	if why == 0 || from == to && why&(whyLooks|whyDrift) == 0 {
		return
	}
	r.Changes = append(r.Changes, &leadgatev1.Change{Field: field, LeadField: path, From: from, To: to, Reason: why.String()})
}

// refuseOrOmit handles a value that cannot be read: it refuses the submission if the value is required, and otherwise omits it.
func (r *Result) refuseOrOmit(t *target, rule, message string) {
	if t.required {
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

// FieldOf returns the form's name for a field of the lead: the one that was submitted, or else the first, by name, of those that
// map to it. The path may be written as in the configuration (custom.budget) or as by protovalidate (custom["budget"]). A path that
// the form does not map is returned as is.
func (r *Result) FieldOf(leadPath string) string {
	t := r.form.byPath[configured(leadPath)]
	if t == nil {
		return leadPath
	}
	if field := r.picked[t.index].field; field != "" {
		return field
	}
	if (t.path == pathFirstName || t.path == pathLastName) && r.form.byPath[FullName] != nil {
		if field := r.FieldOf(FullName); field != FullName {
			return field
		}
	}
	if len(t.fields) == 0 {
		return t.path
	}
	return t.fields[0]
}
