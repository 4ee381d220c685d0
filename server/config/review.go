package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leadgate/leadgate/worker/journal"
)

// review collects the problems of a file.
type review struct {
	file     string
	text     string // with line feeds only
	root     *yaml.Node
	problems []problem
	hinted   []problem
	// unclear holds the nodes that could not be read as intended. Missing or wrong values there may be a consequence, and are not
	// reported again.
	unclear map[*yaml.Node]extent
}

// extent is how much of a node could not be read.
type extent int

const (
	partly extent = iota + 1 // some keys: it is unknown what they were meant to be, so nothing can be reported as missing
	wholly
)

// problem is a fault at a line and a column, both from 1.
type problem struct {
	line, column int
	message      string
}

// at reports a problem at a node, on a single line that is safe to print whatever names the file contains.
func (r *review) at(node *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, problem{max(1, node.Line), max(1, node.Column), journal.OneLine(fmt.Sprintf(format, args...))})
}

// hint reports that the value at a path is probably not intended.
func (r *review) hint(p path, format string, args ...any) {
	if found := r.find(p); found.clear {
		r.hintAt(found.place(), format, args...)
	}
}

func (r *review) hintAt(node *yaml.Node, format string, args ...any) {
	problems := r.problems
	r.at(node, format, args...)
	r.hinted, r.problems = append(r.hinted, r.problems[len(problems):]...), problems
}

// doubt reports a problem that makes the whole node unclear.
func (r *review) doubt(node *yaml.Node, format string, args ...any) {
	r.at(node, format, args...)
	r.mark(node, wholly)
}

// partUnclear reports whether a value under the keys at a path could not be read, so that a rule about all of them is meaningless.
func (r *review) partUnclear(p path) bool {
	found := r.find(p)
	if !found.exact || found.value.Kind != yaml.MappingNode {
		return false
	}
	for _, value := range entries(found.value) {
		if r.unclear[value] != 0 {
			return true
		}
	}
	return false
}

func (r *review) mark(node *yaml.Node, e extent) {
	if r.unclear == nil {
		r.unclear = map[*yaml.Node]extent{}
	}
	r.unclear[node] = max(r.unclear[node], e)
}

// on reports a problem with the value at a path, or with its absence.
func (r *review) on(p path, format string, args ...any) {
	if found := r.find(p); found.clear {
		r.at(found.place(), format, args...)
	}
}

// onKey reports a problem with the key at a path.
func (r *review) onKey(p path, format string, args ...any) {
	if found := r.find(p); found.exact {
		r.at(found.key, format, args...)
	}
}

// err returns all problems in file order; nil if there are none.
func (r *review) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.lines(r.problems), "\n"))
}

// lines returns problems in file order, each with its place.
func (r *review) lines(problems []problem) []string {
	slices.SortFunc(problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column), strings.Compare(a.message, b.message))
	})
	var lines []string
	for _, p := range slices.Compact(problems) {
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", r.file, p.line, p.column, p.message))
	}
	return lines
}
