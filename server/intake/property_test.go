package intake_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// Form fields: one for each of the form's lead fields, and some that are not mapped.
var pageFields = []string{
	"email", "firstname", "lastname", "phone", "company", "country", "message", "budget", "interests[]", "utm_campaign", "referrer",
	"page", "csrf_token", "unknown",
}

// anyText draws what people and programs enter into forms: clean, careless and hostile text.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ \t]{0,2}[A-Za-zéß]{1,10}[ \x{00a0}\x{200b}]{0,2}[A-Za-z\x{0300}-\x{0303}]{0,10}\r?\n?`),
		rapid.StringMatching(`[A-Za-z.ÄÖ]{1,8}@[A-Za-z.-]{1,8}\.(com|DE|museum)`),
		rapid.StringMatching(`(\+|00)?[0-9]{1,3}[ ()/.-]{0,2}[0-9 ]{2,16}( ?(x|ext\.) ?[0-9]{1,4})?`),
		rapid.SampledFrom([]string{"Germany", "uk", "日本", "4.000,50", "1/2/2026", "ja", "\"A\" <a@example.com>", "mailto:a@b.co", "<b>x</b>", "&amp;lt;", "VAN DER BERG", "www.example.com", "asdfgh", "XX", "(415) 555-0132", "İstanbul", "\u212a", "\x00", "a\u0301\u0323", strings.Repeat("\u0301", 40)}),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bytes")) }),
	)
}

func anySubmission() *rapid.Generator[*leadgatev1.Submission] {
	return rapid.Custom(func(t *rapid.T) *leadgatev1.Submission {
		s := &leadgatev1.Submission{
			Address: anyText().Draw(t, "address"), UserAgent: anyText().Draw(t, "user agent"), PageUrl: anyText().Draw(t, "page"),
		}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(pageFields), rapid.ID).Draw(t, "names") {
			s.Fields = append(s.Fields, &leadgatev1.Submission_Field{
				Name: name, Values: rapid.SliceOfN(anyText(), 0, 3).Draw(t, name),
			})
		}
		return s
	})
}

func TestAnyLeadIsCleanAndStaysSoWhenReadAgain(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		lead := form.Lead(anySubmission().Draw(t, "submission")).Lead
		for name, text := range texts(lead) {
			checkClean(t, name, text)
		}
		again := form.Lead(asSubmission(lead)).Lead
		if diff := cmp.Diff(lead, again, protocmp.Transform()); diff != "" {
			t.Fatalf("read again:\n%s", diff)
		}
	})
}

// Only a visitor's input in a text field may break a rule: phone, country and source are either valid or left out.
func TestAnyLeadBreaksOnlyRulesThatItsVisitorCanMend(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		result := form.Lead(anySubmission().Draw(t, "submission"))
		var broken *protovalidate.ValidationError
		if err := protovalidate.Validate(result.Lead); err != nil && !errors.As(err, &broken) {
			t.Fatal(err)
		}
		if broken == nil {
			return
		}
		for _, v := range broken.Violations {
			path := protovalidate.FieldPathString(v.Proto.GetField())
			if path != "" && path != "email" {
				t.Fatalf("%s: %s", path, v.Proto.GetMessage())
			}
		}
	})
}

// All input is in the lead, or reported, or blank.
func TestNoValueIsLostInSilence(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		s := anySubmission().Draw(t, "submission")
		before := proto.CloneOf(s)
		result := form.Lead(s)
		if !proto.Equal(before, s) {
			t.Fatal("the submission was changed")
		}
		reported := map[string]bool{}
		for _, v := range append(result.Violations, result.Omitted...) {
			reported[v.Field] = true
		}
		if (result.Lead.GetPhone() == "") && filled(s, "phone") && !reported["phone"] {
			t.Fatal("the phone number is gone")
		}
		if (result.Lead.GetCountry() == "") && filled(s, "country") && !reported["country"] {
			t.Fatal("the country is gone")
		}
		stored := map[string]bool{}
		for _, field := range result.Stored.GetFields() {
			stored[field.GetName()] = true
		}
		for _, field := range s.GetFields() {
			if !stored[field.GetName()] && field.GetName() != "csrf_token" {
				t.Fatalf("%s is not stored", field.GetName())
			}
		}
	})
}

