package intake

import (
	"net/url"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// The fields that leadgate's own browser client sends beside the visitor's, clients/js/src/visit.ts. They are kept with the
// submission and are no part of what makes two submissions different. A form may map them as any other.
const (
	clientPrefix = "leadgate_"

	// FieldPage is the address of the page that held the form.
	FieldPage = clientPrefix + "page"
	// FieldLanding is the address of the page on which the visit began, which has the campaign's parameters.
	FieldLanding = clientPrefix + "landing"
	// FieldReferrer is the address of the page before that one.
	FieldReferrer = clientPrefix + "referrer"
	// FieldElapsed is how long the visitor took to fill the form in, in milliseconds.
	FieldElapsed = clientPrefix + "elapsed_ms"
)

// IsClientField says whether a field is one of the browser client's own.
func IsClientField(name string) bool { return strings.HasPrefix(name, clientPrefix) }

// visited is a place in a lead's source that the browser client knows: the value of its field, or of a parameter in the query
// of the address that the field holds.
type visited struct {
	target           *target
	field, parameter string
}

func newVisited() ([]visited, error) {
	all := []visited{{field: FieldReferrer}}
	paths := []string{sourcePrefix + "referrer"}
	for _, parameter := range []string{"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"} {
		all, paths = append(all, visited{field: FieldLanding, parameter: parameter}), append(paths, sourcePrefix+parameter)
	}
	for i, path := range paths {
		var err error
		if all[i].target, err = newTarget(path); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fillVisit says where a lead came from as far as the browser client knows it and no field of the form said so.
func (r *Result) fillVisit(submission *leadgatev1.Submission) {
	for _, v := range r.form.visited {
		if r.Lead.GetSource().ProtoReflect().Has(v.target.field) {
			continue
		}
		value := ClientField(submission, v.field)
		if v.parameter != "" {
			address, err := url.Parse(value)
			if err != nil {
				continue // a browser says what it likes
			}
			value = address.Query().Get(v.parameter)
		}
		if value = v.target.clean(value); value != "" {
			v.target.set(r.Lead, value)
		}
	}
}

// ClientField returns the value of one of the browser client's fields; empty if it did not come.
func ClientField(submission *leadgatev1.Submission, name string) string {
	for _, field := range submission.GetFields() {
		if field.GetName() == name && len(field.GetValues()) > 0 {
			return field.GetValues()[0]
		}
	}
	return ""
}
