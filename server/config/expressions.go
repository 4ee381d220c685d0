package config

import (
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/rules"
)

// expressions reports what is wrong with the expressions of the file, where it stands.
func (r *review) expressions(cfg *configv1.Config) error {
	var made *rules.Environment
	environment := func() (_ *rules.Environment, err error) { // made when the first expression needs it
		if made == nil {
			made, err = rules.NewEnvironment()
		}
		return made, err
	}
	condition := func(p path, text string) error {
		if text == "" { // reported already
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

// expression reports the problems of an expression that begins so many bytes into the text at a path.
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
		at.Line, at.Column = within(found, begins, problem.Line, problem.Column)
		r.at(&at, "%s: %s", p.name(), problem.Message)
	}
}

// within is where in the file a place in a text stands, as far as the way it is written tells: both are counted from 1, and 0
// means the whole text.
func within(f found, begins, line, column int) (fileLine, fileColumn int) {
	node := f.value
	if line == 0 {
		return node.Line, node.Column
	}
	switch {
	case node.Style&yaml.LiteralStyle != 0: // its lines follow below the key, indented
		indent := 1
		if f.key != nil {
			indent = f.key.Column + 2
		}
		if line == 1 {
			column += begins
		}
		return node.Line + line, indent + column - 1
	case line > 1 || strings.Contains(node.Value, "\n"): // folded: nobody knows where its lines were broken
		return node.Line, node.Column
	}
	before := node.Value[:min(begins+column-1, len(node.Value))]
	switch {
	case node.Style&yaml.SingleQuotedStyle != 0:
		return node.Line, node.Column + 1 + len(before) + strings.Count(before, "'")
	case node.Style&yaml.DoubleQuotedStyle != 0:
		return node.Line, node.Column + 1 + len(before) + strings.Count(before, `"`) + strings.Count(before, `\`)
	}
	return node.Line, node.Column + len(before)
}
