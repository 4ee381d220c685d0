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

// decoder converts text from a charset to UTF-8. A nil decoder is for UTF-8.
type decoder struct{ from encoding.Encoding }

// charsetReader returns the decoder for a charset, by the names that browsers know, such as latin1 or windows-1252. The empty name
// is UTF-8. The error wraps ErrMediaType.
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

// text decodes a name or a value. Text that should be UTF-8 and is not is read as Windows-1252, which has a character for each
// byte: better to get a rare one wrong than to lose a lead over an accent.
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

// document decodes a whole JSON body to UTF-8 without a byte order mark. UTF-16 is recognized by its mark; otherwise the same
// applies as in text.
func (d *decoder) document(body []byte) []byte {
	switch {
	case bytes.HasPrefix(body, []byte("\xFF\xFE")), bytes.HasPrefix(body, []byte("\xFE\xFF")):
		d = &decoder{unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)}
	case d == nil && utf8.Valid(body):
		return withoutBOM(body)
	}
	return withoutBOM([]byte(d.text(string(body))))
}

// withoutBOM removes the byte order mark that some programs write before UTF-8.
func withoutBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")) }
