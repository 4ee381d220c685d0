package intake_test

import (
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

func TestASubmissionBecomesACleanLead(t *testing.T) {
	t.Parallel()
	s := submission(
		"email", " Ada@Example.COM ", "firstname", "  Ada\tKing ", "lastname", "Love\x00lace", "phone", "(415) 555-0132",
		"company_name", "Analytical  Engines", "country", "Vereinigtes Königreich",
		"message", "  Dear all,\r\n\r\nsee   below:\tone\x07 \n", "budget", "4000", "interests[]", "looms", "interests[]", "", "interests[]", " numbers ",
		"utm_campaign", "spring", "referrer", "https://search.example/?q=looms",
	)
	s.Address, s.UserAgent, s.PageUrl = "192.0.2.7", "Browser/1.0", "https://www.example.com/contact"
	result := newForm(t, nil).Lead(s)
	want := &leadgatev1.Lead{
		Email: "ada@example.com", FirstName: "Ada King", LastName: "Lovelace", Phone: "+14155550132",
		Company: "Analytical Engines", Country: "GB", Message: "Dear all,\n\nsee   below: one",
		Custom: map[string]*structpb.Value{
			"budget":    structpb.NewStringValue("4000"),
			"interests": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("looms"), structpb.NewStringValue("numbers")}}),
		},
		Source: &leadgatev1.Source{
			Form: "contact", PageUrl: "https://www.example.com/contact", Referrer: "https://search.example/?q=looms",
			UtmCampaign: "spring", Ip: "192.0.2.7", UserAgent: "Browser/1.0",
		},
	}
	if diff := cmp.Diff(want, result.Lead, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if err := protovalidate.Validate(result.Lead); err != nil {
		t.Error(err)
	}
	if len(result.Violations)+len(result.Omitted)+len(result.Unmapped) > 0 {
		t.Errorf("violations %v, omitted %v, unmapped %v", result.Violations, result.Omitted, result.Unmapped)
	}
}

func TestTheFirstFieldThatIsNotEmptyWins(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	for _, test := range []struct {
		pairs       []string
		want, field string
	}{
		{[]string{"company", "Old", "company_name", "New"}, "Old", "company"},
		{[]string{"company_name", "New", "company", "Old"}, "New", "company_name"},
		{[]string{"company", " \t", "company_name", "New"}, "New", "company_name"},
		{[]string{"company_name", " "}, "", "company_name"},
		{nil, "", "company"},
	} {
		result := read(form, test.pairs...)
		if got, field := result.Lead.GetCompany(), result.FieldOf("company"); got != test.want || field != test.field {
			t.Errorf("%q: %q in field %q, want %q in %q", test.pairs, got, field, test.want, test.field)
		}
	}
}

