package intake_test

import (
	"testing"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

func TestTextBecomesOneCleanLine(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	for raw, want := range map[string]string{
		"Ada":                           "Ada",
		" a  b ":                        "a b",
		"a\r\nb\u2028c\u00a0\u3000d":    "a b c d",
		"a\x00\x1b\x7f\u0085b":          "a b", // U+0085 is a line end
		"Zoe\u0308":                     "Zoë",
		"\ufeff\u202aAda\u202c\u200b":   "Ada",
		"می\u200cخواهم":                 "می\u200cخواهم", // the word needs the joiner
		"👩\u200d💻":                      "👩\u200d💻",
		"o\u00adne":                     "one",
		"bad\xffbyte":                   "bad\ufffdbyte",
		"\u0000":                        "",
		"O’Brien-Smith, Jr. & <b>x</b>": "O’Brien-Smith, Jr. & x",
	} {
		if got := read(form, "lastname", raw).Lead.GetLastName(); got != want {
			t.Errorf("%q becomes %q, want %q", raw, got, want)
		}
	}
}

func TestAMessageKeepsItsLinesAndSpaces(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	for raw, want := range map[string]string{
		"\n  one\r\ntwo\rthree\u2028four  \n": "one\ntwo\nthree\nfour",
		"a   b\tc":                            "a   b c",
		"a\x00b\x1b[31m":                      "ab[31m",
		"Zoe\u0308\n\n\n!":                    "Zoë\n\n\n!",
		"\u200fשלום":                          "\u200fשלום",
	} {
		if got := read(form, "message", raw).Lead.GetMessage(); got != want {
			t.Errorf("%q becomes %q, want %q", raw, got, want)
		}
	}
}

func TestAddressesAreLowerCaseAndTheirDomainsASCII(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	for raw, want := range map[string]string{
		" Ada.Lovelace@Example.COM\u200b": "ada.lovelace@example.com",
		"info@MÜLLER.de":                  "info@xn--mller-kva.de",
		"\"a@b\"@example.com":             "\"a@b\"@example.com",
		"not an address":                  "not an address",
		"a@exa mple.com":                  "a@exa mple.com",
		"a@foo_bar.com":                   "a@foo_bar.com",
		"a@":                              "a@",
	} {
		if got := read(form, "email", raw).Lead.GetEmail(); got != want {
			t.Errorf("%q becomes %q, want %q", raw, got, want)
		}
	}
}

func TestPhoneNumbersBecomeE164(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ region, country, raw, want string }{
		{"US", "", "(415) 555-0132", "+14155550132"},
		{"US", "", "1-415-555-0132", "+14155550132"},
		{"US", "", "+1 415 555 0132", "+14155550132"},
		{"US", "", "1-800-FLOWERS", "+18003569377"},
		{"US", "", "\u202a+1 (415) 555‑0132\u202c", "+14155550132"},
		{"US", "", "my number: 415.555.0132", "+14155550132"},
		{"US", "", "+44 20 7946 0958", "+442079460958"},
		{"US", "", "0049 30 901820", "+4930901820"},
		{"DE", "", "030 901820", "+4930901820"},
		{"DE", "", "+1 415 555 0132", "+14155550132"},
		{"US", "Germany", "030 901820", "+4930901820"},      // the lead's country first
		{"US", "Iceland", "(415) 555-0132", "+14155550132"}, // then the form's
		{"", "DE", "030 901820", "+4930901820"},
		{"", "", "+49 30 901820", "+4930901820"},
		{"", "", "030 901820", ""}, // of which country?
		{"US", "", "415 555 013", ""},
		{"US", "", "0612345678", ""},                  // a French one, perhaps; not +1 0612345678
		{"DE", "", "+49 12", ""},                      // possible, but shorter than lead.proto allows
		{"US", "", "+999 1234567", ""},                // no such country
		{"US", "", "+1 000 000 0000", "+10000000000"}, // a calling code, and a possible length
		{"US", "", "n/a", ""},
		{"US", "", "ada@example.com", ""},
	} {
		form := newForm(t, func(cfg *configv1.Form) { cfg.DefaultRegion = test.region })
		result := read(form, "email", "a@example.com", "phone", test.raw, "country", test.country)
		if got := result.Lead.GetPhone(); got != test.want || (got == "") != (len(result.Omitted) == 1) {
			t.Errorf("%q, country %q, region %q: %q, want %q; omitted: %v", test.raw, test.country, test.region, got, test.want, result.Omitted)
		}
	}
}

func TestCountriesBecomeCodes(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	for raw, want := range map[string]string{
		"us": "US", " US ": "US", "USA": "US", "U.S.A.": "US", "United States": "US", "united states of america": "US", "America": "US",
		"UK": "GB", "u.k.": "GB", "Great Britain": "GB", "England": "GB", "EL": "GR",
		"The Netherlands": "NL", "Holland": "NL", "NED": "NL", "Thailand": "TH",
		"Deutschland": "DE", "GER": "DE", "DEU": "DE", "Österreich": "AT", "Osterreich": "AT", "España": "ES", "espana": "ES",
		"日本": "JP", "भारत": "IN", "Россия": "RU", "Ελλάδα": "GR", "مصر": "EG", "대한민국": "KR",
		"Côte d’Ivoire": "CI", "Cote d'Ivoire": "CI", "Ivory Coast": "CI", "Turkey": "TR", "Türkiye": "TR", "Czech Republic": "CZ",
		"Bosnia and Herzegovina": "BA", "Bosnia & Herzegovina": "BA", "Republic of Ireland": "IE", "Viet Nam": "VN", "Kosovo": "XK",
		"Bolivia (Plurinational State of)": "BO", "Gambia (the)": "GM", "Bahamas, The": "BS", "United States of America (the)": "US",
		"Iran (Islamic Republic of)": "IR", "Korea (the Democratic People's Republic of)": "KP", "Korea (North)": "KP", "Virgin Islands (U.S.)": "VI",
		"Congo (Kinshasa)": "CD", "Congo - Brazzaville": "CG", "Hong Kong": "HK", "Niger": "NE", "Nigeria": "NG",
		"Áo": "AT", "AO": "AO", // Austria in Vietnamese, and the code of Angola
		"Korea (whichever)": "", "Congo (one of two)": "", "Sudan (South)": "", "China (Taiwan)": "",
		"Neverland": "", "XX": "", "EU": "", "None": "", "-": "", "Please select": "", "the": "", "YU": "", "конго": "",
	} {
		result := read(form, "email", "a@example.com", "country", raw)
		if got := result.Lead.GetCountry(); got != want || (got == "") != (len(result.Omitted) == 1) {
			t.Errorf("%q becomes %q, want %q; omitted: %v", raw, got, want, result.Omitted)
		}
	}
}
