package intake

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

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
}

// pick is what came for a target.
type pick struct {
	field string // the form's field it came in; the first empty one if none was filled in; "" if none came
	raw   string // as it came, where there was one value
	first string // the first value, cleaned; empty if none came
	more  []string
	why   reasons
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
	r.splitFullName()
	r.fillCampaign()
	r.fillConsents()
	r.checkRequired()
	return r
}

// take sorts a field to where it belongs.
func (r *Result) take(field *leadgatev1.Submission_Field) {
	name := field.GetName()
	if _, ignored := r.form.ignored[name]; ignored || name == KeyField {
		return
	}
	t := r.form.resolve(name)
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

// stranger remembers a field that leads nowhere.
func (r *Result) stranger(field *leadgatev1.Submission_Field) {
	name := field.GetName()
	if _, ok := r.form.silent[name]; ok || IsClientField(name) {
		return
	}
	if r.form.dictionary != nil {
		if _, _, ok := gravity(name); ok {
			r.gravity = append(r.gravity, field)
			return
		}
	}
	if r.form.known.meaning(name) == plumbing {
		return
	}
	r.Unmapped = append(r.Unmapped, name)
	if !isSecret(name) {
		r.strangers = append(r.strangers, field)
	}
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
		r.Omitted = append(r.Omitted, Violation{came.field, RuleSeveral, fmt.Sprintf("leads to %s, as does %s, which came first and is taken", t.path, p.field)})
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
func (r *Result) fillSource() {
	if address := r.submission.GetAddress(); address != "" {
		if _, err := netip.ParseAddr(address); err == nil {
			r.Lead.Source.Ip = address
		}
	}
	for _, told := range [...]struct {
		target *target
		text   string
	}{{r.form.pageURL, r.submission.GetPageUrl()}, {r.form.userAgent, r.submission.GetUserAgent()}} {
		text, _ := told.target.clean(told.text)
		*told.target.place(r.Lead) = cut(text, told.target.most)
	}
}

// fill puts what came for a target into the lead.
func (r *Result) fill(t *target) {
	p := &r.picked[t.index]
	if p.first == "" {
		if t.value == nil || t.value.initial == "" || t.path == FullName {
			return
		}
		p.first, p.why = t.value.initial, whyDefault
	}
	if t.isCustom() {
		r.fillCustom(t, p)
		return
	}
	if len(p.more) > 0 {
		r.join(t, p)
	}
	switch t.path {
	case FullName:
		return // when all parts are there
	case pathEmail:
		r.fillEmail(t, p)
	case pathCountry:
		r.fillCountry(t, p)
	case pathPhone:
		r.fillPhone(t, p)
	case pathWebsite:
		r.fillWebsite(t, p)
	case pathRegion:
		text, why := tidyRegion(p.first, r.Lead.GetCountry())
		r.set(t, text, why)
	case pathPostalCode:
		text, why := tidyPostalCode(p.first, r.Lead.GetCountry())
		r.set(t, text, why)
	default:
		r.fillText(t, p)
	}
}

// join makes one value of several, or takes the first where one is all that there can be.
func (r *Result) join(t *target, p *pick) {
	if !slices.ContainsFunc(p.more, func(value string) bool { return value != p.first }) {
		return
	}
	if t.joint == "" {
		r.omit(t, RuleSeveral, "takes one value; the first is taken")
		return
	}
	joined, why := t.clean(strings.Join(append([]string{p.first}, p.more...), t.joint))
	p.first, p.why = joined, p.why|why|whySeveral
}

func (r *Result) fillEmail(t *target, p *pick) {
	r.set(t, p.first, 0)
	if fault := addressFault(p.first); fault != "" {
		r.violate(t, RuleEmail, fault)
	}
}

func (r *Result) fillText(t *target, p *pick) {
	text := p.first
	if t.value != nil && t.value.kind != typeString {
		value, err := t.value.read(text, r.regionOf())
		if err != nil {
			r.refuseOrOmit(t, RuleType, err.Error())
			return
		}
		if read := textOf(value); read != text {
			text, p.why = read, p.why|whyTyped
		}
	}
	if short := cut(text, t.cutTo()); short != text {
		text, p.why = short, p.why|whyCut
	}
	r.set(t, text, 0)
}

// fillCustom fills a field of the business's own, which takes any number of values.
func (r *Result) fillCustom(t *target, p *pick) {
	if t.value == nil && len(p.more) == 0 {
		t.setCustom(r.Lead, structpb.NewStringValue(p.first))
		r.change(p.field, t.path, p.raw, p.first, p.why)
		return
	}
	values := make([]*structpb.Value, 0, 1+len(p.more))
	for i := range 1 + len(p.more) {
		text := p.first
		if i > 0 {
			text = p.more[i-1]
		}
		if t.value == nil {
			values = append(values, structpb.NewStringValue(text))
			continue
		}
		value, err := t.value.read(text, r.regionOf())
		if err != nil {
			r.refuseOrOmit(t, RuleType, err.Error())
			continue
		}
		if read := textOf(value); read != text {
			p.why |= whyTyped
			if t.value.kind == typeString {
				p.why = p.why&^whyTyped | whyCut
			}
		}
		values = append(values, value)
	}
	if len(values) == 0 {
		return
	}
	t.setCustom(r.Lead, values...)
	if p.why != 0 {
		texts := make([]string, len(values))
		for i, value := range values {
			texts[i] = textOf(value)
		}
		r.change(p.field, t.path, p.came(r), strings.Join(texts, ", "), p.why)
	}
}

// regionOf is the country by which numbers and dates are read: the lead's, or else the form's.
func (r *Result) regionOf() string {
	if country := r.Lead.GetCountry(); country != "" {
		return country
	}
	return r.form.region
}

func (r *Result) fillCountry(t *target, p *pick) {
	code := readCountry(p.first)
	if code == "" {
		r.refuseOrOmit(t, RuleCountry, "must be the name of a country or its ISO 3166-1 code, such as US")
		return
	}
	why := whyCountry
	if code == p.first {
		why = 0
	}
	r.set(t, code, why)
}

func (r *Result) fillPhone(t *target, p *pick) {
	number, extension := readPhone(p.first, r.Lead.GetCountry(), r.form.region)
	if number == "" {
		const message = "must be a phone number, best with its country's code, such as +14155550132"
		if r.Lead.GetEmail() == "" {
			r.violate(t, RulePhone, message)
			return
		}
		r.refuseOrOmit(t, RulePhone, message)
		return
	}
	why := whyE164
	if extension {
		r.omit(t, RulePhone, "has an extension, which a lead's phone has no room for")
		why |= whyExtension
	}
	if number == p.first {
		why = 0
	}
	r.set(t, number, why)
}

func (r *Result) fillWebsite(t *target, p *pick) {
	address := readWebsite(p.first)
	if address == "" {
		r.refuseOrOmit(t, RuleWebsite, "must be the address of a web site, such as https://www.example.com")
		return
	}
	var why reasons
	if address != p.first {
		why = whyURL
	}
	r.set(t, address, why)
}

// splitFullName fills in the parts of a name that came as a whole. Where one part came by itself, the whole is the other
// one, as in German forms with Vorname and Name.
func (r *Result) splitFullName() {
	t := r.form.byPath[FullName]
	if t == nil || r.picked[t.index].first == "" {
		return
	}
	p := &r.picked[t.index]
	full, lead := p.first, r.Lead
	first, last := splitName(full, r.regionOf())
	switch {
	case lead.FirstName != "" && lead.LastName != "":
		return
	case lead.FirstName != "":
		first = lead.FirstName
		if rest, ok := cutPrefixFold(full, first+" "); ok {
			full = rest
		}
		last = full
	case lead.LastName != "":
		first = strings.TrimSuffix(full, " "+lead.LastName)
		last = lead.LastName
	}
	for _, part := range [...]struct {
		path, text string
		at         *string
	}{{pathFirstName, first, &lead.FirstName}, {pathLastName, last, &lead.LastName}} {
		if *part.at != "" || part.text == "" {
			continue
		}
		*part.at = part.text
		why := p.why
		if part.text != p.first {
			why |= whySplit
		}
		r.change(p.field, part.path, p.came(r), part.text, why)
	}
}

// fillCampaign fills in what the address of the page says and no field did, and then that of the page on which the visit
// began.
func (r *Result) fillCampaign() {
	source := r.Lead.GetSource()
	for _, from := range [...]struct{ field, address string }{
		{"", source.GetPageUrl()}, {FieldLanding, ClientField(r.submission, FieldLanding)},
	} {
		campaign(from.address, source, func(path string, at *string, value string) {
			if *at != "" {
				return
			}
			if value, _ = line(value); value != "" {
				*at = cut(value, maxLen(textField(source, strings.TrimPrefix(path, sourcePrefix))))
				r.change(from.field, path, "", *at, whyAddress)
			}
		})
	}
	if source.Referrer == "" {
		referrer, _ := line(ClientField(r.submission, FieldReferrer))
		source.Referrer = cut(referrer, maxLen(textField(source, "referrer")))
	}
}

// checkRequired finds what is missing. What came under a name that nothing maps is no fault of the visitor's.
func (r *Result) checkRequired() {
	for _, t := range r.form.required {
		if r.picked[t.index].first != "" || t.place != nil && *t.place(r.Lead) != "" || t.path == FullName && (r.Lead.FirstName != "" || r.Lead.LastName != "") {
			continue
		}
		if !r.wait(t.path) {
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
	if from == to && why&(whyLooks|whyDrift) == 0 {
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
