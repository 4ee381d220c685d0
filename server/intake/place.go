package intake

import (
	"strings"
	"sync"
)

// tidyPostalCode formats a postal code as its country does: sw1a1aa in GB becomes SW1A 1AA, D-80331 in DE 80331, 94103 1234 in US
// 94103-1234. It only upper-cases text that does not look like one of the country's codes. It is idempotent.
func tidyPostalCode(text, country string) (string, reasons) {
	tidied, _ := narrow(text)
	tidied = strings.ToUpper(tidied)
	compact := strings.NewReplacer(" ", "", "-", "", ".", "").Replace(tidied)
	for _, shape := range postalShapes()[country] {
		if written, ok := written(compact, shape); ok {
			tidied = written
			break
		}
		if without, ok := strings.CutPrefix(compact, country); ok {
			compact = without
		} else if prefix := vehicleCode(country); prefix != "" {
			compact = strings.TrimPrefix(compact, prefix)
		}
		if written, ok := written(compact, shape); ok {
			tidied = written
			break
		}
	}
	if tidied == text {
		return text, 0
	}
	return tidied, whyPostalCode
}

// written formats a code in a shape, where N stands for a digit, A for a letter, and other characters for themselves.
func written(compact, shape string) (string, bool) {
	var out strings.Builder
	i := 0
	for _, place := range []byte(shape) {
		switch place {
		case 'N', 'A':
			if i == len(compact) {
				return "", false
			}
			c := compact[i]
			if place == 'N' && (c < '0' || c > '9') || place == 'A' && (c < 'A' || c > 'Z') {
				return "", false
			}
			out.WriteByte(c)
			i++
		default:
			out.WriteByte(place)
		}
	}
	return out.String(), i == len(compact)
}

// vehicleCode returns the letter that people put before a postal code, if it is not the country's ISO code.
func vehicleCode(country string) string {
	switch country {
	case "DE":
		return "D"
	case "AT":
		return "A"
	case "FR":
		return "F"
	case "IT":
		return "I"
	case "ES":
		return "E"
	case "BE":
		return "B"
	case "SE":
		return "S"
	case "LU":
		return "L"
	}
	return ""
}

// postalShapes are the formats of postal codes, by country.
var postalShapes = sync.OnceValue(func() map[string][]string {
	shapes := map[string][]string{
		"GB": {"AN NAA", "ANN NAA", "AAN NAA", "AANN NAA", "ANA NAA", "AANA NAA"},
		"CA": {"ANA NAN"}, "NL": {"NNNN AA"}, "US": {"NNNNN", "NNNNN-NNNN"}, "PL": {"NN-NNN"}, "PT": {"NNNN-NNN", "NNNN"},
		"BR": {"NNNNN-NNN"}, "JP": {"NNN-NNNN"}, "IE": {"ANN AAAA", "ANN AAAN", "ANN AANA", "ANN ANAA", "ANN NAAA", "ANN ANNA", "ANN ANAN", "ANN NNAA", "ANN AANN", "ANN NANA", "ANN NAAN", "ANN NNNN"},
		"IN": {"NNNNNN"}, "CN": {"NNNNNN"}, "SG": {"NNNNNN"}, "RO": {"NNNNNN"}, "IL": {"NNNNNNN"}, "LV": {"LV-NNNN"}, "LT": {"LT-NNNNN"},
		"MT": {"AAA NNNN"}, "AR": {"NNNN", "ANNNNAAA"}, "KR": {"NNNNN"},
	}
	for _, country := range []string{"DE", "FR", "IT", "ES", "MX", "FI", "TR", "UA", "HR", "RS", "MY", "TH", "ID", "MA", "SA", "EE", "PR"} {
		shapes[country] = []string{"NNNNN"}
	}
	for _, country := range []string{"AT", "CH", "BE", "DK", "NO", "AU", "NZ", "HU", "BG", "SI", "LU", "CY", "ZA", "LI", "PH"} {
		shapes[country] = []string{"NNNN"}
	}
	for _, country := range []string{"SE", "CZ", "SK", "GR"} {
		shapes[country] = []string{"NNN NN"}
	}
	return shapes
})

// Meanings in the dictionary of fields that belong to the street; they are not lead fields.
const (
	streetNumber = "street.number"
	streetLine2  = "street.line2"
)

func isBesideStreet(meaning string) bool { return meaning == streetNumber || meaning == streetLine2 }

// numberFirst reports whether a country writes the house number before the street.
func numberFirst(country string) bool {
	switch country {
	case "US", "CA", "GB", "IE", "AU", "NZ", "ZA", "IN", "SG", "HK", "PH", "FR", "LU", "MC":
		return true
	}
	return false
}

// tidyRegion abbreviates a state or province of the United States, Canada or Australia: California becomes CA. Elsewhere it only
// rewrites text in all capitals. It is idempotent.
func tidyRegion(text, country string) (string, reasons) {
	if codes := regionCodes()[country]; codes != nil {
		name := fold(text)
		code, ok := codes[name]
		if !ok {
			return text, 0
		}
		if code == text {
			return text, 0
		}
		return code, whyRegion
	}
	if mended := mendCapitals(text); mended != text && len(text) > 4 {
		return mended, whyCapitals
	}
	return text, 0
}

// regionCodes are the abbreviations of states, by their folded names and by themselves.
var regionCodes = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for country, list := range map[string]string{
		"US": `Alabama AL, Alaska AK, Arizona AZ, Arkansas AR, California CA, Colorado CO, Connecticut CT, Delaware DE, District of Columbia DC, Washington DC DC,
			Florida FL, Georgia GA, Hawaii HI, Idaho ID, Illinois IL, Indiana IN, Iowa IA, Kansas KS, Kentucky KY, Louisiana LA, Maine ME, Maryland MD,
			Massachusetts MA, Michigan MI, Minnesota MN, Mississippi MS, Missouri MO, Montana MT, Nebraska NE, Nevada NV, New Hampshire NH, New Jersey NJ,
			New Mexico NM, New York NY, North Carolina NC, North Dakota ND, Ohio OH, Oklahoma OK, Oregon OR, Pennsylvania PA, Rhode Island RI,
			South Carolina SC, South Dakota SD, Tennessee TN, Texas TX, Utah UT, Vermont VT, Virginia VA, Washington WA, West Virginia WV, Wisconsin WI,
			Wyoming WY, Puerto Rico PR, Guam GU, American Samoa AS, Virgin Islands VI, Northern Mariana Islands MP`,
		"CA": `Alberta AB, British Columbia BC, Manitoba MB, New Brunswick NB, Newfoundland and Labrador NL, Newfoundland NL, Northwest Territories NT,
			Nova Scotia NS, Nunavut NU, Ontario ON, Prince Edward Island PE, Quebec QC, Saskatchewan SK, Yukon YT`,
		"AU": `New South Wales NSW, Victoria VIC, Queensland QLD, South Australia SA, Western Australia WA, Tasmania TAS, Northern Territory NT,
			Australian Capital Territory ACT`,
	} {
		codes := map[string]string{}
		for entry := range strings.SplitSeq(list, ",") {
			entry = strings.TrimSpace(entry)
			space := strings.LastIndexByte(entry, ' ')
			codes[fold(entry[:space])] = entry[space+1:]
			codes[fold(entry[space+1:])] = entry[space+1:]
		}
		all[country] = codes
	}
	return all
})
