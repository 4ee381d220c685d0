package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/leadgate/leadgate/worker/journal"
)

// lines is a writer for text that people read. Much of it comes from strangers, who may put terminal escapes into a field's name.
// Each call of Write is a line or a part of one: newlines within it, and all other control characters but tabs, become spaces.
type lines struct{ to io.Writer }

// Write implements io.Writer.
func (l lines) Write(text []byte) (int, error) {
	line, end := strings.CutSuffix(string(text), "\n")
	cells := strings.Split(line, "\t")
	for i, cell := range cells {
		cells[i] = journal.OneLine(cell)
	}
	line = strings.Join(cells, "\t")
	if end {
		line += "\n"
	}
	if _, err := io.WriteString(l.to, line); err != nil {
		return 0, err
	}
	return len(text), nil
}

// paragraphs makes text of several lines safe for a terminal.
func paragraphs(text string) string {
	all := strings.Split(text, "\n")
	for i, line := range all {
		all[i] = journal.OneLine(line)
	}
	return strings.Join(all, "\n")
}

// jsonLine returns a message as one line of JSON. It also escapes U+007F to U+009F, which JSON permits but some terminals obey.
func jsonLine(m proto.Message) (string, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return "", err
	}
	if !bytes.ContainsFunc(text, unicode.IsControl) {
		return string(text), nil
	}
	var line strings.Builder
	for _, letter := range string(text) {
		if unicode.IsControl(letter) {
			fmt.Fprintf(&line, `\u%04x`, letter)
		} else {
			line.WriteRune(letter)
		}
	}
	return line.String(), nil
}
