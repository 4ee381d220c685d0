package mapping_test

import (
	"slices"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/mapping"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func compile(t *testing.T, properties map[string]string) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Compile(properties)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func record(lead *leadgatev1.Lead) *leadgatev1.LeadRecord { return &leadgatev1.LeadRecord{Lead: lead} }

func list(t *testing.T, items ...any) *structpb.Value {
	t.Helper()
	v, err := structpb.NewList(items)
	if err != nil {
		t.Fatal(err)
	}
	return structpb.NewListValue(v)
}

func TestPropertiesComeSortedWithTheLeadsValues(t *testing.T) {
	t.Parallel()
	m := compile(t, map[string]string{
		"zip": "postal_code", "firstname": "first_name", "email": "email", "campaign": "source.utm_campaign", "works_at": "enrichment.company_name",
		"budget": "custom.budget", "vip": "custom.vip", "seats": "custom.seats", "topics": "custom.topics", "email_again": "email",
	})
	got, _ := m.Map(record(&leadgatev1.Lead{
		Email: "ada@example.com", FirstName: "Ada", PostalCode: "01067",
		Source:     &leadgatev1.Source{UtmCampaign: "spring"},
		Enrichment: &leadgatev1.Enrichment{CompanyName: "Analytical Engines"},
		Custom: map[string]*structpb.Value{
			"budget": structpb.NewStringValue("4000.50"), "vip": structpb.NewBoolValue(false), "seats": structpb.NewNumberValue(0),
			"topics": list(t, "a", "", nil, 2.0, true), "not_asked_for": structpb.NewStringValue("x"),
		},
	}))
	want := []mapping.Property{
		{Name: "budget", Value: "4000.50"},
		{Name: "campaign", Value: "spring"},
		{Name: "email", Value: "ada@example.com"},
		{Name: "email_again", Value: "ada@example.com"},
		{Name: "firstname", Value: "Ada"},
		{Name: "seats", Value: 0.0},
		{Name: "topics", Value: []any{"a", 2.0, true}},
		{Name: "vip", Value: false},
		{Name: "works_at", Value: "Analytical Engines"},
		{Name: "zip", Value: "01067"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatALeadDoesNotHaveIsLeftOut(t *testing.T) {
	t.Parallel()
	m := compile(t, map[string]string{
		"email": "email", "campaign": "source.utm_campaign", "works_at": "enrichment.company_name",
		"a": "custom.a", "b": "custom.b", "c": "custom.c", "d": "custom.d",
	})
	for name, r := range map[string]*leadgatev1.LeadRecord{
		"empty": record(&leadgatev1.Lead{Custom: map[string]*structpb.Value{
			"a": structpb.NewStringValue(""), "b": structpb.NewNullValue(), "c": list(t, "", nil), "d": nil,
		}}),
		"no lead": {},
		"nil":     nil,
	} {
		if got, _ := m.Map(r); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestEveryFieldCanBeMapped(t *testing.T) {
	t.Parallel()
	fields := mapping.Fields()
	for _, want := range []string{"email", "first_name", "message", "source.utm_source", "source.ip", "enrichment.company_name", "enrichment.geo_city"} {
		if !slices.Contains(fields, want) {
			t.Errorf("%s is not among %v", want, fields)
		}
	}
	properties := map[string]string{}
	for _, name := range fields {
		if err := mapping.Check(name); err != nil {
			t.Error(err)
		}
		properties[name] = name
	}
	compile(t, properties).Map(record(&leadgatev1.Lead{}))
	if !slices.IsSorted(fields) {
		t.Errorf("not sorted: %v", fields)
	}
}

func TestAnErrorNamesTheRightField(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"companny": `did you mean "company"?`, "emial": `did you mean "email"?`, "firstName": `did you mean "first_name"?`,
		"utm_source": `did you mean "source.utm_source"?`, "source.utm_sorce": `did you mean "source.utm_source"?`,
		"Email": `did you mean "email"?`, "budget": "custom.NAME", "consents": "custom.NAME", "source": "custom.NAME", "custom": "custom.NAME",
		"": "unknown lead field", "= lead.email": "under properties", "=lead.email": "under properties",
		"custom.": "lower case", "custom.Budget": "lower case", "custom.a.b": "lower case",
	} {
		if err := mapping.Check(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %s", path, err, want)
		}
	}
}

func TestWhatIsNoFieldIsToldHowItIsWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Contact form": `'= "Contact form"'`, "7-9": `'= "7-9"'`, "full_name": `'= lead.first_name + " " + lead.last_name'`, "emial": `did you mean "email"?`,
	} {
		if _, err := mapping.Compile(map[string]string{"property": text}); err == nil || !strings.HasSuffix(strings.TrimSuffix(err.Error(), " for both"), want) {
			t.Errorf("%q: error is %v, want %s", text, err, want)
		}
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := mapping.Compile(map[string]string{"firstname": "frist_name", "email": "email", "crm_mail": "e_mail", "": "phone"})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"firstname: ", "first_name", "crm_mail: ", "without a name"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "email: ") {
		t.Errorf("%q blames a good one", err)
	}
}

// The rule for names of custom fields is in lead.proto.
func TestCustomNamesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a", "budget", "budget_2", "a" + strings.Repeat("b", 62), "a" + strings.Repeat("b", 63), "", "_a", "2a", "A", "aB", "a-b", "a.b", "ä", "a b",
	} {
		lead := &leadgatev1.Lead{Email: "ada@example.com", Custom: map[string]*structpb.Value{name: structpb.NewStringValue("x")}}
		contract, here := protovalidate.Validate(lead), mapping.Check("custom."+name)
		if (contract == nil) != (here == nil) {
			t.Errorf("%q: the contract says %v, the mapping %v", name, contract, here)
		}
	}
}

func TestAnExpressionMakesAProperty(t *testing.T) {
	t.Parallel()
	m := compile(t, map[string]string{
		"email": "email", "salutation": `= lead.first_name != "" ? "Dear " + lead.first_name : ""`, "size": `= size(lead.message)`,
		"broken": `= 1 / size(lead.message)`,
	})
	got, failures := m.Map(record(&leadgatev1.Lead{Email: "ada@example.com", FirstName: "Ada"}))
	want := []mapping.Property{{Name: "email", Value: "ada@example.com"}, {Name: "salutation", Value: "Dear Ada"}, {Name: "size", Value: 0.0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]mapping.Failure{{Property: "broken", Reason: "division by zero"}}, failures); diff != "" {
		t.Error(diff)
	}
	_, err := mapping.Compile(map[string]string{"company": "= lead.companny"})
	if err == nil || !strings.Contains(err.Error(), `company: 1:6: lead has no field "companny"; did you mean "company"?`) {
		t.Errorf("the error is %v", err)
	}
}
