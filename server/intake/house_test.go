package intake_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/structpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newForm returns a form named "contact" that maps everything a typical page has. change may be nil.
func newForm(t testing.TB, change func(*configv1.Form)) *intake.Form {
	t.Helper()
	cfg := &configv1.Form{
		Fields: map[string]string{
			"email": "email", "firstname": "first_name", "lastname": "last_name", "phone": "phone",
			"company": "company", "company_name": "company", "country": "country", "message": "message",
			"budget": "custom.budget", "interests[]": "custom.interests",
			"utm_campaign": "source.utm_campaign", "referrer": "source.referrer", "page": "source.page_url",
		},
		Ignore:        []string{"csrf_token"},
		DefaultRegion: "US",
		Destinations:  []string{"crm"},
	}
	if change != nil {
		change(cfg)
	}
	form, err := intake.NewForm("contact", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

// submission returns a submission with fields given as name, value, name, value. A repeated name adds a value.
func submission(pairs ...string) *leadgatev1.Submission {
	s := &leadgatev1.Submission{}
	at := map[string]*leadgatev1.Submission_Field{}
	for i := 0; i < len(pairs); i += 2 {
		field := at[pairs[i]]
		if field == nil {
			field = &leadgatev1.Submission_Field{Name: pairs[i]}
			at[pairs[i]] = field
			s.Fields = append(s.Fields, field)
		}
		field.Values = append(field.Values, pairs[i+1])
	}
	return s
}

// asText returns the value of a custom field, with its type if it is not a text.
func asText(value *structpb.Value) string {
	switch kind := value.GetKind().(type) {
	case *structpb.Value_StringValue:
		return kind.StringValue
	case *structpb.Value_ListValue:
		var items []string
		for _, item := range kind.ListValue.GetValues() {
			items = append(items, asText(item))
		}
		return "[" + strings.Join(items, " | ") + "]"
	}
	return fmt.Sprintf("%T %v", value.AsInterface(), value.AsInterface())
}

// read returns the result of a form for fields given as to submission.
func read(form *intake.Form, pairs ...string) *intake.Result {
	return form.Lead(submission(pairs...))
}
