package intake

import (
	"fmt"
	"strings"

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
	// RuleEmail says that an e-mail address breaks a rule of RFC 5321.
	RuleEmail = "form.email"
	// RulePhone says that a phone number cannot be read.
	RulePhone = "form.phone"
	// RuleCountry says that a country is not known.
	RuleCountry = "form.country"
	// RuleWebsite says that a web site's address cannot be read.
	RuleWebsite = "form.website"
	// RuleType says that a value is not of the type that is configured.
	RuleType = "form.type"
	// RuleSeveral says that several values came for a field that takes one.
	RuleSeveral = "form.several"
	// RuleConsent says that what came for a consent is neither yes nor no.
	RuleConsent = "form.consent"
	// RuleUnmapped says that a field that is needed came under a name that nothing maps.
	RuleUnmapped = "form.unmapped"
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
	// Waiting are the reasons to keep the submission for a person, because what it lacks did come, under a name that
	// nothing maps. The lead then may break rules of lead.proto.
	Waiting []Violation
	// Omitted are values that the lead does without, because they cannot be read, or because it has room for one only. They
	// are no reason to refuse it: Stored keeps them.
	Omitted []Violation
	// Unmapped names the fields, in their order, that lead nowhere and are not ignored. What form builders send beside the
	// visitor's own words is not among them.
	Unmapped []string
	// Drift are the fields, among those unmapped, that look like one that did not come.
	Drift []Drift
	// Changes are the differences between what came and the lead, each with its reason.
	Changes []*leadgatev1.Change

	form       *Form
	submission *leadgatev1.Submission
	picked     []pick // by index of the form's targets
	strangers  []*leadgatev1.Submission_Field
	gravity    []*leadgatev1.Submission_Field
	beside     []beside
}

// pick is what came for a target.
type pick struct {
	field string // the form's field it came in; the first empty one if none was filled in; "" if none came
	raw   string // as it came, where there was one value
	first string // the first value, cleaned; empty if none came
	more  []string
	why   reasons
	// others are what came for it in further fields.
	others []pick
}

// Lead maps and cleans a submission, which it leaves as it is; nil is an empty one.
//
// Where several fields lead to one of the lead's, the first in the submission that is not empty and can be read wins: the
// configuration is a map, and has no order. For how values are cleaned, see the package's documentation.
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

// take sorts a field to where it belongs.
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

// namesTheForm says whether a field called name is the form's rather than the visitor's: in Webflow's webhook, and where the
// visitor's own words stand under data.
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

// stranger remembers a field that leads nowhere.
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

// beside is what came in a field that belongs to the street.
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

// pick takes what came in a field for a target, unless something came before.
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

// checkRequired finds what is missing. What came under a name that nothing maps is no fault of the visitor's.
func (r *Result) checkRequired() {
	for _, t := range r.form.required {
		if r.picked[t.index].first != "" || t.place != nil && *t.place(r.Lead) != "" || t.path == FullName && (r.Lead.FirstName != "" || r.Lead.LastName != "") {
			continue
		}
		full := r.came(FullName)
		switch {
		case full && t.path == pathFirstName && r.Lead.LastName != "": // 王小明, Mr Smith: the visitor gave what there is
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

// wait notes that a lead field is missing whose value stands in a field that nothing maps; it reports whether there is one.
func (r *Result) wait(path string) bool {
	for _, d := range r.Drift {
		if d.LeadField == path && !d.Taken {
			r.Waiting = append(r.Waiting, Violation{d.Field, RuleUnmapped, fmt.Sprintf("probably is %s, which is missing; add %q under fields", path, d.Line)})
			return true
		}
	}
	return false
}

// set puts a text into the lead.
func (r *Result) set(t *target, text string, why reasons) {
	p := &r.picked[t.index]
	*t.place(r.Lead) = text
	if why |= p.why; why != 0 {
		r.change(p.field, t.path, p.came(r), text, why)
	}
}

// came is what came for a target, as it came.
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

// refuseOrOmit deals with a value that cannot be read: a form that requires it refuses the submission, another goes on
// without it.
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
