package rules_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func environment(t testing.TB) *rules.Environment {
	t.Helper()
	e, err := rules.NewEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func ada() *leadgatev1.LeadRecord {
	return &leadgatev1.LeadRecord{
		CreateTime: timestamppb.New(time.Date(2026, 11, 24, 23, 30, 0, 0, time.UTC)),
		Lead: &leadgatev1.Lead{
			Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", Country: "GB", Message: "I need 12 engines",
			Source: &leadgatev1.Source{UtmSource: "google", PageUrl: "https://example.com/de/"},
			Custom: map[string]*structpb.Value{
				"budget": structpb.NewStringValue("4000.50"), "seats": structpb.NewNumberValue(7), "vip": structpb.NewBoolValue(true),
				"topics": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("a"), structpb.NewNumberValue(2)}}),
			},
			Consents: []*leadgatev1.Consent{{Purpose: "newsletter", Granted: proto.Bool(true)}},
		},
	}
}

func TestConditionsAreTrueOrFalseOfALead(t *testing.T) {
	t.Parallel()
	e := environment(t)
	for text, want := range map[string]bool{
		`lead.country == "GB"`:                                             true,
		`lead.country in ["DE", "AT", "CH"]`:                               false,
		`lead.email.endsWith("@example.com")`:                              true,
		`lead.message.matches("(?i)ENGINES?$")`:                            true,
		`double(lead.custom.budget) > 4000.0`:                              true,
		`lead.custom.seats >= 5`:                                           true,
		`lead.custom.vip`:                                                  true,
		`lead.custom.unknown == "x"`:                                       false, // a missing field
		`has(lead.custom.unknown)`:                                         false,
		`!has(lead.custom.unknown)`:                                        true,
		`lead.phone == ""`:                                                 true,
		`lead.source.utm_source == "google" && lead.source.utm_term == ""`: true,
		`lead.consents.exists(c, c.purpose == "newsletter" && c.granted)`:  true,
		`"a" in lead.custom.topics`:                                        true,
		`accepted.getDayOfWeek("Europe/Berlin") == 3`:                      true, // where it is half past midnight on Wednesday
		`lead.enrichment.company_size == ""`:                               true,
	} {
		c, err := e.Condition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := c.Holds(ada()); got != want || err != nil {
			t.Errorf("%s is %t, %v", text, got, err)
		}
		if _, err := c.Holds(nil); err != nil && !strings.Contains(text, "double") {
			t.Errorf("%s of no lead: %v", text, err)
		}
	}
}

