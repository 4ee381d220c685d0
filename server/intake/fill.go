package intake

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// fillSource fills in the lead's source from what the submission has besides its fields.
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
		if told.target == r.form.pageURL && !isPageAddress(text) {
			continue
		}
		*told.target.place(r.Lead) = cut(text, told.target.most)
	}
}

// fill fills in the lead field of a target.
func (r *Result) fill(t *target) {
	p := &r.picked[t.index]
	if t.path == pathStreet && len(r.beside) > 0 {
		r.joinStreet(p)
	}
	if p.first == "" && (!isNamePart(t.path) || !r.hasFullName()) { // a full name has precedence over a default
		p.first, p.why = t.initial(), whyDefault
	}
	if p.first == "" {
		return
	}
	if len(p.others) > 0 {
		r.choose(t, p)
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
		return // after all parts
	case pathEmail:
		r.fillEmail(t, p)
	case pathCountry:
		r.fillCountry(t, p)
	case pathPhone:
		r.fillPhone(t, p)
	case pathWebsite:
		r.fillWebsite(t, p)
	case pathJobTitle:
		r.fillJobTitle(t, p)
	case pathPageURL:
		r.fillPageURL(t, p)
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

// choose picks, of several fields for one target, the first that can be read, and reports the others.
func (r *Result) choose(t *target, p *pick) {
	all := append([]pick{*p}, p.others...)
	chosen := max(0, slices.IndexFunc(all, func(came pick) bool { return r.reads(t, came.field, came.first) }))
	*p = all[chosen]
	for i, came := range all {
		switch {
		case i < chosen:
			r.Omitted = append(r.Omitted, Violation{came.field, RuleSeveral, fmt.Sprintf("cannot be read as %s; %s, which maps to it too, is used", t.path, p.field)})
		case i > chosen && came.first != p.first:
			r.Omitted = append(r.Omitted, Violation{came.field, RuleSeveral, fmt.Sprintf("maps to %s, as does %s, which came first and is used", t.path, p.field)})
		}
	}
	p.others = all // one may be the calling code of the phone
}

// reads reports whether a target can take a field's value.
func (r *Result) reads(t *target, field, text string) bool {
	switch t.path {
	case pathEmail:
		return strings.Contains(text, "@") && addressFault(text) == ""
	case pathPhone:
		number, _ := readPhone(text, r.phoneRegions()...)
		return number != ""
	case pathCountry:
		return callingCode(text, field) == "" && readCountry(text) != ""
	case pathWebsite:
		return readWebsite(text) != ""
	}
	if t.value == nil || t.value.kind == typeString {
		return true
	}
	_, err := t.value.read(text, r.regionOf())
	return err == nil
}

// phoneRegions returns the countries for which to read national phone numbers: that of a calling code which was submitted as the
// country, then the lead's and the form's.
func (r *Result) phoneRegions() []string {
	beside := ""
	if t := r.form.byPath[pathCountry]; t != nil {
		p := &r.picked[t.index]
		beside = callingCode(p.first, p.field)
		for i := 0; beside == "" && i < len(p.others); i++ {
			beside = callingCode(p.others[i].first, p.others[i].field)
		}
	}
	if beside == "" {
		return []string{r.Lead.GetCountry(), r.form.region}
	}
	return []string{beside, r.Lead.GetCountry(), r.form.region}
}

// join joins several values into one, or takes the first if the target can have only one.
func (r *Result) join(t *target, p *pick) {
	if !slices.ContainsFunc(p.more, func(value string) bool { return value != p.first }) {
		return
	}
	if t.joint == "" {
		r.omit(t, RuleSeveral, "accepts one value; the first is used")
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
	if p.why&whyFirst != 0 {
		r.omit(t, RuleSeveral, "contains several addresses; the first is used")
	}
}

// fillJobTitle leaves out a form of address: the dictionary maps title to the job, but it may hold either.
func (r *Result) fillJobTitle(t *target, p *pick) {
	if r.form.dictionary != nil && isSalutation(p.first) {
		r.omit(t, RuleType, "is a form of address, not a job")
		return
	}
	r.fillText(t, p)
}

// fillPageURL keeps the known address of the page, which may have campaign parameters, if the field holds the page's title instead.
func (r *Result) fillPageURL(t *target, p *pick) {
	if !isPageAddress(p.first) {
		r.omit(t, RuleType, "must be the address of a page")
		return
	}
	r.fillText(t, p)
}

func isPageAddress(text string) bool {
	return strings.Contains(text, "://") || strings.ContainsAny(text, "/.") && !strings.Contains(text, " ")
}

// joinStreet adds the house number and the second line to the street, if the form has separate fields for them.
func (r *Result) joinStreet(p *pick) {
	for _, beside := range r.beside {
		text := beside.first
		switch {
		case text == "":
			continue
		case p.first == "":
			*p = beside.pick
			continue
		case beside.meaning == streetLine2:
			p.first += ", " + text
		case numberFirst(r.Lead.GetCountry()):
			p.first = text + " " + p.first
		default:
			p.first += " " + text
		}
		p.why |= beside.why | whySeveral
	}
}

// dropNoAddress omits text in place of an e-mail address, such as n/a, if the lead has a phone number. Text with an at sign is
// meant as an address: the visitor is asked to correct it.
func (r *Result) dropNoAddress() {
	t := r.form.byPath[pathEmail]
	if t == nil || t.required || r.Lead.Email == "" || strings.Contains(r.Lead.Email, "@") || r.Lead.Phone == "" {
		return
	}
	r.Lead.Email = ""
	r.omit(t, RuleEmail, "must be an e-mail address")
	r.Changes = slices.DeleteFunc(r.Changes, func(change *leadgatev1.Change) bool { return change.GetLeadField() == pathEmail })
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

// fillCustom fills in a custom field, which takes any number of values.
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

// regionOf returns the country for which numbers and dates are read: the lead's, or else the form's.
func (r *Result) regionOf() string {
	if country := r.Lead.GetCountry(); country != "" {
		return country
	}
	return r.form.region
}

// Requirements for a country and a phone number.
const (
	mustBeCountry = "must be the name of a country or its ISO 3166-1 code, such as US"
	mustBePhone   = "must be a phone number, best with its country's code, such as +14155550132"
)

func (r *Result) fillCountry(t *target, p *pick) {
	code := readCountry(p.first)
	if callingCode(p.first, p.field) != "" { // 380 is that of Ukraine, but also the ISO code of Italy
		r.refuseOrOmit(t, RuleCountry, "is a calling code, by which the phone number is read; it does not say which country")
		return
	}
	if code == "" {
		r.refuseOrOmit(t, RuleCountry, mustBeCountry)
		return
	}
	why := whyCountry
	if code == p.first {
		why = 0
	}
	r.set(t, code, why)
}

func (r *Result) fillPhone(t *target, p *pick) {
	number, rest := readPhone(p.first, r.phoneRegions()...)
	if number == "" {
		if r.Lead.GetEmail() == "" {
			r.violate(t, RulePhone, mustBePhone)
			return
		}
		r.refuseOrOmit(t, RulePhone, mustBePhone)
		return
	}
	why := whyE164
	if rest != "" {
		r.omit(t, RulePhone, rest)
		why |= whyRest
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

// splitFullName fills in the parts of a full name. If one part has a field of its own, the full name is the other part, as in
// German forms with Vorname and Name.
func (r *Result) splitFullName() {
	if !r.hasFullName() {
		return
	}
	p := &r.picked[r.form.byPath[FullName].index]
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
		t := r.form.byPath[part.path]
		switch {
		case *part.at != "":
			continue
		case part.text == "":
			if t != nil && t.initial() != "" {
				r.picked[t.index].first, r.picked[t.index].why = t.initial(), whyDefault
				r.fillText(t, &r.picked[t.index])
			}
			continue
		}
		why := p.why
		if part.text != p.first {
			why |= whySplit
		}
		if t != nil && cut(part.text, t.cutTo()) != part.text {
			part.text, why = cut(part.text, t.cutTo()), why|whyCut
		}
		*part.at = part.text
		r.change(p.field, part.path, p.came(r), part.text, why)
	}
}

// hasFullName reports whether the submission has a full name.
func (r *Result) hasFullName() bool {
	t := r.form.byPath[FullName]
	return t != nil && r.picked[t.index].first != ""
}

// isNamePart reports whether a full name includes the field at path.
func isNamePart(path string) bool { return path == pathFirstName || path == pathLastName }

// fillCampaign fills in campaign parameters that no field had from the address of the page, and then from the page on which the
// visit began. It ignores the latter if the two are of different campaigns: a mixture of both would not tell which one worked.
func (r *Result) fillCampaign() {
	source := r.Lead.GetSource()
	page, landing := source.GetPageUrl(), ClientField(r.submission, FieldLanding)
	if differ(page, landing) {
		r.Omitted = append(r.Omitted, Violation{FieldLanding, RuleSeveral, "tells of another campaign than the form's page, whose own is taken"})
		landing = ""
	}
	for _, from := range [...]struct{ field, address string }{{"", page}, {FieldLanding, landing}} {
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
