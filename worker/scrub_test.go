package worker

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func TestScrubHidesTheLeadsValuesAndNothingElse(t *testing.T) {
	t.Parallel()
	lead := &leadgatev1.Lead{
		Email: "ada@example.com", FirstName: "Ann", LastName: "Lovelace", Phone: "+14155550132", Country: "IT", Company: `Ann "Tools" Inc`,
		City: "Köln", Street: `C:\new`, JobTitle: "Bäcker 🥐",
		Message: "Please call me about the loom, not before noon",
		Source:  &leadgatev1.Source{Form: "contact", Ip: "192.0.2.7"},
		Custom: map[string]*structpb.Value{
			"budget": structpb.NewNumberValue(12000), "vip": structpb.NewBoolValue(true),
			"tags": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("weaving")}}),
		},
	}
	for text, want := range map[string]string{
		"":                                           "",
		"all is well":                                "all is well",
		"ADA@EXAMPLE.COM exists":                     "*** exists",
		"/contacts/ada%40example.com":                "/contacts/***",
		"Annual plan for Ann":                        "Annual plan for ***",
		"it is not IT":                               "it is not ***",
		`{"company":"Ann \"Tools\" Inc"}`:            `{"company":"***"}`,
		"14155550132 and +14155550132":               "*** and ***",
		"\"Please call me about...\" is too long":    "\"***...\" is too long",
		"from 192.0.2.7, worth 12000, likes weaving": "from ***, worth ***, likes ***",
		"true, contact, and lovelaces":               "true, contact, and lovelaces",
		`"K\u00f6ln", "K\u00F6LN" and KÖLN`:          `"***", "***" and ***`,
		`{"m":"no:\nLovelace\tis \u0049T"}`:          `{"m":"no:\n***\tis ***"}`,
		`{"m":"{\"city\":\"K\\u00f6ln\"}"}`:          `{"m":"{\"city\":\"***\"}"}`,
		`{"m":"Ann \\\"Tools\\\" Inc is \\\\"}`:      `{"m":"*** is \\\\"}`,
		`"B\u00e4cker \ud83e\udd50"`:                 `"***"`,
		`C:\new, C:\\new, C:\newer`:                  `***, ***, C:\newer`,
		`\u00`:                                       `\u00`,
		`\ud83e \`:                                   `\ud83e \`,
	} {
		if got := scrub(text, lead); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestScrubLeavesNoValueBehind(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lead := &leadgatev1.Lead{
			Email:    rapid.StringMatching(`[a-z]{3,8}@[a-z]{3,8}\.com`).Draw(t, "email"),
			LastName: rapid.StringMatching(`\pL{4,20}`).Draw(t, "name"),
			Message:  rapid.StringN(4, 60, 200).Draw(t, "message"),
		}
		before := rapid.StringMatching(`[ -~]{0,20}`).Draw(t, "before")
		for _, value := range []string{lead.Email, lead.LastName, lead.Message} {
			text := before + " " + value + " is not valid"
			if got := scrub(text, lead); strings.Contains(got, " "+value+" ") {
				t.Fatalf("%q becomes %q", text, got)
			}
		}
		var escaped strings.Builder
		for _, unit := range utf16.Encode([]rune(lead.LastName)) {
			fmt.Fprintf(&escaped, `\u%04x`, unit)
		}
		if got := scrub(`{"name":"`+escaped.String()+`"}`, lead); got != `{"name":"***"}` {
			t.Fatalf("%q becomes %q", lead.LastName, got)
		}
		text := rapid.String().Draw(t, "text")
		if got := scrub(text, &leadgatev1.Lead{}); got != strings.ToValidUTF8(text, "\uFFFD") && got != text {
			t.Fatalf("without values %q becomes %q", text, got)
		}
	})
}
