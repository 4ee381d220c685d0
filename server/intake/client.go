package intake

import (
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

// ClientField returns the value of one of the browser client's fields; empty if it did not come.
func ClientField(submission *leadgatev1.Submission, name string) string {
	for _, field := range submission.GetFields() {
		if field.GetName() == name && len(field.GetValues()) > 0 {
			return field.GetValues()[0]
		}
	}
	return ""
}
