package intake

import (
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

var (
	// ErrMediaType says that a body is of a kind that forms do not send.
	ErrMediaType = errors.New("unsupported content type")
	// ErrMalformed says that a body is not what its content type promises, or exceeds a bound.
	ErrMalformed = errors.New("malformed body")
)

// Bounds of a submission, those of message Submission in lead.proto. They are checked while decoding, so that a body full
// of small fields costs little, and the answer can name the field by the page's own name.
const (
	maxFields = 200
	maxValues = 100      // of one field
	maxName   = 255      // bytes
	maxValue  = 32 << 10 // bytes
)

// Decode reads the fields of a submission from a request's body: a JSON object, or an urlencoded form, in UTF-8. Fields
// keep their order; where a name is repeated, its values are gathered at its first place.
//
// In JSON, values are strings, numbers (kept as written), booleans ("true", "false"), null (the same as an empty string)
// and lists of these.
//
// Errors wrap [ErrMediaType] or [ErrMalformed] and are fit to be shown to whoever sent the body: they quote names of
// fields, never values.
func Decode(contentType string, body []byte) ([]*leadgatev1.Submission_Field, error) {
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("%w: send application/json or application/x-www-form-urlencoded", ErrMediaType)
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8") {
		return nil, fmt.Errorf("%w: charset %q is not read, send UTF-8", ErrMediaType, charset)
	}
	var fields fieldList
	switch mediaType {
	case "application/json":
		err = fields.addJSON(body)
	case "application/x-www-form-urlencoded":
		err = fields.addURLEncoded(body)
	default:
		return nil, fmt.Errorf("%w %q: send application/json or application/x-www-form-urlencoded", ErrMediaType, mediaType)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return fields, nil
}

// fieldList gathers fields and guards their bounds.
type fieldList []*leadgatev1.Submission_Field

// add appends values to a field, which is new unless the name was added before. Looking for it in a list is quicker than a
// map for the dozen fields of a usual form, and bounded by maxFields.
func (l *fieldList) add(name string, values ...string) error {
	switch {
	case name == "":
		return errors.New("a field has no name")
	case len(name) > maxName:
		return fmt.Errorf("the name of a field has %d bytes, at most %d are taken", len(name), maxName)
	case !utf8.ValidString(name):
		return errors.New("the name of a field is not UTF-8")
	}
	at := slices.IndexFunc(*l, func(f *leadgatev1.Submission_Field) bool { return f.GetName() == name })
	if at < 0 {
		if len(*l) == maxFields {
			return fmt.Errorf("it has more than %d fields", maxFields)
		}
		at = len(*l)
		*l = append(*l, &leadgatev1.Submission_Field{Name: name})
	}
	field := (*l)[at]
	for _, value := range values {
		switch {
		case len(field.Values) == maxValues:
			return fmt.Errorf("field %q has more than %d values", name, maxValues)
		case len(value) > maxValue:
			return fmt.Errorf("field %q has %d bytes, at most %d are taken", name, len(value), maxValue)
		case !utf8.ValidString(value):
			return fmt.Errorf("field %q is not UTF-8", name)
		}
		field.Values = append(field.Values, value)
	}
	return nil
}

// clip keeps a name that nobody has bounded yet short enough for a message.
func clip(name string) string {
	if len(name) <= maxName {
		return name
	}
	return name[:maxName]
}
