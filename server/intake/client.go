package intake

import (
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// The fields that leadgate's own browser client adds to the visitor's (clients/js/src/visit.ts). They are stored with the
// submission, but do not make two submissions different. A form may map them like any other.
const (
	clientPrefix = "leadgate_"

	// FieldPage is the address of the page with the form.
	FieldPage = clientPrefix + "page"
	// FieldLanding is the address of the page on which the visit began, with the campaign's parameters.
	FieldLanding = clientPrefix + "landing"
	// FieldReferrer is the address of the page before that.
	FieldReferrer = clientPrefix + "referrer"
	// FieldElapsed is how long the visitor took to fill in the form, in milliseconds.
	FieldElapsed = clientPrefix + "elapsed_ms"
)

// IsClientField reports whether a field belongs to the browser client.
func IsClientField(name string) bool { return strings.HasPrefix(name, clientPrefix) }

// ClientField returns the value of a field of the browser client; empty if it is missing.
func ClientField(submission *leadgatev1.Submission, name string) string {
	for _, field := range submission.GetFields() {
		if field.GetName() == name && len(field.GetValues()) > 0 {
			return field.GetValues()[0]
		}
	}
	return ""
}
