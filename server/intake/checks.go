package intake

import (
	_ "embed" // for the lists
	"net/url"
	"strings"
	"sync"
	"unicode"
)

//go:embed disposable.txt
var disposableText string

// disposable are the domains of well-known providers of disposable addresses.
var disposable = sync.OnceValue(func() map[string]struct{} {
	domains := map[string]struct{}{}
	for line := range strings.Lines(disposableText) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			domains[line] = struct{}{}
		}
	}
	return domains
})

// isDisposable reports whether a domain, or a parent of it, belongs to a provider of disposable addresses.
func isDisposable(domain string) bool {
	for {
		if _, ok := disposable()[domain]; ok {
			return true
		}
		_, above, ok := strings.Cut(domain, ".")
		if !ok || !strings.Contains(above, ".") {
			return false
		}
		domain = above
	}
}

// isRole reports whether the local part of an address is a role, such as sales, rather than a person.
func isRole(local string) bool {
	local, _, _ = strings.Cut(local, "+")
	switch local {
	case "info", "sales", "admin", "administrator", "contact", "support", "help", "office", "hello", "mail", "webmaster", "postmaster", "hostmaster", "abuse",
		"noreply", "no-reply", "donotreply", "do-not-reply", "marketing", "billing", "accounts", "accounting", "hr", "jobs", "careers", "team", "enquiries",
		"inquiries", "service", "kontakt", "vertrieb", "buchhaltung", "commercial", "ventas", "contacto", "vendas", "contato", "ufficio", "verkoop", "root", "test":
		return true
	}
	return false
}

// meantDomain returns the well-known domain that a misspelt one was probably meant to be; empty if it may be right.
func meantDomain(domain string) string {
	name, top, ok := strings.Cut(domain, ".")
	if !ok || isMailDomain(domain) {
		return ""
	}
	if mended := meantTop(top); mended != "" {
		if isMailDomain(name + "." + mended) {
			return name + "." + mended
		}
	}
	for _, known := range [...]string{"gmail", "hotmail", "outlook", "yahoo", "icloud", "googlemail", "protonmail"} {
		if name == known && known != "gmail" && known != "googlemail" {
			return "" // of some country
		}
		if name == known || isSlip(name, known) && (top == "com" || meantTop(top) == "com") {
			return known + ".com"
		}
	}
	return ""
}

// isSlip reports whether a word differs from another by one typing mistake after the first letter: a letter too many, too few,
// wrong, or two swapped.
func isSlip(word, known string) bool {
	if word == known || word == "" || word[0] != known[0] {
		return false
	}
	same := 0
	for same < len(word) && same < len(known) && word[same] == known[same] {
		same++
	}
	behind, meant := word[same:], known[same:]
	switch len(behind) - len(meant) {
	case 1:
		return behind[1:] == meant
	case -1:
		return behind == meant[1:]
	case 0:
		return behind[1:] == meant[1:] || len(behind) > 1 && behind[0] == meant[1] && behind[1] == meant[0] && behind[2:] == meant[2:]
	}
	return false
}

// meantTop returns the top-level domain that a misspelt one was meant to be; empty if it is not a known mistake.
func meantTop(top string) string {
	switch top {
	case "con", "cmo", "ocm", "comm", "cpm", "vom", "xom", "coml", "c0m", "cim", "clm", "comn", "con.com", "com.com", "comcom", "om":
		return "com"
	case "nte", "ner", "bet", "met":
		return "net"
	case "ogr", "orgg", "rog":
		return "org"
	}
	return ""
}

