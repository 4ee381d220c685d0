package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// read parses the file into r.root, and returns its text with line feeds as the only line breaks: YAML has more kinds, but
// protoyaml counts only these. It reports whether there is a root to check.
func (r *review) read(data []byte) (text []byte, ok bool) {
	if line, ok := checkUTF8(data); !ok {
		r.problems = append(r.problems, problem{line, 1, "this is not UTF-8 text"})
		return nil, false
	}
	text = []byte(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").Replace(string(data)))
	r.text = string(text)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		document = yaml.Node{Kind: yaml.DocumentNode}
	case err != nil:
		r.problems = append(r.problems, syntaxProblem(err, text))
		return nil, false
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		r.at(&second, "a second YAML document begins here: a configuration is one document")
	case !errors.Is(err, io.EOF):
		r.problems = append(r.problems, syntaxProblem(err, text))
	}
	r.root = &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
	if len(document.Content) == 1 {
		r.root = document.Content[0]
	}
	return text, true
}

// checkUTF8 returns the line of the first invalid UTF-8; ok is true if there is none.
func checkUTF8(data []byte) (line int, ok bool) {
	for i := 0; i < len(data); {
		letter, size := utf8.DecodeRune(data[i:])
		if letter == utf8.RuneError && size == 1 {
			return 1 + bytes.Count(data[:i], []byte("\n")), false
		}
		i += size
	}
	return 0, true
}

// syntaxProblem says where the text is not YAML, and what was probably meant. The parser reports no column, and often the line
// where it began to read the faulty part.
func syntaxProblem(err error, text []byte) problem {
	message, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if numbered, ok := strings.CutPrefix(message, "line "); ok {
		if number, rest, ok := strings.Cut(numbered, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, message = n, rest
			}
		}
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	line = spoilt(lines, line)
	if line <= len(lines) {
		hint := meant(string(lines[line-1]))
		if hint == "" && line > 1 {
			if hint = meantToPart(string(lines[line-2])); hint != "" {
				hint = "in the line above, " + hint
			}
		}
		if hint != "" {
			message += "; " + hint
		}
	}
	return problem{line, 1, "this is not YAML: " + message}
}

// maxProbed limits how many bytes are parsed to find the faulty line.
const maxProbed = 1 << 20

// spoilt returns the number of the line after the longest prefix of the file that is YAML. It searches from the line that the
// parser names, which is never too late.
func spoilt(lines [][]byte, named int) int {
	found, probed := named, 0
	for n := max(0, named-1); n < len(lines); n++ {
		beginning := bytes.Join(lines[:n], nil)
		if probed += len(beginning); probed > maxProbed {
			break
		}
		if yaml.Unmarshal(beginning, &yaml.Node{}) == nil {
			found = n + 1
		}
	}
	return found
}

// meant returns a hint for a line that is not YAML; empty if there is no guess.
func meant(line string) string {
	content := strings.TrimLeft(line, " \t-")
	_, value, _ := strings.Cut(content, ": ")
	value = strings.TrimSpace(value)
	switch {
	case strings.Contains(line[:len(line)-len(content)], "\t"):
		return "indent with spaces"
	case strings.Contains(line, "${"):
		return "a reference within { } needs quotes, as in \"${env:NAME}\""
	case content != "" && strings.ContainsRune("@*&%!`|>", rune(content[0])):
		return "put what begins with " + content[:1] + " into quotes"
	case value != "" && strings.ContainsRune("@*&%!`", rune(value[0])):
		return "put what begins with " + value[:1] + " into quotes"
	case halfQuoted.MatchString(value):
		return "a value that begins with a quote has to end with it: put the whole into quotes of the other kind"
	case strings.Count(line, `"`)%2 == 1:
		return "a quote is not closed"
	case colonWithin.MatchString(value):
		return "put a value with a colon in it into quotes"
	}
	return meantToPart(line)
}

// meantToPart returns a hint about a separator of key and value that YAML does not accept; empty if there is none.
func meantToPart(line string) string {
	odd := strings.IndexFunc(line, func(letter rune) bool { return letter > unicode.MaxASCII && unicode.IsSpace(letter) })
	if odd >= 0 {
		letter, _ := utf8.DecodeRuneInString(line[odd:])
		return fmt.Sprintf("%U is no space for YAML; type an ordinary one", letter)
	}
	if gluedColon.MatchString(line) {
		return "a colon needs a space behind it"
	}
	return ""
}

var (
	// gluedColon matches a key without a space between the colon and the value.
	gluedColon = regexp.MustCompile(`^\s*[\w.-]+:[^\s/:]+\s*$`)
	// halfQuoted matches a value that begins with a quoted part and continues after it.
	halfQuoted = regexp.MustCompile(`^("[^"]*"|'[^']*')\s*[^\s,#}\]]`)
	// colonWithin matches an unquoted value with a colon that YAML takes for that of a key.
	colonWithin = regexp.MustCompile(`^[^"'\[{|>#].*:(\s|$)`)
)

// path leads from the root to a node: names of fields, keys of maps, indices of lists.
type path []string

// child returns the path to a node below.
func (p path) child(elements ...string) path { return append(p[:len(p):len(p)], elements...) }

// name returns the last name on the path: for an entry of a list, that of the list.
func (p path) name() string {
	for _, element := range slices.Backward(p) {
		if _, err := strconv.Atoi(element); err != nil {
			return element
		}
	}
	return "the file"
}

// owner returns the name for messages about what the node lacks.
func (p path) owner() string {
	if len(p) > 0 && p.name() != p[len(p)-1] {
		return "this entry of " + p.name()
	}
	return p.name()
}

// found is the result of following a path.
type found struct {
	key   *yaml.Node // the last key or list entry on the path; nil at the root
	value *yaml.Node // the node at the end of the path, or the last existing one before it
	exact bool       // whether value is at the end of the path
	clear bool       // whether the value, or its absence, is certain
}

func (r *review) find(p path) found {
	f := found{value: r.root, exact: true, clear: r.unclear[r.root] != wholly}
	for _, element := range p {
		key, value := step(f.value, element)
		if value == nil {
			f.exact, f.clear = false, f.clear && r.unclear[f.value] != partly
			return f
		}
		f.key, f.value, f.clear = key, value, f.clear && r.unclear[value] != wholly
	}
	return f
}

func step(node *yaml.Node, element string) (key, value *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for key, value := range entries(node) {
			if key.Value == element {
				return key, value
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(element); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	}
	return nil, nil
}

// place returns the node to report to the reader: the value if it is on the line of its key, otherwise the key.
func (f found) place() *yaml.Node {
	if f.key == nil || f.exact && f.value.Line == f.key.Line {
		return f.value
	}
	return f.key
}

// entries yields the keys and values of a mapping.
func entries(node *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !yield(node.Content[i], node.Content[i+1]) {
				return
			}
		}
	}
}
