package intake

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// personName cleans a name of a person and mends it where it is all in capitals. Cleaning twice changes nothing.
func personName(text string) (string, reasons) {
	text, why := plain(text)
	if mended := mendCapitals(text); mended != text {
		return mended, why | whyCapitals
	}
	return text, why
}

// mendCapitals writes a name in all capitals as names are written: ADA O'BRIEN-SMITH becomes Ada O'Brien-Smith. Two letters may
// be initials and stay as they are, and so does everything else: who writes bell hooks means it.
func mendCapitals(name string) string {
	letters := 0
	for _, r := range name {
		if unicode.IsLower(r) || unicode.IsTitle(r) {
			return name
		}
		if unicode.IsUpper(r) {
			letters++
		}
	}
	if letters < 3 {
		return name
	}
	words := strings.Split(name, " ")
	for i, word := range words {
		switch {
		case isRoman(word), strings.Contains(word, ".") && utf8.RuneCountInString(word) <= 2*strings.Count(word, "."):
			continue // Henry VIII, J. R. R.
		case i > 0 && i < len(words)-1 && isParticle(strings.ToLower(word)):
			words[i] = strings.ToLower(word)
		default:
			words[i] = capitalised(word)
		}
	}
	return strings.Join(words, " ")
}

// capitalised writes one word with capitals where a part of it begins.
func capitalised(word string) string {
	var out strings.Builder
	begins, letters := true, []rune(word)
	for i, r := range letters {
		if begins {
			out.WriteRune(r)
		} else {
			out.WriteRune(unicode.ToLower(r))
		}
		switch {
		case r == '-' || r == '/' || r == '(' || r == '.':
			begins = true
		case r == '\'' || r == '’':
			begins = i < 3 // O'Brien and D'Arcy, but not Hank's
		case unicode.IsLetter(r) || unicode.IsMark(r):
			// McDonald, and IJsselmuiden
			begins = begins && i == 0 && r == 'I' && len(letters) > 3 && letters[1] == 'J' ||
				i == 1 && letters[0] == 'M' && r == 'C' && len(letters) > 4
		}
	}
	if word, ok := strings.CutSuffix(out.String(), "σ"); ok { // at the end, Greek has another sign for it
		return word + "ς"
	}
	return out.String()
}

func isRoman(word string) bool {
	switch strings.TrimRight(word, ".,") {
	case "II", "III", "IV", "VI", "VII", "VIII", "IX", "XI", "XII", "XIII", "XIV", "XV", "XVI":
		return true
	}
	return false
}

// splitName parts a full name: "Ludwig van Beethoven" is Ludwig, van Beethoven; "Sammy Davis Jr." is Sammy, Davis Jr.;
// "Lovelace, Dr. Ada" is Ada, Lovelace. What stands before the last name is first names; in Spanish-speaking countries the
// last two words of three or more are the two family names. Titles are left out. A name in Chinese, Japanese or Korean has
// its family name first.
func splitName(full, country string) (first, last string) {
	full = withoutTitles(full)
	if before, after, ok := strings.Cut(full, ","); ok {
		before, after = strings.TrimSpace(before), strings.TrimSpace(after)
		if !isSuffix(after) && before != "" && after != "" {
			return withoutTitles(after), before
		}
	}
	words := strings.Fields(full)
	switch {
	case len(words) == 0:
		return "", ""
	case isEastAsian(full):
		return splitEastAsian(words)
	case len(words) == 1:
		return words[0], ""
	}
	end := len(words) // of the name before suffixes
	for end > 2 && isSuffix(words[end-1]) {
		end--
	}
	start := end - 1
	if end >= 3 && namesTwice(country) {
		start--
	}
	for moved := true; moved && start > 1; {
		moved = false
		switch before := strings.ToLower(words[start-1]); {
		case isParticle(before):
			start, moved = start-1, true
		case (before == "y" || before == "e" || before == "i") && start > 2: // Ortega y Gasset
			start, moved = start-2, true
		}
	}
	if start == 0 {
		start = 1
	}
	return strings.Join(words[:start], " "), strings.Join(words[start:], " ")
}

func withoutTitles(full string) string {
	words := strings.Fields(full)
	for len(words) > 1 && isTitle(words[0]) {
		words = words[1:]
	}
	return strings.Join(words, " ")
}

func isTitle(word string) bool {
	switch strings.ToLower(strings.TrimRight(word, ".")) {
	case "mr", "mrs", "ms", "miss", "mx", "sir", "dr", "prof", "professor", "doctor", "herr", "frau", "herrn", "hr", "fr", "dipl-ing", "ing",
		"m", "mme", "mlle", "monsieur", "madame", "sr", "sra", "srta", "señor", "señora", "don", "doña", "sig", "sig.ra", "signor", "signora", "dott",
		"dhr", "mevr", "mw", "meneer", "mevrouw", "senhor", "senhora", "eng", "rev", "capt", "lt", "col", "hon":
		return utf8.RuneCountInString(word) > 1 || word == "M." // a lone M may be an initial
	}
	return word == "M."
}

func isSuffix(word string) bool {
	switch strings.ToLower(strings.NewReplacer(".", "", ",", "").Replace(word)) {
	case "jr", "sr", "jnr", "snr", "junior", "senior", "filho", "neto", "ii", "iii", "iv", "phd", "md", "mba", "esq", "cpa", "dds", "jd", "msc", "bsc", "ma", "ba":
		return len(word) > 1
	}
	return false
}

// isParticle tells the small words that belong to the family name behind them. The word is in lower case.
func isParticle(word string) bool {
	switch word {
	case "van", "von", "vom", "zu", "zum", "zur", "der", "den", "de", "del", "della", "dello", "delle", "degli", "dei", "di", "da", "das", "do", "dos", "du", "des",
		"la", "le", "las", "los", "el", "al", "bin", "bint", "ibn", "ben", "bar", "abu", "ter", "ten", "te", "op", "'t", "af", "av", "st.", "san", "santa",
		"d'", "lo", "mac", "ap", "ab", "und", "vander", "vande":
		return true
	}
	return false
}

// namesTwice says whether people in a country have two family names.
func namesTwice(country string) bool {
	switch country {
	case "ES", "MX", "CO", "PE", "CL", "EC", "VE", "GT", "CR", "PA", "UY", "PY", "BO", "DO", "HN", "NI", "SV", "CU", "PR":
		return true
	}
	return false
}

// isEastAsian says whether a name is written in Chinese, Japanese or Korean characters.
func isEastAsian(name string) bool {
	for _, r := range name {
		if !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) && !unicode.IsSpace(r) && r != '・' && r != 'ー' {
			return false
		}
	}
	return true
}

// splitEastAsian parts a name whose family name comes first. Without a space between only Korean ones are parted, whose family
// name is one syllable; of others nobody knows where it ends, and they are kept whole as the family name.
func splitEastAsian(words []string) (first, last string) {
	if len(words) > 1 {
		return strings.Join(words[1:], " "), words[0]
	}
	if letters := []rune(words[0]); len(letters) == 3 && unicode.Is(unicode.Hangul, letters[0]) {
		return string(letters[1:]), string(letters[:1])
	}
	return "", words[0]
}