// Scripts for selecting a calling code send the number twice, or the code in another field.
func TestOfSeveralFieldsForOneTheFirstThatCanBeReadWins(t *testing.T) {
	t.Parallel()
	form, err := intake.NewForm("contact", &configv1.Form{DefaultRegion: "US"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		pairs                 []string
		phone, country, email string
	}{
		{[]string{"phone", "07400 123456", "phone_full", "+447400123456"}, "+447400123456", "", ""},
		{[]string{"phone_full", "+447400123456", "phone", "07400 123456"}, "+447400123456", "", ""},
		{[]string{"country_code", "+44", "phone", "7712345678"}, "+447712345678", "", ""},
		{[]string{"phone", "7712345678", "dialCode", "44"}, "+447712345678", "", ""},
		{[]string{"country_code", "380", "country", "Україна", "phone", "501234567"}, "+380501234567", "UA", ""},
		{[]string{"country_code", "276"}, "", "DE", ""},
		{[]string{"phone[country]", "+44", "phone[number]", "7400123456", "country", "Germany"}, "+447400123456", "DE", ""},
		{[]string{"country", "Germany", "phone_country_code", "0044", "phone", "7400 123456"}, "+447400123456", "DE", ""},
		{[]string{"country", "44", "phone", "(415) 555-0132"}, "+14155550132", "", ""},
		{[]string{"phone", "see below", "mobile", "(415) 555-0132"}, "+14155550132", "", ""},
		{[]string{"email", "n/a", "work_email", "ada@example.com"}, "", "", "ada@example.com"},
	} {
		result := form.Lead(submission(test.pairs...))
		lead := result.Lead
		if lead.GetPhone() != test.phone || lead.GetCountry() != test.country || lead.GetEmail() != test.email || len(result.Violations) > 0 {
			t.Errorf("%q: phone %q, country %q, email %q, violations %v; want %q, %q, %q", test.pairs, lead.GetPhone(), lead.GetCountry(), lead.GetEmail(),
				result.Violations, test.phone, test.country, test.email)
		}
	}
	result := form.Lead(submission("phone", "see below", "mobile", "(415) 555-0132", "tel", "(415) 555-0133"))
	want := []intake.Violation{
		{Field: "phone", Rule: intake.RuleSeveral, Message: "cannot be read as phone; mobile, which maps to it too, is used"},
		{Field: "tel", Rule: intake.RuleSeveral, Message: "maps to phone, as does mobile, which came first and is used"},
	}
	if diff := cmp.Diff(want, result.Omitted); diff != "" {
		t.Error(diff)
	}
}

func TestFieldsAreNamedAsThePageNamesThem(t *testing.T) {
	t.Parallel()
	result := read(newForm(t, nil), "budget", "1")
	for path, want := range map[string]string{
		"email": "email", "first_name": "firstname", "custom.budget": "budget", `custom["budget"]`: "budget",
		"source.page_url": "page", "source.ip": "source.ip", "custom": "custom", "": "",
	} {
		if got := result.FieldOf(path); got != want {
			t.Errorf("%q is %q, want %q", path, got, want)
		}
	}
}

func TestRequiredFieldsAreAllNamedAtOnce(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) { cfg.Required = []string{"email", "company", "custom.budget", "country"} })
	result := read(form, "email", "  ", "company_name", "", "country", "Neverland")
	got := map[string]string{}
	for _, v := range result.Violations {
		got[v.Field] = v.Rule
	}
	want := map[string]string{
		"email": intake.RuleRequired, "company_name": intake.RuleRequired, "budget": intake.RuleRequired, "country": intake.RuleCountry,
	}
	if diff := cmp.Diff(want, got); diff != "" || len(result.Violations) != len(want) {
		t.Errorf("%v\n%s", result.Violations, diff)
	}
}

func TestAFullNameThatCannotBePartedIsRefusedOnlyWhereTheVisitorCanMendIt(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Fields = map[string]string{"email": "email", "name": intake.FullName}
		cfg.Required = []string{"first_name", "last_name"}
	})
	for name, want := range map[string][]intake.Violation{
		"Ada Lovelace": nil, "王小明": nil, "Mr Smith": nil,
		"Ada": {{Field: "name", Rule: intake.RuleRequired, Message: "must hold a first and a last name"}},
		"":    {{Field: "name", Rule: intake.RuleRequired, Message: "must be filled in"}, {Field: "name", Rule: intake.RuleRequired, Message: "must be filled in"}},
	} {
		if diff := cmp.Diff(want, form.Lead(submission("email", "ada@example.com", "name", name)).Violations); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
}

func TestThePartsOfAFullNameAreReadAsConfigured(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Fields = map[string]string{"email": "email", "name": intake.FullName}
		cfg.Values = map[string]*configv1.Value{"first_name": {Default: "Friend"}, "last_name": {Default: "of the house", MaxLength: 12}}
		cfg.Required = nil
	})
	for name, want := range map[string]string{
		"Ada Lovelace":             "Ada|Lovelace",
		"Ludwig van Beethoven":     "Ludwig|van Beethove",
		"Ada":                      "Ada|of the house",
		"":                         "Friend|of the house",
		"Wolfgang Amadeus Mozart ": "Wolfgang Amadeus|Mozart",
	} {
		lead := form.Lead(submission("email", "ada@example.com", "name", name)).Lead
		if got := lead.GetFirstName() + "|" + lead.GetLastName(); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}