func TestValuesAreWhatACRMTakes(t *testing.T) {
	t.Parallel()
	e := environment(t)
	for text, want := range map[string]any{
		`lead.first_name + " " + lead.last_name`:               "Ada Lovelace",
		`lead.country == "GB" ? "UK team" : "rest"`:            "UK team",
		`lead.phone + " " + lead.street`:                       nil,
		`lead.first_name + " " + lead.street`:                  "Ada",
		`size(lead.message)`:                                   int64(17),
		`double(lead.custom.budget) * 2.0`:                     8001.0,
		`lead.custom.budget`:                                   "4000.50",
		`lead.custom.topics`:                                   []any{"a", 2.0},
		`lead.custom.vip`:                                      true,
		`lead.custom.unknown`:                                  nil,
		`lead.phone`:                                           nil,
		`[lead.phone, lead.country]`:                           []any{"GB"},
		`[lead.phone]`:                                         nil,
		`null`:                                                 nil,
		`accepted`:                                             "2026-11-24T23:30:00Z",
		`lead.email.split("@")[1]`:                             "example.com",
		`lead.email.split("@")[1].upperAscii()`:                "EXAMPLE.COM",
		`lead.custom[?"unknown"].orValue("none")`:              "none",
		`lead.source.page_url.contains("/de/") ? "de" : "en"`:  "de",
		`lead.consents.filter(c, c.granted).map(c, c.purpose)`: []any{"newsletter"},
		`lead.custom[?"unknown"]`:                              nil,
		`math.least(3, 2)`:                                     int64(2),
	} {
		v, err := e.Value(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := v.Of(ada())
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestABadExpressionIsNamedWithItsPlaceAndTheWayOut(t *testing.T) {
	t.Parallel()
	e := environment(t)
	for text, want := range map[string]string{
		`lead.companny == "x"`:             `1:5: lead has no field "companny"; did you mean "company"?`,
		`company == "x"`:                   `1:1: write lead.company for the lead's company`,
		`led.company == "x"`:               `1:1: nothing is called "led"; did you mean "lead"?`,
		`lead.country = "DE"`:              `1:14: this is not an expression: token recognition error at: '= '; equal is ==`,
		`lead.country == DE`:               `nothing is called "DE"`,
		`lead.country == 5`:                `1:14: == does not go with (string, int)`,
		`lead.country == “DE”`:             `texts stand in straight quotes, as "DE"`,
		`lead.a == "x" and lead.b == "y"`:  `and is &&, or is ||, not is !`,
		`lead.country in ("DE", "AT")`:     `a list stands in brackets, as ["DE", "AT"]`,
		`lead.country in "DE, AT"`:         `it wants a list, as in ["DE", "AT"]`,
		`lead.country <> "DE"`:             `unequal is !=`,
		`lead.phone != null`:               `what is not filled in is ""`,
		`lead.email.lower() == "x"`:        `nothing is called "lower"; did you mean "lowerAscii"?`,
		`lead.email.endswith("x")`:         `nothing is called "endswith"; did you mean "endsWith"?`,
		`len(lead.email) > 3`:              `nothing is called "len"; did you mean "size"?`,
		`lead.utm_source == "x"`:           `1:5: lead has no field "utm_source"; did you mean "source.utm_source"?`,
		`lead.source.utm_sorce == "x"`:     `lead has no field "utm_sorce"; did you mean "source.utm_source"?`,
		`utm_source == "x"`:                `did you mean "lead.source.utm_source"?`,
		`lead.consents.newsletter.granted`: `look through them, as in lead.consents.exists(`,
		`"x"`:                              `this is string; it has to be true or false`,
		``:                                 `the expression is empty`,
		"lead.country == \"DE\" &&\n  hmm": `2:3: nothing is called "hmm"`,
		`lead.country.matches("(")`:        `error parsing regexp`,
		strings.Repeat("!", 5000):          `size`,
		strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60): ``,
	} {
		_, err := e.Condition(text)
		bad := (*rules.CompileError)(nil)
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: the error is %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		`lead`: "no CRM takes", `lead.custom`: "no CRM takes", `lead.source`: "no CRM takes", `[[1]]`: "no CRM takes",
	} {
		if _, err := e.Value(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v", text, err)
		}
	}
}

func TestWhatFailsForOneLeadSaysWhyWithoutItsValues(t *testing.T) {
	t.Parallel()
	e := environment(t)
	secret := ada()
	secret.Lead.FirstName, secret.Lead.LastName, secret.Lead.Message = "Geheim", `x'Geheim"Geheim`, strings.Repeat("a", 30_000)
	for text, want := range map[string]string{
		`1 / size(lead.phone) == 1`:             "division by zero",
		`int(lead.first_name) > 5`:              "",
		`lead.custom.budget > 4000`:             "does not go together",
		`lead.email.split("@")[7] == ""`:        "index",
		`lead.custom.budget`:                    "not true or false",
		`timestamp(lead.first_name) < accepted`: "",
		`timestamp(lead.last_name) < accepted`:  "invalid RFC 3339 timestamp",
		`accepted.getHours(lead.last_name) > 3`: "unknown time zone",
		`"a".matches(lead.last_name + "(")`:     "error parsing regexp",
		`int(lead.last_name) > 5`:               "type conversion error",
		`range(100).all(i, !lead.message.contains("x") && range(100).all(j, !lead.message.contains("y")))`: "",
		`lists.range(100).all(i, lists.range(100).all(j, !lead.message.contains("y")))`:                    "costs more than 100000",
	} {
		c, err := e.Condition(text)
		if err != nil {
			if strings.HasPrefix(text, "range") {
				continue // no such function
			}
			t.Errorf("%s: %v", text, err)
			continue
		}
		holds, err := c.Holds(secret)
		failure := (*rules.Failure)(nil)
		if holds || !errors.As(err, &failure) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Geheim") {
			t.Errorf("%s: %t, %v", text, holds, err)
		}
	}
}

func TestANumberThatIsNoneIsNoValue(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`double(lead.custom.budget) / 0.0`, `-1.0 / double(size(lead.phone))`, `0.0 / 0.0`, `double("NaN")`, `[1.0, 1.0 / 0.0]`,
	} {
		v, err := environment(t).Value(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		failure := (*rules.Failure)(nil)
		if got, err := v.Of(ada()); got != nil || !errors.As(err, &failure) || !strings.Contains(err.Error(), "not a number") {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func BenchmarkCondition(b *testing.B) {
	c, err := environment(b).Condition(`lead.country == "DE" && double(lead.custom.budget) > 4000.0`)
	if err != nil {
		b.Fatal(err)
	}
	record := ada()
	record.Lead.Country = "DE"
	b.ReportAllocs()
	for b.Loop() {
		if holds, err := c.Holds(record); !holds || err != nil {
			b.Fatal(holds, err)
		}
	}
}

func BenchmarkEnvironment(b *testing.B) {
	for b.Loop() {
		environment(b)
	}
}

func TestTheTextsThatAnExpressionHolds(t *testing.T) {
	t.Parallel()
	environment, err := rules.NewEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`"Web"`: "Web", `lead.country == "DE" ? "A" : lead.city == "Rome" ? 'B' : ""`: "A B", `["a", lead.city, "b"]`: "a b",
		`lead.city`: "", `lead.city + "x"`: "", `4.5`: "", `lead.country == "DE" ? lead.city : "none"`: "none",
	} {
		value, err := environment.Value(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(value.Texts(), " "); got != want {
			t.Errorf("%s holds %q, want %q", text, got, want)
		}
	}
}
