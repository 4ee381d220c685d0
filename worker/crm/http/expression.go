package http

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/leadgate/leadgate/worker/crm"
)

// Limits of an expression: the configuration is trusted, but its input is not.
const (
	costLimit = 100_000
	maxDepth  = 50
)

// expression is a compiled CEL expression. It is safe for concurrent use.
type expression struct{ program cel.Program }

// compile compiles an expression over variables of dynamic type.
func compile(source string, variables ...string) (*expression, error) {
	// These are the functions that expressions over leads have, too.
	options := []cel.EnvOption{cel.ParserRecursionLimit(maxDepth), cel.OptionalTypes(), ext.Strings(), ext.Math(), ext.Lists()}
	for _, name := range variables {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, fmt.Errorf("column %d: %s; the variables are %s", first.Location.Column()+1, first.Message, strings.Join(variables, ", "))
	}
	program, err := env.Program(ast, cel.CostLimit(costLimit))
	if err != nil {
		return nil, err
	}
	return &expression{program}, nil
}

// predicate compiles an expression about an answer that should be true or false.
func predicate(source string) (*expression, error) {
	return compile(source, "status", "headers", "body", "text", "item")
}

// holds reports whether a predicate is true. One that fails, such as for a missing member, is not.
func (e *expression) holds(variables map[string]any) bool {
	value, _, err := e.program.Eval(variables)
	if err != nil {
		return false
	}
	truth, ok := value.Value().(bool)
	return ok && truth
}

// json returns the value as JSON with sorted keys.
func (e *expression) json(variables map[string]any) ([]byte, error) {
	value, _, err := e.program.Eval(variables)
	if err != nil {
		// The error's own text would quote the lead.
		return nil, errors.New("it fails for this lead; ask whether a property is there, as in has(properties.email), before using it")
	}
	native, err := value.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, errors.New("its value cannot be written as JSON")
	}
	return crm.Marshal(native.(*structpb.Value).AsInterface())
}
