package intake

import (
	"net/url"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// campaign yields what the address of a page says about the visit: the place in a lead's source, and the value. Where a
// parameter is repeated, the first counts.
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

// campaignPlace is where a lead's source keeps a parameter of the page's address; nil if it does not.
func campaignPlace(source *leadgatev1.Source, name string) *string {
	switch name {
	case "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content",
		"gclid", "gbraid", "wbraid", "fbclid", "msclkid", "li_fat_id", "ttclid":
		return sourcePlace(source, name)
	}
	return nil
}