func TestWhatAFieldCallsByTheSameNameAsAnotherIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	form, err := intake.NewForm("contact", &configv1.Form{DefaultRegion: "US"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		pairs                []string
		jobTitle, page, told string
	}{
		{[]string{"title", "Mr"}, "", "https://www.example.com/", "title is left out"},
		{[]string{"title", "Dr."}, "", "https://www.example.com/", "title is left out"},
		{[]string{"title", "Professor"}, "Professor", "https://www.example.com/", ""},
		{[]string{"title", "Head of Looms"}, "Head of Looms", "https://www.example.com/", ""},
		{[]string{"page", "Contact us"}, "", "https://www.example.com/", "page is left out"},
		{[]string{"page", "/contact"}, "", "/contact", ""},
		{[]string{"page", "https://shop.example.com/a"}, "", "https://shop.example.com/a", ""},
	} {
		s := submission(test.pairs...)
		s.PageUrl = "https://www.example.com/"
		result := form.Lead(s)
		told := ""
		for _, omitted := range result.Omitted {
			told = omitted.Field + " is left out"
		}
		if lead := result.Lead; lead.GetJobTitle() != test.jobTitle || lead.GetSource().GetPageUrl() != test.page || told != test.told {
			t.Errorf("%q: job %q, page %q, told %q", test.pairs, lead.GetJobTitle(), lead.GetSource().GetPageUrl(), told)
		}
	}
}

func TestTheNumberOfAHouseJoinsItsStreet(t *testing.T) {
	t.Parallel()
	form, err := intake.NewForm("contact", &configv1.Form{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		pairs []string
		want  string
	}{
		{[]string{"street", "Weg", "house_number", "5"}, "Weg 5"},
		{[]string{"house_number", "5", "street", "Weg", "country", "Germany"}, "Weg 5"},
		{[]string{"house_number", "5", "street", "Main Street", "country", "US"}, "5 Main Street"},
		{[]string{"address", "5 Main Street", "address_line_2", "Apt 4", "country", "US"}, "5 Main Street, Apt 4"},
		{[]string{"street", "Weg 5", "house_number", ""}, "Weg 5"},
		{[]string{"address2", "Apt 4"}, "Apt 4"},
	} {
		result := form.Lead(submission(test.pairs...))
		if got := result.Lead.GetStreet(); got != test.want || len(result.Unmapped)+len(result.Omitted) > 0 {
			t.Errorf("%q: %q, want %q; unmapped %v, omitted %v", test.pairs, got, test.want, result.Unmapped, result.Omitted)
		}
	}
}

func TestWhoLeavesAPhoneNumberNeedsNoAddress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		email, phone string
		required     []string
		refused      bool
	}{
		{"n/a", "(415) 555-0132", nil, false},
		{"None", "(415) 555-0132", nil, false},
		{"n/a", "", nil, true},
		{"n/a", "(415) 555-0132", []string{"email"}, true},
		{"ada@example", "(415) 555-0132", nil, true},
	} {
		form := newForm(t, func(cfg *configv1.Form) { cfg.Required = test.required })
		result := form.Lead(submission("email", test.email, "phone", test.phone))
		refused := len(result.Violations) > 0 || protovalidate.Validate(result.Lead) != nil
		if refused != test.refused || !refused && (len(result.Omitted) != 1 || len(result.Changes) != 1) {
			t.Errorf("%v: refused %v, lead %v, omitted %v, changes %v", test, refused, result.Lead, result.Omitted, result.Changes)
		}
	}
}

