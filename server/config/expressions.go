package config

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/rules"
)

// expressions reports the problems of the expressions in the file, each at its place.
func (r *review) expressions(cfg *configv1.Config) error {
	var made *rules.Environment
	environment := func() (_ *rules.Environment, err error) { // created for the first expression
		if made == nil {
			made, err = rules.NewEnvironment()
		}
		return made, err
	}
	condition := func(p path, text string) error {
		if text == "" { // already reported
			return nil
		}
		env, err := environment()
		if err != nil {
			return err
		}
		_, err = env.Condition(text)
		r.expression(p, 0, err)
		return nil
	}
	var problems []error
	for name, form := range cfg.GetForms() {
		for i, route := range form.GetRoutes() {
			problems = append(problems, condition(path{"forms", name, "routes", strconv.Itoa(i), "when"}, route.GetWhen()))
		}
		for i, block := range form.GetBlock() {
			problems = append(problems, condition(path{"forms", name, "block", strconv.Itoa(i), "when"}, block.GetWhen()))
		}
	}
	for name, destination := range cfg.GetDestinations() {
		for property, text := range destination.GetProperties() {
			expression, ok := mapping.Expression(text)
			if !ok {
				continue
			}
			env, err := environment()
			if err != nil {
				return err
			}
			_, err = env.Value(expression)
			r.expression(path{"destinations", name, "properties", property}, 1+strings.Index(text, "="), err)
		}
	}
	return errors.Join(problems...)
}

// expression reports the problems of an expression that starts at the given byte of the text at a path.
func (r *review) expression(p path, begins int, err error) {
	bad := (*rules.CompileError)(nil)
	if err == nil || !errors.As(err, &bad) {
		return
	}
	found := r.find(p)
	if !found.exact || !found.clear {
		return
	}
	for _, problem := range bad.Problems {
		at := *found.value
		at.Line, at.Column = r.within(found.value, begins, problem.Line, problem.Column)
		r.at(&at, "%s: %s", p.name(), problem.Message)
	}
}

// within converts a position in an expression to one in the file. The expression starts at byte begins of the node's text; line and
// column are counted from 1, and line 0 means the whole text. It counts characters other than white space, which are the same in
// the file and in the text, however the file breaks lines, except for escapes.
func (r *review) within(node *yaml.Node, begins, line, column int) (fileLine, fileColumn int) {
	if line == 0 {
		return node.Line, node.Column
	}
	before := begins
	for range line - 1 {
		before += 1 + strings.IndexByte(node.Value[before:], '\n')
	}
	left := 0 // characters to go
	for i, letter := range node.Value {
		if i < before && !unicode.IsSpace(letter) {
			left++
		}
	}
	for _, letter := range []rune(node.Value[before:])[:min(column-1, utf8.RuneCountInString(node.Value[before:]))] {
		if !unicode.IsSpace(letter) {
			left++
		}
	}
	fileLine, fileColumn = node.Line, node.Column
	lines := strings.Split(r.text, "\n")[fileLine-1:]
	switch node.Style {
	case yaml.LiteralStyle, yaml.FoldedStyle: // the text begins on the next line
		lines, fileLine, fileColumn = lines[1:], fileLine+1, 1
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		fileColumn++
	}
	for ; len(lines) > 0; lines, fileLine, fileColumn = lines[1:], fileLine+1, 1 {
		letters := []rune(lines[0])
		for i := fileColumn - 1; i < len(letters); i++ {
			switch {
			case unicode.IsSpace(letters[i]):
				continue
			case left == 0:
				return fileLine, i + 1
			case node.Style&yaml.DoubleQuotedStyle != 0 && letters[i] == '\\', node.Style&yaml.SingleQuotedStyle != 0 && letters[i] == '\'':
				i++ // skip the escaped character
			}
			left--
		}
	}
	return node.Line, node.Column
}
