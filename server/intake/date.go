package intake

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// readDate reads a date as people and programs write it, and returns it in ISO 8601 form. The region decides which part of 3/4/2026
// is the month; without one, or in a country where both orders are common, the date is not read. Nor is a year of two digits: the
// century of 3.4.58 is unknown.
func readDate(text, region string) (string, bool) {
	text, _ = narrow(strings.TrimSpace(text))
	text = timeOfDay.ReplaceAllString(westernDigits(text), "")
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSuffix(text, "г."), "."))
	if parts := yearFirst.FindStringSubmatch(text); parts != nil {
		text = parts[1] + "-" + parts[2] + "-" + parts[3]
	}
	compact := strings.ReplaceAll(text, " ", "")
	for _, layout := range []string{"2006-1-2", "20060102", "2.1.2006"} {
		if date, err := time.Parse(layout, compact); err == nil {
			return dateOnly(date)
		}
	}
	if date, ok := dateInWords(text); ok {
		return dateOnly(date)
	}
	text = strings.NewReplacer("-", "/", ".", "/").Replace(compact)
	dayFirst, errDay := time.Parse("2/1/2006", text)
	monthFirst, errMonth := time.Parse("1/2/2006", text)
	switch {
	case errDay != nil && errMonth != nil:
		return "", false
	case errDay != nil:
		return dateOnly(monthFirst)
	case errMonth != nil, dayFirst.Equal(monthFirst):
		return dateOnly(dayFirst)
	}
	switch region {
	case "", "CA", "PA", "CN", "HK", "JP", "KR", "MN", "TW": // the last ones begin dates with the year
		return "", false
	case "US", "PH", "PR", "GU", "VI", "AS", "MP", "UM", "FM", "MH", "PW":
		return dateOnly(monthFirst)
	}
	return dateOnly(dayFirst)
}

// yearFirst matches a date that begins with the year, with any separators: after a year, everybody writes the month.
var yearFirst = regexp.MustCompile(`^(\d{4})\s*[-/.年년]\s*(\d{1,2})\s*[-/.月월]\s*(\d{1,2})\s*[日일]?$`)

// timeOfDay matches the time after a date: T10:00:00Z, 14:30 Uhr, 10:00 AM, 00:00:00 GMT+0100 (CET).
var timeOfDay = regexp.MustCompile(`(?i)(?:\s*,)?(?:T|\s+(?:at |um |à |a las |alle |às |om )?)\d{1,2}[:h]\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[ap]\.?m\.?|uhr)?\s*(?:Z|UTC|GMT)?\s*(?:[+-]\d{2}:?\d{2})?\s*(?:\([^)]*\))?$`)

// dateInWords reads a date with the name of a month, such as "Tue, 24th November 2026", "3. März 2027" or "3 de marzo de 2027": a
// month, a day and a year of four digits, and nothing else except a weekday and small words.
func dateInWords(text string) (date time.Time, ok bool) {
	var year, month, day int
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }) {
		word = fold(word)
		digits := strings.TrimRight(word, "abcdefghijklmnopqrstuvwxyz")
		n, err := strconv.Atoi(digits)
		switch named := calendar()[word]; {
		case named > 0 && month == 0:
			month = named
		case named == smallWord:
		case err != nil || named > 0:
			return date, false
		case len(digits) == 4 && digits == word && year == 0:
			year = n
		case len(digits) <= 2 && day == 0 && (digits == word || strings.Contains(" st nd rd th er e o a ", " "+word[len(digits):]+" ")):
			day = n
		default:
			return date, false
		}
	}
	date = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return date, year > 0 && month > 0 && date.Day() == day && int(date.Month()) == month
}

// smallWord marks other words that a date may have: weekdays, and words such as "of".
const smallWord = -1

// calendar maps folded words to months, in the languages of the dictionary and of some neighbours.
var calendar = sync.OnceValue(func() map[string]int {
	named := map[string]int{}
	for i, names := range []string{
		"january jan januar jänner janvier janv enero ene janeiro gennaio gen januari január ianuarie ledna stycznia styczeń января січня ocak",
		"february feb februar feber février févr febrero fevereiro fev febbraio februari február februarie února lutego luty февраля лютого şubat",
		"march mar märz mrz mars marzo março maart mrt mars marts március martie března marca marzec марта березня mart maret",
		"april apr avril avr abril abr aprile április aprilie dubna kwietnia kwiecień апреля квітня nisan",
		"may mai mayo maio maggio mag mei maj május května maja мая травня mayıs",
		"june jun juni juin junio junho giugno giu június iunie června czerwca czerwiec июня червня haziran",
		"july jul juli juillet juil julio julho luglio lug július iulie července lipca lipiec июля липня temmuz",
		"august aug août agosto ago augustus augusti augusztus srpna sierpnia sierpień августа серпня ağustos agustus",
		"september sep sept septembre septiembre setiembre setembro set settembre szeptember septembrie září września wrzesień сентября вересня eylül",
		"october oct oktober okt octobre octubre outubro out ottobre ott október octombrie října października październik октября жовтня ekim",
		"november nov novembre noviembre novembro noiembrie listopadu ноября kasım",
		"december dec dezember dez décembre diciembre dic dezembro dicembre desember decembrie prosince grudnia grudzień декабря грудня aralık",
	} {
		for name := range strings.FieldsSeq(names) {
			named[fold(name)] = i + 1
		}
	}
	for name := range strings.FieldsSeq(`of the de del der den le la el il di am on mon tue tues wed thu thur thurs fri sat sun mo di mi do fr sa so
		monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
		lundi mardi mercredi jeudi vendredi samedi dimanche lunes martes miércoles jueves viernes sábado domingo
		segunda terça quarta quinta sexta feira lunedi martedi mercoledi giovedi venerdi domenica
		maandag dinsdag woensdag donderdag vrijdag zaterdag zondag`) {
		named[fold(name)] = smallWord
	}
	return named
})

func dateOnly(date time.Time) (string, bool) {
	if date.Year() < 1800 || date.Year() > 2300 { // in another calendar, or what programs write for no date
		return "", false
	}
	return date.Format(time.DateOnly), true
}
