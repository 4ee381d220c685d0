package intake

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/nyaruka/phonenumbers"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// The fast path must read numbers like the library does, in national and in international form.
func TestPlainPhonesAreReadAsTheLibraryReadsThem(t *testing.T) {
	t.Parallel()
	regions := slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions()))
	read := 0
	rapid.Check(t, func(t *rapid.T) {
		region := rapid.SampledFrom(regions).Draw(t, "region")
		kind := rapid.SampledFrom([]phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.TOLL_FREE}).Draw(t, "kind")
		example := phonenumbers.GetExampleNumberForType(region, kind)
		if example == nil {
			return
		}
		format := rapid.SampledFrom([]phonenumbers.PhoneNumberFormat{phonenumbers.NATIONAL, phonenumbers.INTERNATIONAL, phonenumbers.E164}).Draw(t, "format")
		text := []byte(phonenumbers.Format(example, format))
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			if at := rapid.IntRange(0, len(text)-1).Draw(t, "at"); text[at] >= '0' && text[at] <= '9' {
				text[at] = rapid.ByteRange('0', '9').Draw(t, "digit")
			}
		}
		got := readPlainPhone(string(text), region)
		if got == "" {
			return
		}
		read++
		parsed, err := phonenumbers.Parse(string(text), region)
		if err != nil || !phonenumbers.IsValidNumber(parsed) && text[0] != '+' {
			if plan := phonePlans().plan(region); plan != nil && plan.trunk != "" && !strings.HasPrefix(phonenumbers.NormalizeDigitsOnly(string(text)), plan.trunk) {
				return // without the trunk prefix the library cannot read it, either
			}
			t.Fatalf("%s in %s is read as %s, the library says %v", text, region, got, err)
		}
		if want := phonenumbers.Format(parsed, phonenumbers.E164); got != want {
			t.Fatalf("%s in %s is read as %s, the library reads %s", text, region, got, want)
		}
	})
	if read == 0 {
		t.Error("none was read the quick way")
	}
}

func TestTheRuleForPhonesIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"+1234567", "+123456", "+123456789012345", "+1234567890123456", "+0123456789", "1234567", "+12345678a", "+", "++12345678"} {
		if got, want := isE164(number), protovalidate.Validate(&leadgatev1.Lead{Phone: number}) == nil; got != want {
			t.Errorf("%s: %v, in lead.proto %v", number, got, want)
		}
	}
}

func TestEveryNameOfTheDictionaryIsFound(t *testing.T) {
	t.Parallel()
	var entries map[string]yaml.Node
	if err := yaml.Unmarshal(dictionaryText, &entries); err != nil {
		t.Fatal(err)
	}
	d, names := knownNames(), 0
	for path, entry := range entries {
		if path == "around" {
			continue
		}
		if path != plumbing && !isBesideStreet(path) {
			if _, err := mappable(path); err != nil {
				t.Error(err)
			}
		}
		var languages map[string]string
		if err := entry.Decode(&languages); err != nil {
			t.Fatal(err)
		}
		for _, list := range languages {
			for name := range strings.SplitSeq(list, ",") {
				names++
				name = strings.TrimSpace(name)
				if d.saysNothing(name) {
					continue // only found alone
				}
				for _, written := range []string{name, strings.ToUpper(name), strings.ReplaceAll(name, " ", "_"), "form_fields[" + strings.ReplaceAll(name, " ", "-") + "]", name + "-2"} {
					// The second of several streets may be the second line of one.
					if got := d.meaning(written); got != path && (got != streetLine2 || path != pathStreet) {
						t.Errorf("%s means %q, want %s", written, got, path)
					}
				}
			}
		}
	}
	if names < 400 {
		t.Errorf("only %d names were read", names)
	}
}

func TestADictionaryThatContradictsItselfIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := readDictionary([]byte("email: {english: mail}\nphone: {english: Mail}\n")); err == nil || !strings.Contains(err.Error(), `"Mail"`) {
		t.Errorf("%v", err)
	}
}

// The fields of a lead are listed by hand, for speed. The list must match lead.proto.
func TestEveryTextFieldOfALeadHasItsPlace(t *testing.T) {
	t.Parallel()
	for _, path := range append(textFields(), "source.form", "source.ip", "source.user_agent") {
		lead := &leadgatev1.Lead{Source: &leadgatev1.Source{}}
		place := leadPlace(lead, path)
		message := lead.ProtoReflect()
		name, within := strings.CutPrefix(path, sourcePrefix)
		if within {
			place, message = sourcePlace(lead.Source, name), lead.Source.ProtoReflect()
		}
		if place == nil {
			t.Errorf("%s has no place", path)
			continue
		}
		*place = "x"
		if got := message.Get(textField(message.Interface(), name)).String(); got != "x" {
			t.Errorf("the place of %s is another field's", path)
		}
	}
}

func TestEveryReasonHasItsWords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for bit := range reasonCount {
		seen[reasons(1<<bit).String()] = true
	}
	if len(seen) != reasonCount || whyFirst != 1<<(reasonCount-1) || seen[""] {
		t.Errorf("%d words for %d reasons", len(seen), reasonCount)
	}
}

func TestWhatIsTooLongForACountryIsNotGuessedAt(t *testing.T) { //nolint:paralleltest // it counts allocations
	longest := 0
	for name := range countries().names {
		longest = max(longest, len(name))
	}
	if longest > maxCountry/2 { // without spaces and accents
		t.Errorf("there is a name of %d bytes", longest)
	}
	text := strings.Repeat("a", 8000)
	if n := testing.AllocsPerRun(10, func() { readCountry(text) }); n > 10 {
		t.Errorf("%v allocations", n)
	}
}
