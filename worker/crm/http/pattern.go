package http

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// pattern is text with {NAME} in it, for the value of a property. A reference to a secret, ${env:NAME}, is left as it is.
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

// fill puts values in, escaped for what stands before them; nothing where there is none.
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

// resolved is the pattern with the secrets that its own text refers to. Values are put in later: they are a stranger's, and
// refer to nothing.
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

// inURL keeps a value one part of the path or, behind a question mark, one value of the query. A blank is no plus there, which
// not everybody reads as one.
func inURL(before, value string) string {
	if strings.Contains(before, "?") {
		return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
	}
	return url.PathEscape(value)
}

// oneLine keeps a value from beginning a new header.
func oneLine(_, value string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, value)
}
