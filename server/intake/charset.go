package intake

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// decoder turns text of another charset into UTF-8. The nil decoder is that of UTF-8 itself.
type decoder struct{ from encoding.Encoding }

// charsetReader returns the decoder of a charset by the names that browsers know, such as latin1 or windows-1252; the
// empty name is UTF-8. The error wraps ErrMediaType.
func charsetReader(charset string) (*decoder, error) {
	if charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8") || strings.EqualFold(charset, "us-ascii") {
		return nil, nil
	}
	from, err := htmlindex.Get(strings.TrimSpace(charset))
	if err != nil {
		return nil, fmt.Errorf("%w: charset %q is not known, send UTF-8", ErrMediaType, clip(charset))
	}
	return &decoder{from}, nil
}

// text reads a name or a value. What is not UTF-8, in a body that should be, is read as Windows-1252: each of its bytes is a
// letter there, and losing a lead over an accent would be worse than reading a rare one wrong.
func (d *decoder) text(raw string) string {
	switch {
	case d != nil:
		return d.decode(raw)
	case utf8.ValidString(raw):
		return raw
	}
	return (&decoder{charmap.Windows1252}).decode(raw)
}

func (d *decoder) decode(raw string) string {
	text, err := d.from.NewDecoder().String(raw)
	if err != nil {
		return strings.ToValidUTF8(raw, "\uFFFD")
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// document reads a whole body of JSON: without a byte order mark, in UTF-8. One in UTF-16 says so by its mark. What is not UTF-8 is
// read as in other forms.
func (d *decoder) document(body []byte) []byte {
	switch {
	case bytes.HasPrefix(body, []byte("\xFF\xFE")), bytes.HasPrefix(body, []byte("\xFE\xFF")):
		d = &decoder{unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)}
	case d == nil && utf8.Valid(body):
		return withoutBOM(body)
	}
	return withoutBOM([]byte(d.text(string(body))))
}

// withoutBOM drops the byte order mark that some programs put before UTF-8.
func withoutBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")) }
