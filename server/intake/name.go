package intake

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// personName cleans a person's name and rewrites it if it is in all capitals. It is idempotent.
func personName(text string) (string, reasons) {
	text, why := plain(text)
	if mended := mendCapitals(text); mended != text {
		return mended, why | whyCapitals
	}
	return text, why
}

// mendCapitals rewrites a name in all capitals: ADA O'BRIEN-SMITH becomes Ada O'Brien-Smith. Two letters may be initials and stay.
// So does every other name: bell hooks is written so on purpose.
func mendCapitals(name string) string {
	if open := strings.LastIndex(name, " ("); open > 0 && strings.HasSuffix(name, ")") { // ADA KING (she/her)
		return mendCapitals(name[:open]) + name[open:]
	}
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
	lower := unicode.ToLower
	if strings.ContainsAny(name, "İĞ") { // Turkish, where the lower case of I is not i
		lower = unicode.TurkishCase.ToLower
	}
	words := strings.Split(name, " ")
	for i, word := range words {
		switch {
		case i > 0 && (isRoman(word) || isDegree(word)), strings.Contains(word, ".") && utf8.RuneCountInString(word) <= 2*strings.Count(word, "."):
			continue // Henry VIII, John Smith MD, J. R. R.
		case i > 0 && i < len(words)-1 && isParticle(strings.ToLower(word)):
			words[i] = strings.ToLower(word)
		default:
			words[i] = capitalised(word, lower)
		}
	}
	return strings.Join(words, " ")
}

// capitalised returns a word with a capital at the start of each part, and in lower case otherwise.
func capitalised(word string, lower func(rune) rune) string {
	var out strings.Builder
	begins, letters := true, []rune(word)
	part := letters // from the last hyphen or the like on
	for i, r := range letters {
		if begins {
			out.WriteRune(r)
		} else {
			out.WriteRune(lower(r))
		}
		at := i - (len(letters) - len(part))
		switch {
		case r == '-' || r == '/' || r == '(' || r == '.':
			begins, part = true, letters[i+1:]
		case r == '\'' || r == '’':
			begins = at < 3 || isElided(string(part[:at])) // O'Brien and D'Arcy, but not Hank's
		case unicode.IsLetter(r) || unicode.IsMark(r):
			// McDonald and IJsselmuiden
			begins = begins && at == 0 && r == 'I' && len(part) > 3 && part[1] == 'J' ||
				at == 1 && part[0] == 'M' && r == 'C' && len(part) > 4
		}
	}
	if word, ok := strings.CutSuffix(out.String(), "σ"); ok { // a final sigma
		return word + "ς"
	}
	return out.String()
}

// isElided reports whether a word of three letters or more loses its end before a vowel, in Italian names: Dell'Aquila.
func isElided(word string) bool {
	switch word {
	case "DELL", "DALL", "NELL", "SULL", "SANT":
		return true
	}
	return false
}

// isDegree reports whether a word is a degree that stays in capitals.
func isDegree(word string) bool {
	switch strings.Trim(word, ".,") {
	case "MD", "PHD", "MBA", "DDS", "DVM", "CPA", "RN", "JD", "LLM":
		return true
	}
	return false
}

func isRoman(word string) bool {
	switch strings.TrimRight(word, ".,") {
	case "II", "III", "IV", "VI", "VII", "VIII", "IX", "XI", "XII", "XIII", "XIV", "XV", "XVI":
		return true
	}
	return false
}

