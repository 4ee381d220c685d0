package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// sheet is a file written by a spreadsheet program, read as UTF-8 whatever its encoding.
type sheet struct {
	io.ReaderAt
	name string
	size int64
	file *os.File
	note string // how it is read, if that was guessed
}

// openSheet opens a file in a charset. If none is given, it detects UTF-8 and UTF-16, and otherwise assumes Windows-1252, which
// Excel writes by default.
func openSheet(path, charset string) (*sheet, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, usageError{err}
	}
	s := &sheet{ReaderAt: file, name: path, file: file}
	if err := s.decode(charset); err != nil {
		_ = file.Close() // it was only read
		return nil, err
	}
	return s, nil
}

// Close closes the file.
func (s *sheet) Close() error { return s.file.Close() }

func (s *sheet) decode(charset string) error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	s.size = info.Size()
	from, err := s.charset(charset)
	if from == nil || err != nil {
		return err
	}
	text, err := io.ReadAll(transform.NewReader(io.NewSectionReader(s.file, 0, s.size), from.NewDecoder()))
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.ReaderAt, s.size = bytes.NewReader(text), int64(len(text))
	return nil
}

// charset returns the encoding of the file; nil for UTF-8.
func (s *sheet) charset(name string) (encoding.Encoding, error) {
	if name != "" {
		from, err := htmlindex.Get(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("--charset: %q is not known; it is one such as windows-1250, windows-1251, macintosh or shift_jis", name)}
		}
		return from, nil
	}
	first := make([]byte, 4)
	n, _ := s.file.ReadAt(first, 0) // an error will show again below
	switch first = first[:n]; {
	case bytes.HasPrefix(first, []byte("PK\x03\x04")), bytes.HasPrefix(first, []byte("\xD0\xCF\x11\xE0")):
		return nil, usageError{fmt.Errorf("%s is a workbook; save it as CSV UTF-8", s.name)}
	case bytes.HasPrefix(first, []byte("\xFF\xFE")), bytes.HasPrefix(first, []byte("\xFE\xFF")):
		return unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM), nil
	}
	_, err := io.Copy(io.Discard, transform.NewReader(io.NewSectionReader(s.file, 0, s.size), encoding.UTF8Validator))
	if errors.Is(err, encoding.ErrInvalidUTF8) {
		s.note = s.name + " is not UTF-8, and is read as Windows-1252; --charset names another"
		return charmap.Windows1252, nil
	}
	return nil, err
}

// begin finds where the header begins, and what separates columns. Excel may name the separator in a line before the header.
func (s *sheet) begin() (start int64, comma rune, err error) {
	top := bufio.NewReader(io.NewSectionReader(s, 0, 1<<20))
	line, err := top.ReadString('\n')
	if text, ok := strings.CutPrefix(line, "\uFEFF"); ok {
		start, line = int64(len(line)-len(text)), text
	}
	if told, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "sep="); ok && len(told) == 1 {
		return start + int64(len(line)), rune(told[0]), nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	if strings.TrimSpace(line) == "" {
		return 0, 0, usageError{fmt.Errorf("%s has no header: its first line must name the columns", s.name)}
	}
	comma = ','
	for _, other := range []rune{';', '\t', '|'} {
		if strings.Count(line, string(other)) > strings.Count(line, string(comma)) {
			comma = other
		}
	}
	return start, comma, nil
}
