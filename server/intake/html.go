package intake

import (
	"html"
	"strings"
)

// withoutHTML removes tags and decodes entities: <b>Ada</b> &amp; Co. becomes Ada & Co. A mere <, as in "a < b" or "<3", stays.
func withoutHTML(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		switch text[i] {
		case '<':
			if length := tagLength(text[i:]); length > 0 {
				tag := text[i : i+length]
				i += length
				switch name := tagName(tag); {
				case hidesText(name) && tag[1] != '/':
					i += hiddenLength(text[i:], name)
				case breaksLine(name):
					out.WriteByte(' ')
				}
				continue
			}
		case '&':
			if length := entityLength(text[i:]); length > 0 {
				out.WriteString(html.UnescapeString(text[i : i+length]))
				i += length
				continue
			}
		}
		out.WriteByte(text[i])
		i++
	}
	return out.String()
}

// tagLength returns the length of the tag or comment at the start of text; 0 if there is none.
func tagLength(text string) int {
	if strings.HasPrefix(text, "<!--") {
		if end := strings.Index(text, "-->"); end >= 0 {
			return end + len("-->")
		}
		return 0
	}
	rest := strings.TrimLeft(text[1:], "/!?")
	if rest == "" || !isLetter(rest[0]) {
		return 0
	}
	// <ada@example.com> and <https://example.com> are not tags, but how people write addresses.
	end := strings.IndexByte(text, '>')
	if end < 0 || strings.ContainsAny(tagName(text[:end+1]), "@:.") {
		return 0
	}
	return end + 1
}

// tagName returns the name of a tag in lower case.
func tagName(tag string) string {
	name := strings.TrimLeft(tag[1:], "/!?")
	if end := strings.IndexAny(name, " \t/>"); end >= 0 {
		name = name[:end]
	}
	return strings.ToLower(name)
}

func hidesText(name string) bool { return name == "script" || name == "style" }

// hiddenLength returns the length of the text before the end tag with that name; 0 if there is none.
func hiddenLength(text, name string) int {
	return max(0, strings.Index(strings.ToLower(text), "</"+name))
}

func breaksLine(name string) bool {
	switch name {
	case "br", "p", "div", "li", "tr", "td", "th", "h1", "h2", "h3", "hr":
		return true
	}
	return false
}

// entityLength returns the length of the entity at the start of text, such as &amp; or &#39;; 0 if there is none.
func entityLength(text string) int {
	end := strings.IndexByte(text, ';')
	if end < 2 || end > 10 {
		return 0
	}
	switch name := text[1:end]; name {
	case "amp", "lt", "gt", "quot", "apos", "nbsp":
		return end + 1
	default:
		if name[0] != '#' || len(name) < 2 || strings.Trim(name[1:], "0123456789abcdefABCDEFxX") != "" {
			return 0
		}
	}
	if html.UnescapeString(text[:end+1]) == text[:end+1] {
		return 0
	}
	return end + 1
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
