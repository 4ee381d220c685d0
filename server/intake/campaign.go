package intake

import (
	"net/url"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// campaign yields what the address of a page says about the visit: the place in a lead's source, and the value. If a parameter is
// repeated, it yields the first value first.
func campaign(pageURL string, source *leadgatev1.Source, yield func(path string, at *string, value string)) {
	_, query, ok := strings.Cut(pageURL, "?")
	if !ok {
		return
	}
	query, _, _ = strings.Cut(query, "#")
	for pair := range strings.SplitSeq(query, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name := strings.ToLower(rawName)
		at := campaignPlace(source, name)
		if at == nil || rawValue == "" {
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			continue
		}
		yield(sourcePrefix+name, at, value)
	}
}

// campaignPlace returns where a lead's source stores a parameter of the page's address; nil if it does not.
func campaignPlace(source *leadgatev1.Source, name string) *string {
	switch name {
	case "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
		"gclid", "gbraid", "wbraid", "fbclid", "msclkid", "li_fat_id", "ttclid":
		return sourcePlace(source, name)
	}
	return nil
}

// differ reports whether two addresses are of different campaigns: both name one, and they share no parameter or give one of them
// different values.
func differ(one, other string) bool {
	if !strings.Contains(one, "?") || !strings.Contains(other, "?") { // nearly all
		return false
	}
	first, second := campaignOf(one), campaignOf(other)
	same := 0
	for path, value := range second {
		if known, ok := first[path]; ok && known != value {
			return true
		} else if ok {
			same++
		}
	}
	return len(first) > 0 && len(second) > 0 && same == 0
}

// campaignOf returns an address's campaign parameters, by path.
func campaignOf(address string) map[string]string {
	said := map[string]string{}
	campaign(address, &leadgatev1.Source{}, func(path string, _ *string, value string) {
		if _, ok := said[path]; !ok {
			said[path] = value
		}
	})
	return said
}
