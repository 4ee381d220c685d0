// Package rules evaluates the expressions of the configuration, in the Common Expression Language (CEL, https://cel.dev).
//
// An expression has two variables: lead, the leadgate.v1.Lead as the mapping wrote it, and accepted, the time of its acceptance. So
// it depends only on what is stored with the lead, and always gives the same result. It cannot loop, has no side effects, and its
// cost is limited. Regular expressions are RE2.
//
// A missing value is not an error: a text field that is not set is an empty text, and an expression that reads a missing custom
// field has no value. All other faults are a [Failure], which the caller reports before it goes on without the expression.
package rules

import (
	"fmt"
	"math"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// The limit of one evaluation, in CEL's cost units. To search the longest message once costs about 3,300.
	maxCost = 100_000
	// The longest expression, in characters, and the deepest nesting.
	maxLength = 4096
	maxDepth  = 50
)

// Environment compiles expressions. It is immutable and safe for concurrent use.
type Environment struct{ env *cel.Env }

// NewEnvironment returns an environment. That takes some milliseconds, so keep it for as long as expressions are compiled.
func NewEnvironment() (*Environment, error) {
	env, err := cel.NewEnv(
		cel.Types(&leadgatev1.Lead{}),
		cel.Variable("lead", cel.ObjectType(string((&leadgatev1.Lead{}).ProtoReflect().Descriptor().FullName()))),
		cel.Variable("accepted", cel.TimestampType),
		cel.ParserExpressionSizeLimit(maxLength), cel.ParserRecursionLimit(maxDepth),
		cel.OptionalTypes(), ext.Strings(), ext.Math(), ext.Lists(),
	)
	if err != nil {
		return nil, fmt.Errorf("environment of expressions: %w", err)
	}
	return &Environment{env}, nil
}

// Condition is a compiled boolean expression. It is safe for concurrent use.
type Condition struct{ program cel.Program }

// Condition compiles a boolean expression, such as lead.country == "DE". Error: *CompileError.
func (e *Environment) Condition(text string) (*Condition, error) {
	program, output, err := e.compile(text)
	if err != nil {
		return nil, err
	}
	if !output.IsAssignableType(cel.BoolType) && !output.IsExactType(cel.DynType) {
		return nil, wholly(fmt.Sprintf("this is %s; it has to be true or false, as in lead.country == \"DE\"", output))
	}
	return &Condition{program}, nil
}

// Holds reports whether the condition is true for a lead. It is false if it reads a missing custom field. Error: *Failure.
func (c *Condition) Holds(record *leadgatev1.LeadRecord) (bool, error) {
	value, err := evaluate(c.program, record)
	if err != nil || value == nil {
		return false, err
	}
	holds, ok := value.(types.Bool)
	if !ok {
		return false, &Failure{fmt.Sprintf("it is %s for this lead, and not true or false", value.Type().TypeName())}
	}
	return bool(holds), nil
}

// Value is a compiled expression that makes a value for a CRM. It is safe for concurrent use.
type Value struct {
	program cel.Program
	texts   []string
}

// Value compiles an expression for a text, a number, a boolean, a time, or a list of these. Error: *CompileError.
func (e *Environment) Value(text string) (*Value, error) {
	program, output, err := e.compile(text)
	if err != nil {
		return nil, err
	}
	if !sendable(output) {
		return nil, wholly(fmt.Sprintf("this is %s, which no CRM takes; make a text, a number, true or false, a time, or a list of these of it", output))
	}
	v := &Value{program: program}
	if parsed, issues := e.env.Parse(text); issues.Err() == nil {
		v.texts = texts(parsed.NativeRep().Expr())
	}
	return v, nil
}

// Texts returns the literal texts that can be the result: "A" and "B" of lead.country == "DE" ? "A" : "B".
func (v *Value) Texts() []string { return v.texts }

func texts(e ast.Expr) (found []string) {
	switch e.Kind() {
	case ast.LiteralKind:
		if text, ok := e.AsLiteral().(types.String); ok && text != "" {
			found = append(found, string(text))
		}
	case ast.ListKind:
		for _, item := range e.AsList().Elements() {
			found = append(found, texts(item)...)
		}
	case ast.CallKind:
		if call := e.AsCall(); call.FunctionName() == operators.Conditional {
			found = append(texts(call.Args()[1]), texts(call.Args()[2])...)
		}
	}
	return found
}

func sendable(t *cel.Type) bool {
	switch t.Kind() {
	case types.BoolKind, types.DoubleKind, types.IntKind, types.UintKind, types.StringKind, types.TimestampKind, types.DynKind, types.NullTypeKind:
		return true
	case types.ListKind:
		return len(t.Parameters()) == 0 || t.Parameters()[0].Kind() != types.ListKind && sendable(t.Parameters()[0])
	case types.OpaqueKind:
		return t.TypeName() == "optional_type" && sendable(t.Parameters()[0])
	case types.StructKind: // google.protobuf.Value is a custom field
		return t.TypeName() == "google.protobuf.Value"
	}
	return false
}