// splitName splits a full name: "Ludwig van Beethoven" into Ludwig and van Beethoven, "Sammy Davis Jr." into Sammy and Davis Jr.,
// "Lovelace, Dr. Ada" into Ada and Lovelace. All names before the last name are first names; in Spanish-speaking countries the last
// two of three or more words are the two family names. Titles are dropped; a single word after one is the family name. The family
// name comes first in Chinese, Japanese and Korean characters, in Hungary, in Vietnamese, and in Cyrillic if there is a patronymic
// at the end.
func splitName(full, country string) (first, last string) {
	if open := strings.LastIndex(full, " ("); open > 0 && strings.HasSuffix(full, ")") { // Sam Smith (she/her)
		if first, last = splitName(full[:open], country); last != "" {
			return first, last + full[open:]
		}
		return first + full[open:], ""
	}
	full, title := withoutTitles(full, country)
	if parts := strings.FieldsFunc(full, func(r rune) bool { return r == ',' }); len(parts) > 1 {
		if first, last, ok := splitAtCommas(parts, country); ok {
			return first, last
		}
	}
	words := strings.Fields(full)
	switch {
	case len(words) == 0:
		return "", ""
	case isEastAsian(full):
		return splitEastAsian(words)
	case len(words) == 1 && title != "" && !isWithFirstName(title):
		return "", words[0]
	case len(words) == 1:
		return words[0], ""
	case isFamilyFirst(words, country):
		return strings.Join(words[1:], " "), words[0]
	}
	end := len(words) // of the name without suffixes
	for end > 2 && (isSuffix(words[end-1]) || !strings.ContainsFunc(words[end-1], unicode.IsLetter)) {
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

// splitAtCommas splits "Smith, Jr., John" and also "John Smith, MSc"; ok is false if the commas do not help.
func splitAtCommas(parts []string, country string) (first, last string, ok bool) {
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	before, rest := parts[0], parts[1:]
	words := strings.Fields(before)
	whole := len(words) > 1 && !isParticle(strings.ToLower(words[0])) // it may be a full name
	isAddition := func(part string) bool { return isSuffix(part) || whole && hasCapitals(part) }
	additions := slices.IndexFunc(rest, func(part string) bool { return !isAddition(part) })
	switch {
	case before == "" || slices.Contains(rest, ""):
		return "", "", false
	case additions < 0:
		first, last = splitName(before, country)
		if last == "" {
			return "", "", false
		}
		return first, strings.Join(append([]string{last}, rest...), ", "), true
	}
	first, _ = withoutTitles(strings.Join(rest[additions:], ", "), country)
	return first, strings.Join(append([]string{before}, rest[:additions]...), " "), true
}

// hasCapitals reports whether text looks like degrees, with at least two capitals in each word: MSc, Ph.D., RN.
func hasCapitals(text string) bool {
	for word := range strings.FieldsSeq(text) {
		capitals := 0
		for _, r := range word {
			if unicode.IsUpper(r) {
				capitals++
			}
		}
		if capitals < 2 {
			return false
		}
	}
	return true
}

// withoutTitles removes the titles before a name, and returns the last one: for "Mr. and Mrs. Smith" it returns Smith and Mrs.
func withoutTitles(full, country string) (name, title string) {
	words := strings.Fields(full)
	for len(words) > 1 {
		switch {
		case isTitle(words[0], country), title != "" && isFaculty(words[0]):
			title, words = words[0], words[1:]
			continue
		case title != "" && len(words) > 2 && isAnd(words[0]) && isTitle(words[1], country):
			words = words[1:]
			continue
		}
		break
	}
	return strings.Join(words, " "), title
}

// isTitle reports whether a word before others is a title. Some are names as well, and count only with a dot or in countries where
// they are used.
func isTitle(word, country string) bool {
	title := strings.ToLower(strings.NewReplacer(".", "", "-", "").Replace(word))
	switch title {
	case "mr", "mrs", "ms", "miss", "mx", "sir", "dr", "dra", "drs", "prof", "profa", "professor", "doctor", "herr", "frau", "herrn", "hr", "fr", "fru",
		"dipling", "dring", "drmed", "univprof", "mme", "mlle", "monsieur", "madame", "sra", "srta", "señor", "señora", "doña", "sigra", "signor", "signora",
		"dott", "dottssa", "dhr", "mevr", "mw", "meneer", "mevrouw", "senhor", "senhora", "rev", "capt", "mudr", "mvdr", "judr", "phdr", "rndr", "paeddr", "mgr":
		return true
	case "sr", "hon", "col", "lt", "eng", "ing", "sig", "mag", "doc", "lic", "arq", "bc":
		return strings.HasSuffix(word, ".") || title == "sr" && namesTwice(country)
	case "don":
		return namesTwice(country) || country == "IT"
	case "m":
		switch country {
		case "FR", "BE", "CH", "LU", "MC", "MA", "TN", "DZ", "SN", "CI", "CM":
			return word == "M."
		}
	}
	return false
}

// isSalutation reports whether text is just a title of a person, and not a job.
func isSalutation(text string) bool {
	switch strings.ToLower(text) {
	case "doctor", "professor":
		return false
	}
	return isTitle(text, "")
}

// isFaculty reports whether a word may follow a doctor's title, as in Dr. rer. nat. and Dr. h.c.
func isFaculty(word string) bool {
	switch strings.ToLower(word) {
	case "med.", "dent.", "vet.", "rer.", "nat.", "pol.", "oec.", "phil.", "jur.", "iur.", "theol.", "techn.", "habil.", "h.c.", "mult.":
		return true
	}
	return false
}

// isWithFirstName reports whether a first name follows the title: Sir Elton.
func isWithFirstName(title string) bool {
	switch strings.ToLower(strings.Trim(title, ".")) {
	case "sir", "don", "doña":
		return true
	}
	return false
}

func isAnd(word string) bool {
	switch strings.ToLower(word) {
	case "and", "&", "+", "und", "et", "y", "e", "en":
		return true
	}
	return false
}

// isFamilyFirst reports whether a name of at least two words begins with the family name.
func isFamilyFirst(words []string, country string) bool {
	last := words[len(words)-1]
	switch {
	case country == "HU":
		return true
	case len(words) == 3 && isPatronymic(last): // Иванов Иван Иванович
		return !isPatronymic(words[1])
	}
	return isVietnamese(words[0], country) && !isVietnamese(last, country)
}

// isPatronymic reports whether a word is a patronymic, in Cyrillic.
func isPatronymic(word string) bool {
	word = strings.ToLower(word)
	return slices.ContainsFunc([]string{"ович", "евич", "ьич", "овна", "евна", "ична", "івна", "ївна"}, func(end string) bool {
		return strings.HasSuffix(word, end) && len(word) > len(end)
	})
}

// isVietnamese reports whether a word is a common Vietnamese family name: written with accents or, in Vietnam, without.
func isVietnamese(word, country string) bool {
	const families = "nguyễn trần lê phạm huỳnh hoàng phan vũ võ đặng bùi đỗ hồ ngô dương lý"
	word = strings.ToLower(word)
	for family := range strings.FieldsSeq(families) {
		if word == family && !isASCII(word) || country == "VN" && fold(word) == fold(family) {
			return true
		}
	}
	return false
}

func isSuffix(word string) bool {
	switch strings.ToLower(strings.TrimRight(word, ".,")) {
	case "jr", "sr": // but not J.R.
		return true
	}
	switch strings.ToLower(strings.NewReplacer(".", "", ",", "").Replace(word)) {
	case "jnr", "snr", "junior", "senior", "filho", "neto", "ii", "iii", "iv", "phd", "md", "mba", "esq", "cpa", "dds", "jd", "msc", "bsc", "ma", "ba":
		return len(word) > 1
	}
	return false
}

// isParticle reports whether a word, in lower case, belongs to the family name after it.
func isParticle(word string) bool {
	switch word {
	case "van", "von", "vom", "zu", "zum", "zur", "der", "den", "de", "del", "della", "dello", "delle", "degli", "dei", "di", "da", "das", "do", "dos", "du", "des",
		"la", "le", "las", "los", "el", "al", "bin", "bint", "ibn", "ben", "bar", "abu", "ter", "ten", "te", "op", "'t", "af", "av", "st.", "san", "santa",
		"d'", "lo", "mac", "ap", "ab", "und", "vander", "vande":
		return true
	}
	return false
}

// namesTwice reports whether people in a country have two family names.
func namesTwice(country string) bool {
	switch country {
	case "ES", "MX", "CO", "PE", "CL", "EC", "VE", "GT", "CR", "PA", "UY", "PY", "BO", "DO", "HN", "NI", "SV", "CU", "PR":
		return true
	}
	return false
}

// isEastAsian reports whether a name is written in Chinese, Japanese or Korean characters.
func isEastAsian(name string) bool {
	for _, r := range name {
		if !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) && !unicode.IsSpace(r) && r != '・' && r != 'ー' {
			return false
		}
	}
	return true
}

// splitEastAsian splits a name whose family name comes first. Without a space it splits only Korean names, whose family name is one
// syllable; in others the boundary is unknown, so the family name gets the whole.
func splitEastAsian(words []string) (first, last string) {
	if len(words) > 1 {
		return strings.Join(words[1:], " "), words[0]
	}
	if before, after, ok := strings.Cut(words[0], "・"); ok { // separates the parts of a foreign name, which keep their order
		return before, after
	}
	if letters := []rune(words[0]); len(letters) == 3 && unicode.Is(unicode.Hangul, letters[0]) {
		return string(letters[1:]), string(letters[:1])
	}
	return "", words[0]
}
