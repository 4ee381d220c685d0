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
	// Line and Column are the position in the expression, from 1; 0 if the problem is the whole expression.
	Line, Column int
	// Message says what is wrong and how to fix it.
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

// inOurWords turns a message of the compiler into one that helps the author of the expression.
func inOurWords(message string) string {
	if found := undefinedField.FindStringSubmatch(message); found != nil {
		return fmt.Sprintf("lead has no field %q%s", found[1], didYouMean(found[1], ""))
	}
	if found := undeclared.FindStringSubmatch(message); found != nil {
		name := strings.TrimPrefix(found[1], ".")
		if slices.Contains(leadFields(), name) {
			return fmt.Sprintf("write lead.%s for the lead's %s", name, name)
		}
		near := spelling.Nearest(name, known())
		if near == "" {
			near = elsewhere(name)
		}
		if near != "" {
			return fmt.Sprintf("nothing is called %q; did you mean %q?", name, near)
		}
		return fmt.Sprintf("nothing is called %q%s; there are lead and accepted, texts stand in quotes", name, didYouMean(name, "lead."))
	}
	if found := noOverload.FindStringSubmatch(message); found != nil {
		operator := strings.Trim(found[1], "_@")
		message = fmt.Sprintf("%s does not go with (%s)", operator, strings.ReplaceAll(found[2], "google.protobuf.Value", "custom field"))
	}
	if found := syntax.FindStringSubmatch(message); found != nil {
		message = "this is not an expression: " + found[1]
	}
	for _, habit := range habits() {
		if habit.shows.MatchString(message) {
			return message + "; " + habit.wayOut
		}
	}
	return message
}

// known returns the names of variables and functions.
func known() []string {
	return []string{"lead", "accepted", "contains", "startsWith", "endsWith", "matches", "lowerAscii", "upperAscii", "trim", "split", "replace", "size", "exists", "double", "string"}
}

// elsewhere returns our name of a function that other languages have under another name; empty if there is none.
func elsewhere(name string) string {
	switch strings.ToLower(name) {
	case "lower", "tolower", "tolowercase", "lowercase":
		return "lowerAscii"
	case "upper", "toupper", "touppercase", "uppercase":
		return "upperAscii"
	case "len", "length", "count":
		return "size"
	case "includes", "has_text", "indexof":
		return "contains"
	case "number", "float", "todouble", "parsefloat":
		return "double"
	}
	return ""
}

// habit is a common mistake, and how to write it in CEL.
type habit struct {
	shows  *regexp.Regexp // matches the compiler's message
	wayOut string
}

func habits() []habit {
	return []habit{
		{regexp.MustCompile(`token recognition error at: '=`), "equal is =="},
		{regexp.MustCompile(`token recognition error at: '[“”„‘’«»]`), `texts stand in straight quotes, as "DE"`},
		{regexp.MustCompile(`input '(?i:and|or|not|like|is)'`), "and is &&, or is ||, not is !"},
		{regexp.MustCompile(`input ',' expecting '\)'`), `a list stands in brackets, as ["DE", "AT"]`},
		{regexp.MustCompile(`extraneous input '>'`), "unequal is !="},
		{regexp.MustCompile(`^in does not go with`), `it wants a list, as in ["DE", "AT"]`},
		{regexp.MustCompile(`does not go with \(string, null\)`), `what is not filled in is ""`},
		{regexp.MustCompile(`list\(leadgate\.v1\.Consent\).* does not support`), `look through them, as in lead.consents.exists(c, c.purpose == "newsletter" && c.granted)`},
	}
}

func didYouMean(name, prefix string) string {
	if near := spelling.Nearest(name, leadFields()); near != "" {
		return fmt.Sprintf("; did you mean %q?", prefix+near)
	}
	return ""
}

// leadFields returns the names of a lead's fields and of those nested in them, as they are written after "lead.".
func leadFields() []string {
	var names []string
	var walk func(string, protoreflect.MessageDescriptor)
	walk = func(prefix string, message protoreflect.MessageDescriptor) {
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			name := prefix + string(field.Name())
			names = append(names, name)
			switch {
			case field.Message() == nil || field.IsMap() || !strings.HasPrefix(string(field.Message().FullName()), "leadgate."):
			case field.IsList(): // its elements are named separately
				walk("", field.Message())
			default:
				walk(name+".", field.Message())
			}
		}
	}
	walk("", (*leadgatev1.Lead)(nil).ProtoReflect().Descriptor())
	return names
}