// Of evaluates the expression for a lead. It returns a string (also for a time), bool, float64, int64 or []any of these, or nil if
// there is no value or an empty text. It trims white space around a text. Error: *Failure.
func (v *Value) Of(record *leadgatev1.LeadRecord) (any, error) {
	value, err := evaluate(v.program, record)
	if err != nil || value == nil {
		return nil, err
	}
	return native(value)
}

// Failure says why an expression has no result for a lead. It does not contain the lead's values.
type Failure struct{ reason string }

// Error implements error.
func (f *Failure) Error() string { return f.reason }

func (e *Environment) compile(text string) (cel.Program, *cel.Type, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil, wholly("the expression is empty")
	}
	ast, issues := e.env.Compile(text)
	if issues.Err() != nil {
		return nil, nil, compileError(issues)
	}
	program, err := e.env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		return nil, nil, wholly(err.Error())
	}
	return program, ast.OutputType(), nil
}

// evaluate returns nil without an error if the lead does not have what the expression reads.
func evaluate(program cel.Program, record *leadgatev1.LeadRecord) (value ref.Val, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			value, err = nil, &Failure{"a fault of the expression's evaluation"}
		}
	}()
	lead, accepted := record.GetLead(), record.GetCreateTime()
	if lead == nil {
		lead = &leadgatev1.Lead{}
	}
	if accepted == nil {
		accepted = &timestamppb.Timestamp{}
	}
	value, _, err = program.Eval(map[string]any{"lead": lead, "accepted": accepted})
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "no such key"):
		return nil, nil
	case strings.Contains(err.Error(), "cost limit"):
		return nil, &Failure{fmt.Sprintf("it costs more than %d units; make it simpler", maxCost)}
	case strings.Contains(err.Error(), "no such overload"):
		return nil, &Failure{"it puts together what does not go together for this lead, such as a text and a number; double(…) and string(…) make one of the other"}
	default:
		return nil, &Failure{harmless(err)}
	}
	if optional, ok := value.(*types.Optional); ok {
		if !optional.HasValue() {
			return nil, nil
		}
		value = optional.GetValue()
	}
	if value.Type() == types.NullType {
		return nil, nil
	}
	return value, nil
}

// sayings are how errors of an evaluation begin. The rest of an error may contain values of the lead, quoted or not, so that it
// cannot be cut out reliably.
var sayings = []string{
	"division by zero", "modulus by zero", "integer overflow", "unsigned integer overflow", "duration overflow", "timestamp overflow",
	"type conversion error", "invalid RFC 3339 timestamp", "unknown time zone", "timezone offset", "error parsing regexp",
	"invalid replacement string", "index out of bounds", "index out of range", "cannot slice", "invalid substring range", "join: invalid input",
	"list elements must be comparable", "list elements must have the same type", "could not convert",
}

// harmless returns what is wrong according to an evaluation's error, without the lead's values.
func harmless(err error) string {
	for _, saying := range sayings {
		if strings.HasPrefix(err.Error(), saying) {
			return saying
		}
	}
	return "it cannot be evaluated for this lead"
}

// native converts a CEL value to a Go value.
func native(value ref.Val) (any, error) {
	switch v := value.(type) {
	case types.String:
		text := strings.TrimSpace(string(v)) // lead.first_name + " " + lead.last_name may lack one of the two
		if text == "" {
			return nil, nil
		}
		return text, nil
	case types.Bool:
		return bool(v), nil
	case types.Double:
		if math.IsInf(float64(v), 0) || math.IsNaN(float64(v)) { // JSON cannot represent them
			return nil, &Failure{"it is not a number for this lead, as after a division by 0"}
		}
		return float64(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		return int64(v), nil //nolint:gosec // no lead counts that far
	case types.Timestamp:
		return v.UTC().Format("2006-01-02T15:04:05.999Z"), nil
	}
	if list, ok := value.Value().([]ref.Val); ok {
		return natives(list)
	}
	if lister, ok := value.(interface {
		Size() ref.Val
		Get(ref.Val) ref.Val
	}); ok && value.Type() == types.ListType {
		n, _ := lister.Size().(types.Int)
		items := make([]ref.Val, 0, n)
		for i := range n {
			items = append(items, lister.Get(i))
		}
		return natives(items)
	}
	return nil, &Failure{fmt.Sprintf("it is %s for this lead, which no CRM takes", value.Type().TypeName())}
}

func natives(list []ref.Val) (any, error) {
	var items []any
	for _, item := range list {
		value, err := native(item)
		if err != nil {
			return nil, err
		}
		if value != nil {
			items = append(items, value)
		}
	}
	if len(items) == 0 {
		return nil, nil
	}
	return items, nil
}

// wholly returns the error for a problem of the whole expression.
func wholly(message string) error { return &CompileError{Problems: []Problem{{Message: message}}} }
