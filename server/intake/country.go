package intake

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	former "github.com/biter777/countries"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// maxCountry is the longest name of a country, in bytes, in any script. Guessing at longer text would cost as much as a hundred
// leads.
const maxCountry = 512

// readCountry returns the ISO 3166-1 alpha-2 code of a country; "" if it is unknown. It accepts alpha-2, alpha-3 and numeric codes,
// names in every language of CLDR, with or without accents, common abbreviations, former names and flags.
func readCountry(text string) string {
	if len(text) > maxCountry {
		return ""
	}
	if strings.Contains(text, "+") {
		text = dialled.ReplaceAllString(text, "")
	}
	if code := oneCountry(text); code != "" {
		return code
	}
	// Selection lists may show the code and the name: Germany (DE), DE - Germany.
	for _, signs := range []string{"(", " - ", " – "} {
		before, after, ok := strings.Cut(text, signs)
		if !ok {
			continue
		}
		before, after = strings.TrimSpace(before), strings.Trim(after, " )")
		if first, second := oneCountry(before), oneCountry(after); first == second && (len(before) == 2 || len(after) == 2) {
			return first
		}
	}
	return ""
}

// dialled matches the calling code after a country in selection lists: Germany (+49).
var dialled = regexp.MustCompile(`\s*\(?\+\d[\d -]*\)?$`)

// oneCountry reads a single name or code.
func oneCountry(text string) string {
	known := countries()
	if strings.Contains(text, "/") { // N/A is not Namibia
		return ""
	}
	if code := flag(text); code != "" {
		text = code
	}
	name := fold(text)
	if len(name) <= 3 && isASCII(text) { // Áo, Vietnamese for Austria, is not AO, Angola
		if code := known.codes[name]; code != "" {
			return code
		}
	}
	for _, name := range []string{name, strings.TrimPrefix(name, "the"), strings.TrimSuffix(name, "the")} { // Gambia (the)
		if code := known.names[name]; code != "" {
			return code
		}
	}
	// This library guesses more freely. It has two-letter codes of its own, and ignores parentheses, which may distinguish two
	// countries.
	if len(name) > 2 && !strings.Contains(text, "(") {
		return known.codes[strings.ToLower(former.ByName(text).Alpha2())]
	}
	return ""
}

// countryTable has the codes and names of countries, folded.
type countryTable struct {
	codes map[string]string // by alpha-2, alpha-3 and numeric codes
	names map[string]string // by names in all languages; "" if two languages mean different countries
}

// countries holds some 24,000 names in 2 MB. It takes 30 ms to build, so it is built with the first form that has a country, and
// then kept.
var countries = sync.OnceValue(func() countryTable {
	t := countryTable{
		codes: map[string]string{"uk": "GB", "el": "GR"}, // as the European Union writes them
		names: map[string]string{},
	}
	for code, names := range furtherNames() {
		for _, name := range names {
			t.add(name, code)
		}
	}
	var regions []language.Region
	english := display.English.Regions()
	for _, country := range former.All() {
		region, err := language.ParseRegion(country.Alpha2())
		if err != nil || english.Name(region) == "" { // a former country, such as Yugoslavia
			continue
		}
		regions = append(regions, region)
		t.add(country.String(), region.String())
		t.codes[fold(region.String())] = region.String()
		t.codes[fold(region.ISO3())] = region.String()
		if number := region.M49(); number != 0 {
			t.codes[fmt.Sprintf("%03d", number)] = region.String()
		}
	}
	for _, tag := range display.Supported.Tags() {
		names := display.Regions(tag)
		if names == nil { // CLDR has the language, but no countries in it
			continue
		}
		for _, region := range regions {
			t.add(names.Name(region), region.String())
		}
	}
	return t
})

func (t *countryTable) add(name, code string) {
	if name = fold(name); name == "" {
		return
	}
	if known, ok := t.names[name]; ok && known != code {
		code = ""
	}
	t.names[name] = code
}

// furtherNames returns names that neither library knows, as selection lists write them, mostly after ISO 3166-1.
func furtherNames() map[string][]string {
	return map[string][]string{
		"AE": {"Emirates", "الإمارات"},
		"AL": {"Shqipëria"},
		"BO": {"Bolivia (Plurinational State of)"},
		"CD": {"DRC", "Congo (the Democratic Republic of the)", "Congo, Democratic Republic of the", "Congo (Democratic Republic)"},
		"CN": {"PRC", "P.R. China"},
		"FK": {"Falkland Islands (the) [Malvinas]"},
		"GB": {"United Kingdom of Great Britain and Northern Ireland", "United Kingdom (UK)", "VK", "Inglaterra", "Angleterre", "Inghilterra", "N. Ireland"},
		"HK": {"香港", "Hong Kong SAR"},
		"IE": {"Republic of Ireland", "Ireland (Republic of)"},
		"IN": {"Bharat"},
		"KP": {"Korea (the Democratic People's Republic of)"},
		"KR": {"Korea (the Republic of)", "Korea (Republic of)"},
		"MD": {"Moldova (the Republic of)", "Moldova (Republic of)"},
		"MF": {"Saint Martin (French part)"},
		"NL": {"Netherlands (Kingdom of the)", "The Netherland"},
		"PS": {"Palestine, State of"},
		"RU": {"РФ"},
		"SA": {"KSA", "السعودية"},
		"SH": {"Saint Helena, Ascension and Tristan da Cunha"},
		"SK": {"Slovakia (Slovak Republic)"},
		"SX": {"Sint Maarten (Dutch part)"},
		"TZ": {"Tanzania, the United Republic of"},
		"US": {"America", "United States of America", "United States (US)", "the US", "EE.UU.", "EUA", "VS"},
		"VE": {"Venezuela (Bolivarian Republic of)"},
		"ZA": {"RSA"},
	}
}

// flag returns the code of the country whose flag the text is: two regional indicators, U+1F1E6 to U+1F1FF.
func flag(text string) string {
	letters := []rune(text)
	if len(letters) != 2 {
		return ""
	}
	code := make([]byte, 2)
	for i, r := range letters {
		if r < 0x1F1E6 || r > 0x1F1FF {
			return ""
		}
		code[i] = byte('A' + r - 0x1F1E6)
	}
	return string(code)
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > '~' })
}