// For any form and any input.
func TestEveryFormTakesWhateverComes(t *testing.T) {
	t.Parallel()
	forms := everyForm(t)
	names := append([]string{
		"name", "website", "zip", "state", "when", "size", "ok", "trap", "shown", "news", "news_text", "e-mail", "your-email", "form_fields[phone]", "input_1.3",
		"input_1.1", "wpforms[fields][0]", "tags[0]", "tags[1]", "password", "Nachricht", "page_url", "leadgate_landing",
	}, pageFields...)
	rapid.Check(t, func(t *rapid.T) {
		s := &leadgatev1.Submission{Address: anyText().Draw(t, "address"), PageUrl: anyText().Draw(t, "page")}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, "names") {
			s.Fields = append(s.Fields, &leadgatev1.Submission_Field{Name: name, Values: rapid.SliceOfN(anyText(), 0, 3).Draw(t, name)})
		}
		checkResult(t, forms[rapid.SampledFrom([]string{"configured", "bare", "auto map"}).Draw(t, "form")], s)
	})
}

// filled reports whether a field has anything visible.
func filled(s *leadgatev1.Submission, name string) bool {
	for _, field := range s.GetFields() {
		if field.GetName() == name {
			return strings.ContainsFunc(strings.Join(field.GetValues(), ""), func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
		}
	}
	return false
}

func texts(lead *leadgatev1.Lead) map[string]string {
	all := map[string]string{
		"email": lead.GetEmail(), "first_name": lead.GetFirstName(), "last_name": lead.GetLastName(), "company": lead.GetCompany(),
		"message": lead.GetMessage(), "campaign": lead.GetSource().GetUtmCampaign(), "browser": lead.GetSource().GetUserAgent(),
	}
	for name, value := range lead.GetCustom() {
		all[name] = value.GetStringValue()
		for i, item := range value.GetListValue().GetValues() {
			all[fmt.Sprint(name, i)] = item.GetStringValue()
		}
	}
	return all
}

func checkClean(t *rapid.T, name, text string) {
	t.Helper()
	if !utf8.ValidString(text) || norm.NFC.String(text) != text || text != strings.TrimSpace(text) {
		t.Fatalf("%s is %q", name, text)
	}
	for _, r := range text {
		if unicode.IsControl(r) && (r != '\n' || name != "message") {
			t.Fatalf("%s has a control character: %q", name, text)
		}
	}
	if name != "message" && strings.Contains(text, "  ") {
		t.Fatalf("%s has a run of spaces: %q", name, text)
	}
}

// asSubmission returns a submission that would result in the lead.
func asSubmission(lead *leadgatev1.Lead) *leadgatev1.Submission {
	s := submission(
		"email", lead.GetEmail(), "firstname", lead.GetFirstName(), "lastname", lead.GetLastName(), "phone", lead.GetPhone(),
		"company", lead.GetCompany(), "country", lead.GetCountry(), "message", lead.GetMessage(),
		"utm_campaign", lead.GetSource().GetUtmCampaign(), "referrer", lead.GetSource().GetReferrer(), "page", lead.GetSource().GetPageUrl(),
	)
	for name, field := range map[string]string{"budget": "budget", "interests": "interests[]"} {
		value := lead.GetCustom()[name]
		values := []string{value.GetStringValue()}
		for _, item := range value.GetListValue().GetValues() {
			values = append(values, item.GetStringValue())
		}
		s.Fields = append(s.Fields, &leadgatev1.Submission_Field{Name: field, Values: values})
	}
	s.Address, s.UserAgent = lead.GetSource().GetIp(), lead.GetSource().GetUserAgent()
	return s
}

func TestAnyLeadTidiedTwiceIsTidiedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lead := &leadgatev1.Lead{
			Email: anyText().Draw(t, "email"), Country: anyText().Draw(t, "country"), Message: anyText().Draw(t, "message"),
			Source: &leadgatev1.Source{PageUrl: anyText().Draw(t, "page")},
		}
		intake.Tidy(lead)
		once := proto.CloneOf(lead)
		intake.Tidy(lead)
		if diff := cmp.Diff(once, lead, protocmp.Transform()); diff != "" {
			t.Fatal(diff)
		}
	})
}