// isMailDomain reports whether a domain is a common mail domain, some of which look like mistakes.
func isMailDomain(domain string) bool {
	switch domain {
	case "gmail.com", "googlemail.com", "yahoo.com", "ymail.com", "rocketmail.com", "hotmail.com", "outlook.com", "live.com", "msn.com", "icloud.com", "me.com",
		"mac.com", "aol.com", "protonmail.com", "proton.me", "pm.me", "mail.com", "email.com", "gmx.com", "gmx.net", "gmx.de", "gmx.at", "gmx.ch", "web.de",
		"t-online.de", "freenet.de", "orange.fr", "free.fr", "laposte.net", "wanadoo.fr", "sfr.fr", "libero.it", "virgilio.it", "tin.it", "mail.ru", "yandex.ru",
		"qq.com", "163.com", "126.com", "naver.com", "comcast.net", "verizon.net", "att.net", "zoho.com", "fastmail.com", "hey.com", "tutanota.com":
		return true
	}
	return false
}

// hasLink reports whether a name contains a web address. In a person's name a bare domain counts, too; companies may have such
// names.
func hasLink(text string, person bool) bool {
	lower := strings.ToLower(text)
	if strings.Contains(lower, "://") || strings.Contains(lower, "www.") {
		return true
	}
	if !person || !strings.Contains(lower, ".") {
		return false
	}
	for word := range strings.FieldsSeq(lower) {
		host, path, slashed := strings.Cut(word, "/")
		name, top, ok := strings.Cut(strings.Trim(host, ".,!?"), ".")
		if !ok || len(name) < 2 || !isASCII(host) {
			continue
		}
		top = top[strings.LastIndexByte(top, '.')+1:]
		switch top {
		case "com", "net", "org", "ru", "info", "biz", "xyz", "top", "shop", "online", "site", "club", "io", "me", "ly", "cn", "de", "uk":
			return true
		}
		if slashed && path != "" && len(top) >= 2 {
			return true
		}
	}
	return false
}

// isHomePage reports whether text is the address of a web site and nothing else.
func isHomePage(text string) bool {
	site, err := url.Parse(readWebsite(text))
	return err == nil && site.Host != "" && site.Path == "" && site.RawQuery == ""
}

// isGibberish reports whether a name was typed at random: the same character or the same few letters over and over, a run along the
// keyboard, a long word without a vowel, or random letters from a program. It judges Latin script only, and prefers to miss
// gibberish over taking a name for it.
func isGibberish(text string) bool {
	for word := range strings.FieldsSeq(text) {
		if isMash(word) {
			return true
		}
	}
	return false
}

func isMash(word string) bool {
	folded := fold(word)
	if len(folded) < 4 || !isASCII(folded) {
		return false
	}
	if repeats(folded) || alongKeyboard(folded) {
		return true
	}
	vowels, letters := 0, 0
	for _, r := range folded {
		if r >= 'a' && r <= 'z' {
			letters++
		}
		if strings.ContainsRune("aeiouy", r) {
			vowels++
		}
	}
	if letters >= 8 && vowels == 0 {
		return true
	}
	return len(folded) >= 10 && letters == len(folded) && turns(word) >= 4
}

// repeats reports whether a word has the same character five times in a row, or consists of a group of up to four characters,
// repeated.
func repeats(word string) bool {
	run := 1
	for i := 1; i < len(word); i++ {
		if run++; word[i] != word[i-1] {
			run = 1
		}
		if run >= 5 {
			return true
		}
	}
	for size := 1; size <= 4; size++ {
		if times := len(word) / size; times >= 3 && len(word) >= 6 && strings.Repeat(word[:size], times+1)[:len(word)] == word {
			return true
		}
	}
	return false
}

// alongKeyboard reports whether a good part of a word runs along a row of the keyboard.
func alongKeyboard(word string) bool {
	const least = 5
	for _, row := range [...]string{"qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "1234567890"} {
		for from := 0; from+least <= len(word); from++ {
			if strings.Contains(row, word[from:from+least]) && least*2 > len(word)-least {
				return true
			}
		}
	}
	return word == "asdf" || word == "qwer"
}

// turns counts lower-case letters that are followed by a capital: one in McDonald, many in random letters from a program.
func turns(word string) int {
	count, lower := 0, false
	for _, r := range word {
		if unicode.IsUpper(r) && lower {
			count++
		}
		lower = unicode.IsLower(r)
	}
	return count
}
