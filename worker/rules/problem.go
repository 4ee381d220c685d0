package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"google.golang.org/protobuf/reflect/protoreflect"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/spelling"
)

// CompileError says what is wrong with an expression, and where.
type CompileError struct{ Problems []Problem }

// Problem is one thing that is wrong with an expression.
type Problem struct {
	// Line and Column within the expression, counted from 1; 0 where the whole of it is meant.
	Line, Column int
	// Message says what is wrong, with the way out.
	Message string
}

// Error implements error.
func (e *CompileError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.Message
		if p.Line > 0 {
			texts[i] = fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
		}
	}
	return strings.Join(texts, "; ")
}

func compileError(issues *cel.Issues) error {
	e := &CompileError{}
	for _, issue := range issues.Errors() {
		e.Problems = append(e.Problems, Problem{
			Line: max(1, issue.Location.Line()), Column: 1 + max(0, issue.Location.Column()), Message: inOurWords(issue.Message),
		})
	}
	return e
}

var (
	undefinedField = regexp.MustCompile(`^undefined field '([^']*)'`)
	undeclared     = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	noOverload     = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '\((.*)\)'`)
	syntax         = regexp.MustCompile(`(?s)^Syntax error: (.*)$`)
)

// inOurWords makes of a message of the compiler one that helps whoever wrote the expression.
func inOurWords(message string) string {
	if found := undefinedField.FindStringSubmatch(message); found != nil {
		return fmt.Sprintf("lead has no field %q%s", found[1], didYouMean(found[1], ""))
	}
	if found := undeclared.FindStringSubmatch(message); found != nil {
		name := strings.TrimPrefix(found[1], ".")
		if slices.Contains(leadFields(), name) {
			return fmt.Sprintf("write lead.%s for the lead's %s", name, name)
		}
		if near := spelling.Nearest(name, []string{"lead", "accepted"}); near != "" {
			return fmt.Sprintf("nothing is called %q; did you mean %q?", name, near)
		}
		return fmt.Sprintf("nothing is called %q%s; there are lead and accepted, texts stand in quotes", name, didYouMean(name, "lead."))
	}
	if found := noOverload.FindStringSubmatch(message); found != nil {
		operator := strings.Trim(found[1], "_@")
		return fmt.Sprintf("%s does not go with (%s)", operator, strings.ReplaceAll(found[2], "google.protobuf.Value", "custom field"))
	}
	if found := syntax.FindStringSubmatch(message); found != nil {
		return "this is not an expression: " + found[1]
	}
	return message
}

func didYouMean(name, prefix string) string {
	if near := spelling.Nearest(name, leadFields()); near != "" {
		return fmt.Sprintf("; did you mean %q?", prefix+near)
	}
	return ""
}

// leadFields are the fields of a lead and of what stands within it.
func leadFields() []string {
	var names []string
	var walk func(protoreflect.MessageDescriptor)
	walk = func(message protoreflect.MessageDescriptor) {
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			names = append(names, string(field.Name()))
			if field.Message() != nil && !field.IsMap() && strings.HasPrefix(string(field.Message().FullName()), "leadgate.") {
				walk(field.Message())
			}
		}
	}
	walk((*leadgatev1.Lead)(nil).ProtoReflect().Descriptor())
	return names
}