func TestWhatCannotBeReadIsOmittedUnlessItIsNeeded(t *testing.T) {
	t.Parallel()
	needsPhone := func(cfg *configv1.Form) { cfg.Required = []string{"phone"} }
	for name, test := range map[string]struct {
		change              func(*configv1.Form)
		pairs               []string
		violations, omitted []string
	}{
		"phone beside an e-mail address": {nil, []string{"email", "a@example.com", "phone", "ask my mum"}, nil, []string{intake.RulePhone}},
		"the only contact":               {nil, []string{"phone", "ask my mum"}, []string{intake.RulePhone}, nil},
		"a required phone":               {needsPhone, []string{"email", "a@example.com", "phone", "ask my mum"}, []string{intake.RulePhone}, nil},
		"an extension":                   {needsPhone, []string{"phone", "(415) 555-0132 ext. 9"}, nil, []string{intake.RulePhone}},
		"country":                        {nil, []string{"email", "a@example.com", "country", "Neverland"}, nil, []string{intake.RuleCountry}},
		"a second value":                 {nil, []string{"email", "a@example.com", "email", "b@example.com"}, nil, []string{intake.RuleSeveral}},
		"a second phone":                 {nil, []string{"phone", "(415) 555-0132", "phone", "(415) 555-0133"}, nil, []string{intake.RuleSeveral}},
		"the same value again":           {nil, []string{"email", "a@example.com", "email", "A@example.com "}, nil, nil},
	} {
		result := read(newForm(t, test.change), test.pairs...)
		if diff := cmp.Diff(test.violations, rules(result.Violations)); diff != "" {
			t.Errorf("%s: violations\n%s", name, diff)
		}
		if diff := cmp.Diff(test.omitted, rules(result.Omitted)); diff != "" {
			t.Errorf("%s: omitted\n%s", name, diff)
		}
		if diff := cmp.Diff(submission(test.pairs...).GetFields(), result.Stored.GetFields(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: not all is stored\n%s", name, diff)
		}
	}
}

func rules(violations []intake.Violation) []string {
	var all []string
	for _, v := range violations {
		all = append(all, v.Rule)
	}
	return all
}

func TestSecretsAndIgnoredFieldsAreNotStored(t *testing.T) {
	t.Parallel()
	secret := []string{
		"password", "google_key", "new_password", "userPassword", "Passwort", "contraseña", "pwd", "card", "card_number", "cardNumber",
		"payment[card]", "creditcard", "cc-number", "ccExp", "cvv", "card-cvc", "CVV2", "SECURITY_CODE",
	}
	kept := []string{"email", "discard", "postcard", "scorecard_size", "cc", "pin_code", "vcard_url", "compass"}
	var pairs []string
	for _, name := range append(append([]string{"csrf_token", intake.KeyField}, secret...), kept...) {
		pairs = append(pairs, name, "4111111111111111")
	}
	s := submission(pairs...)
	s.ContentType, s.Time, s.Address, s.UserAgent, s.PageUrl = "application/json", timestamppb.Now(), "192.0.2.7", "Browser/1.0", "https://www.example.com/"
	before := proto.CloneOf(s)
	result := newForm(t, nil).Lead(s)

	want := proto.CloneOf(before)
	want.Fields = want.Fields[len(want.Fields)-len(kept):]
	if diff := cmp.Diff(want, result.Stored, protocmp.Transform()); diff != "" {
		t.Errorf("stored:\n%s", diff)
	}
	if diff := cmp.Diff(append(secret, kept[1:]...), result.Unmapped); diff != "" {
		t.Errorf("unmapped:\n%s", diff)
	}
	if diff := cmp.Diff(before, s, protocmp.Transform()); diff != "" {
		t.Errorf("the submission was changed:\n%s", diff)
	}
}

func TestFieldsAreIgnoredInAnySpelling(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Fields["Note"] = "custom.note"
		cfg.Ignore = []string{"contact[note]", "Tags[]", "note"}
	})
	var stored []string
	for _, field := range read(form, "email", "a@example.com", "contact.note", "x", "Contact[Note]", "x", "tags", "x", "tags[0]", "x", "TAGS.1", "x", "note", "x", "Note", "x", "tags.first", "x").Stored.GetFields() {
		stored = append(stored, field.GetName())
	}
	if diff := cmp.Diff([]string{"email", "Note", "tags.first"}, stored); diff != "" { // this very name is mapped
		t.Error(diff)
	}
	for _, name := range []string{"contact.note", "TAGS[7]"} {
		if !form.Knows(name) {
			t.Errorf("%s would be told as renamed", name)
		}
	}
}

