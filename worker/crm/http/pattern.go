package http

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// pattern is text in which {NAME} stands for the value of a property. References to secrets, ${env:NAME}, are part of the text.
type pattern struct {
	literals []string // one more than fields
	fields   []string
}

var placeholder = regexp.MustCompile(`\$?\{[^{}]*\}`)

func parsePattern(text string) (*pattern, error) {
	p := &pattern{}
	end := 0
	literal := ""
	for _, at := range placeholder.FindAllStringIndex(text, -1) {
		found := text[at[0]:at[1]]
		literal += text[end:at[0]]
		end = at[1]
		if strings.HasPrefix(found, "$") {
			literal += found
			continue
		}
		name := found[1 : len(found)-1]
		if strings.TrimSpace(name) != name || name == "" {
			return nil, fmt.Errorf("%s is not a placeholder; write the name of a property in braces, as in {email}", found)
		}
		p.literals, p.fields, literal = append(p.literals, literal), append(p.fields, name), ""
	}
	p.literals = append(p.literals, literal+text[end:])
	return p, nil
}

func (p *pattern) names() []string { return p.fields }

// fill inserts values, escaped for their position. Missing values are empty.
func (p *pattern) fill(values map[string]string, escape func(before, value string) string) string {
	var out strings.Builder
	for i, literal := range p.literals {
		out.WriteString(literal)
		if i < len(p.fields) {
			out.WriteString(escape(out.String(), values[p.fields[i]]))
		}
	}
	return out.String()
}

// resolved returns the pattern with references to secrets in its text resolved. Values are inserted later: they come from
// strangers, and must not be resolved.
func (p *pattern) resolved(secret func(string) (string, error)) (*pattern, error) {
	out := &pattern{fields: p.fields, literals: make([]string, len(p.literals))}
	for i, literal := range p.literals {
		var err error
		if out.literals[i], err = secret(literal); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// inURL escapes a value as one segment of the path or, after a question mark, one value of the query. A space becomes %20, because
// not everybody reads + as a space.
func inURL(before, value string) string {
	if strings.Contains(before, "?") {
		return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	}
	return url.PathEscape(value)
}

// oneLine replaces control characters, so that a value cannot start a new header.
func oneLine(_, value string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, value)
}
