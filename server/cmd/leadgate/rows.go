package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// row is a row of a file, and what became of it.
type row struct {
	number int   // number in the file, from 1 without the header
	end    int64 // byte offset of the next row
	cells  []string
	lead   *leadgatev1.Lead // nil if the row cannot be read
	key    string
	reason string   // why it was not sent, or was refused
	left   []string // columns left out because they cannot be read

	done     bool
	replayed bool
}

// rowReader reads the rows of a CSV file into leads.
type rowReader struct {
	csv    *csv.Reader
	header []string
	fields []string // the lead field of each column
	form   *intake.Form
	name   string // name of the form
	email  int    // index of the e-mail column; -1 if there is none
	key    int    // index of the key column; -1 if there is none
	last   row    // the row before the next one
	base   int64  // byte offset at which csv started
}

// mapping says how a file is mapped to leads.
type mapping struct {
	form, region, key   string
	mapped, skip, types []string
}

// openRows reads the header of a file: its columns, and their separator.
func openRows(file *sheet, m mapping) (*rowReader, error) {
	start, comma, err := file.begin()
	if err != nil {
		return nil, err
	}
	r := &rowReader{name: m.form, key: -1, base: start}
	r.read(io.NewSectionReader(file, start, 1<<62), comma)
	if r.header, err = r.csv.Read(); err != nil {
		return nil, fmt.Errorf("%s: %w", file.name, err)
	}
	r.csv.FieldsPerRecord = len(r.header)
	r.last.end = start + r.csv.InputOffset()
	for i := range r.header {
		r.header[i] = strings.TrimSpace(r.header[i])
	}
	if m.key != "" {
		if r.key = slices.Index(r.header, m.key); r.key < 0 {
			return nil, usageError{fmt.Errorf("--key: there is no column %q; the columns are %s", m.key, strings.Join(r.header, ", "))}
		}
	}
	if r.fields, err = columns(r.header, m.mapped, m.skip); err != nil {
		return nil, err
	}
	if r.email = slices.Index(r.fields, "email"); r.email < 0 && !slices.Contains(r.fields, "phone") {
		return nil, usageError{fmt.Errorf(`%s: no column is known to be an e-mail address or a phone number, and a lead needs one; the first line must name the columns, and names %s; --map "COLUMN=email" says which it is`,
			file.name, strings.Join(r.header, ", "))}
	}
	values, err := formValues(r.header, r.fields, m.types)
	if err != nil {
		return nil, err
	}
	r.form, err = intake.NewForm(m.form, &configv1.Form{Fields: formFields(r.header, r.fields), Values: values, DefaultRegion: m.region})
	if err != nil {
		return nil, usageError{fmt.Errorf("the columns of %s: %w; --map COLUMN=FIELD and --skip COLUMN change where they lead", file.name, err)}
	}
	return r, nil
}

func (r *rowReader) read(from io.Reader, comma rune) {
	r.csv = csv.NewReader(from)
	r.csv.Comma, r.csv.LazyQuotes, r.csv.TrimLeadingSpace = comma, true, comma != '\t'
}

// skipTo continues after the last row that an earlier run handled.
func (r *rowReader) skipTo(file *sheet, number int, end int64) {
	r.read(io.NewSectionReader(file, end, 1<<62), r.csv.Comma)
	r.csv.FieldsPerRecord = len(r.header)
	r.base, r.last = end, row{number: number, end: end}
}

// next reads the next row that is not empty; io.EOF after the last one. A malformed row has a reason.
func (r *rowReader) next() (*row, error) {
	cells, err := r.csv.Read()
	for ; cells != nil && strings.Join(cells, "") == ""; cells, err = r.csv.Read() {
		r.last.number++
	}
	wrong := (*csv.ParseError)(nil)
	if err != nil && !errors.As(err, &wrong) {
		return nil, err
	}
	read := &row{number: r.last.number + 1, end: r.base + r.csv.InputOffset(), cells: cells}
	r.last = row{number: read.number, end: read.end}
	switch {
	case r.swallows(cells):
		read.reason = "has the next row within a cell: a quote before it is not closed"
	case wrong != nil && errors.Is(err, csv.ErrFieldCount):
		read.reason = fmt.Sprintf("has %d columns, the header %d", len(cells), len(r.header))
	case wrong != nil:
		read.reason = "is not CSV: " + wrong.Err.Error()
	default:
		r.fill(read)
	}
	return read, nil
}

// swallows reports whether a cell contains another row, because a quote is not closed.
func (r *rowReader) swallows(cells []string) bool {
	for _, cell := range cells {
		_, more, _ := strings.Cut(cell, "\n")
		for line := range strings.Lines(more) {
			if within := strings.Split(line, string(r.csv.Comma)); r.email >= 0 && len(within) == len(r.header) && strings.Contains(within[r.email], "@") {
				return true
			}
		}
	}
	return false
}

// fill makes the lead of a row.
func (r *rowReader) fill(read *row) {
	submission := &leadgatev1.Submission{}
	for i, cell := range read.cells {
		if r.fields[i] != skipped && strings.TrimSpace(cell) != "" {
			submission.Fields = append(submission.Fields, &leadgatev1.Submission_Field{Name: r.header[i], Values: []string{cell}})
		}
	}
	result := r.form.Lead(submission)
	for _, omitted := range result.Omitted {
		read.left = append(read.left, omitted.Field)
	}
	read.lead = result.Lead
	if proto.Size(read.lead.GetSource()) == 0 {
		read.lead.Source = nil
	}
	var reasons []string
	for _, v := range result.Violations {
		reasons = append(reasons, v.Field+": "+v.Message)
	}
	// Saves asking the gateway, which would refuse it as well.
	if broken := (*protovalidate.ValidationError)(nil); len(reasons) == 0 && errors.As(protovalidate.Validate(read.lead), &broken) {
		for _, v := range broken.Violations {
			reasons = append(reasons, strings.TrimPrefix(result.FieldOf(protovalidate.FieldPathString(v.Proto.GetField()))+": "+v.Proto.GetMessage(), ": "))
		}
	}
	read.reason = strings.Join(reasons, "; ")
	if read.key = r.keyOf(read); read.key == "" && read.reason == "" {
		read.reason = r.header[r.key] + ": is empty, and --key takes the idempotency key from it"
	}
}

// keyOf returns the idempotency key of a row, which is the same every time the file is imported.
func (r *rowReader) keyOf(read *row) string {
	if r.key >= 0 {
		return strings.TrimSpace(read.cells[r.key])
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(read.lead)
	if err != nil {
		return "" // a lead that cannot be encoded was refused before
	}
	sum := sha256.Sum256(append([]byte(r.name+"\x00"), content...))
	return "import-" + base64.RawURLEncoding.EncodeToString(sum[:18])
}