// Another spelling of a name means the same field, unless it has a meaning of its own.
func TestFieldsAreFoundInAnySpelling(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Fields = map[string]string{"contact.email": "email", "first_name": "first_name", "zip-code": "postal_code", "Zip Code": "custom.zip"}
		cfg.Honeypot = []string{"first-name"}
		cfg.Required = nil
	})
	for name, path := range map[string]string{
		"contact[email]": "email", "Contact Email": "email", "contact_email": "email", "contact-email": "email", "CONTACT.EMAIL": "email",
		"First Name": "first_name", "first.name": "first_name", "first-name": "", "firstname": "", "_first_name": "",
		"zip-code": "postal_code", "Zip Code": "custom.zip", "email": "",
	} {
		result := read(form, name, "ada@example.com")
		if got := result.FieldOf(path); path != "" && got != name {
			t.Errorf("%s is not taken for %s", name, path)
		}
		if path == "" && len(result.Unmapped) == 0 && name != "first-name" || name == "first-name" && result.FieldOf("first_name") == name {
			t.Errorf("%s is taken for something", name)
		}
	}
}

func TestFieldsHaveABoundExceptTheMessage(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	fits, tooLarge := strings.Repeat("é", 4<<10), strings.Repeat("é", 4<<10)+"x"
	result := read(form, "email", "a@example.com", "budget", fits, "unknown", fits, "message", tooLarge, "csrf_token", tooLarge)
	if len(result.Violations) > 0 {
		t.Errorf("refused: %v", result.Violations)
	}
	result = read(form, "email", "a@example.com", "budget", fits, "budget", "x", "unknown", tooLarge)
	want := []intake.Violation{
		{Field: "budget", Rule: intake.RuleSize, Message: "must be at most 8 KiB"},
		{Field: "unknown", Rule: intake.RuleSize, Message: "must be at most 8 KiB"},
	}
	if diff := cmp.Diff(want, result.Violations); diff != "" {
		t.Error(diff)
	}
}

func TestWhatNobodyCanMendDoesNotRefuseALead(t *testing.T) {
	t.Parallel()
	s := submission("email", "a@example.com", "utm_campaign", strings.Repeat("é", 300), "referrer", "https://example.com/?q="+strings.Repeat("x", 9000))
	s.Address, s.UserAgent, s.PageUrl = "a unix socket", strings.Repeat("u", 2000), strings.Repeat("p", 4000)
	result := newForm(t, nil).Lead(s)
	if len(result.Violations) > 0 {
		t.Error(result.Violations)
	}
	lead := result.Lead
	if err := protovalidate.Validate(lead); err != nil {
		t.Error(err)
	}
	source := lead.GetSource()
	if n := len([]rune(source.GetUtmCampaign())); n != 255 || len(source.GetReferrer()) != 2048 || len(source.GetUserAgent()) != 1024 || source.GetIp() != "" {
		t.Errorf("%d characters of the campaign, %d of the referrer, %d of the browser, address %q", n, len(source.GetReferrer()), len(source.GetUserAgent()), source.GetIp())
	}
}

func TestAMappedPageWinsOverTheRequests(t *testing.T) {
	t.Parallel()
	s := submission("page", "https://www.example.com/pricing")
	s.PageUrl = "https://www.example.com/frame"
	if got := newForm(t, nil).Lead(s).Lead.GetSource().GetPageUrl(); got != "https://www.example.com/pricing" {
		t.Error(got)
	}
}

func TestNoSubmissionIsAnEmptyOne(t *testing.T) {
	t.Parallel()
	result := newForm(t, nil).Lead(nil)
	want := &leadgatev1.Lead{Source: &leadgatev1.Source{Form: "contact"}}
	if diff := cmp.Diff(want, result.Lead, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}
