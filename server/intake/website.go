package intake

import (
	"net"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/idna"
)

// readWebsite returns the complete address of a web site; "" if text is not one: example.com becomes https://example.com. The
// scheme and the host are in lower case, and the host in ASCII; the scheme's default port, user and password are removed.
// readWebsite is idempotent.
func readWebsite(text string) string {
	text, _ = narrow(strings.Trim(text, "<>\"' "))
	text = strings.TrimRight(strings.TrimPrefix(text, "("), ",;")
	if !strings.Contains(text, "(") {
		text = strings.TrimSuffix(text, ")")
	}
	text = retypedScheme(text)
	if text == "" || strings.ContainsAny(text, " \\") {
		return ""
	}
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "http://"), strings.HasPrefix(lower, "https://"):
	case strings.HasPrefix(text, "//"):
		text = "https:" + text
	case strings.Contains(text, "://"), strings.Contains(text, "@"):
		return ""
	default:
		text = "https://" + strings.TrimLeft(text, ":/")
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return ""
	}
	host, err := idna.Lookup.ToASCII(strings.TrimRight(u.Hostname(), "."))
	if err != nil || !isHost(host) {
		return ""
	}
	u.Scheme, u.User = strings.ToLower(u.Scheme), nil
	if port := u.Port(); port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		u.Host = host
	} else {
		u.Host = net.JoinHostPort(host, port)
	}
	if u.Path == "/" && u.RawQuery == "" && u.Fragment == "" {
		u.Path = ""
	}
	return u.String()
}

// schemes matches the schemes that people type, with common mistakes.
var schemes = regexp.MustCompile(`(?i)^(?:h?t?tps?|htt?ps?|hhttps?):?/{1,3}`)

// retypedScheme corrects what precedes the host. In http://https://example.com, typed into a field that contained http://, the last
// scheme counts; https//example.com lacks a colon.
func retypedScheme(text string) string {
	scheme := ""
	for {
		found := schemes.FindString(text)
		if found == "" {
			return scheme + text
		}
		scheme, text = "http://", text[len(found):]
		if strings.Contains(strings.ToLower(found), "s") {
			scheme = "https://"
		}
	}
}

// isHost reports whether a name, in ASCII, can be the host of a public web site: labels separated by dots, the last one not a
// number.
func isHost(name string) bool {
	labels := strings.Split(name, ".")
	if len(labels) < 2 || len(name) > 253 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	top := labels[len(labels)-1]
	return len(top) > 1 && strings.Trim(top, "0123456789") != ""
}
