package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	// ErrTooLarge says that the text of a multipart body is larger than allowed.
	ErrTooLarge = errors.New("body too large")
)

// TooLongError says that a value is longer than anything a field may hold, which its visitor can mend.
type TooLongError struct {
	Field string // the page's own name of it
}

// Error implements error.
func (e *TooLongError) Error() string { return fmt.Sprintf("field %q %s", e.Field, e.Message()) }

// Message is what is wrong with the field.
func (*TooLongError) Message() string { return fmt.Sprintf("must be at most %d KiB", maxValue>>10) }

// Bounds of a submission, those of message Submission in lead.proto. They are checked while decoding, so that a body full
// of small fields costs little, and the answer can name the field by the page's own name.
const (
	maxFields = 200
	maxValues = 100      // of one field
	maxName   = 255      // bytes
	maxValue  = 32 << 10 // bytes
	maxFiles  = 20       // further ones are dropped without being named
)

// The media types that forms send.
const (
	mediaJSON       = "application/json"
	mediaURLEncoded = "application/x-www-form-urlencoded"
	mediaMultipart  = "multipart/form-data"
	mediaBeacon     = "text/plain" // JSON from navigator.sendBeacon, and from scripts that avoid a preflight
)

const takenMediaTypes = "send application/json, application/x-www-form-urlencoded or multipart/form-data"

// IsMultipart says whether a request's body is to be read by [DecodeMultipart], part by part.
func IsMultipart(contentType string) bool { return isMedia(contentType, mediaMultipart) }

// IsURLEncoded says whether a request's body has its text percent-escaped.
func IsURLEncoded(contentType string) bool { return isMedia(contentType, mediaURLEncoded) }

func isMedia(contentType, want string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), want)
}

// Decode reads the fields of a submission from a request's body: a JSON object, or an urlencoded form. Fields keep their
// order; where a name is repeated, its values are gathered at its first place.
//
// In JSON, values are strings, numbers (kept as written), booleans ("true", "false"), null (the same as an empty string)
// and lists of these; what is within another object has a name with dots, such as address.city. A list of objects with
// name and value, as HubSpot's forms send it, and its like is read as the fields that it lists, and so are the answers of
// Typeform and the fields of Elementor. A list of one object is read as the object, and jQuery's serializeArray as the
// fields that it lists. Where a form carries its fields as JSON in one
// of them, as Jotform's webhook does, they take its place.
//
// JSON may come as text/plain, as it does from navigator.sendBeacon, and as an urlencoded form, as which curl -d sends it unless
// told otherwise.
//
// Text is UTF-8, or in the charset that the content type names. In urlencoded forms, a value that is not UTF-8 is read as
// Windows-1252, which is what old pages send without saying so.
//
// Errors wrap [ErrMediaType] or [ErrMalformed], and in the latter a [TooLongError], and are fit to be shown to whoever sent the
// body: they quote names of fields, never values.
func Decode(contentType string, body []byte) ([]*leadgatev1.Submission_Field, error) {
	mediaType, charset, err := parseMediaType(contentType)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrMediaType, takenMediaTypes)
	}
	read, err := charsetReader(charset)
	if err != nil {
		return nil, err
	}
	var list fieldList
	switch {
	case mediaType == mediaJSON || strings.HasSuffix(mediaType, "+json") || mediaType == mediaBeacon && isObject(body) ||
		mediaType == mediaURLEncoded && isObject(body) && json.Valid(withoutBOM(body)): // in a form's names, { is escaped
		err = list.addJSON(body, read)
	case mediaType == mediaURLEncoded:
		if err = list.addURLEncoded(string(withoutBOM(body)), read); err == nil {
			err = list.addCarried()
		}
	default:
		return nil, fmt.Errorf("%w %q: %s", ErrMediaType, mediaType, takenMediaTypes)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(list.fields) == 0 {
		return nil, nil
	}
	return list.fields, nil
}

// isObject says whether a body begins as a JSON object does.
func isObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(withoutBOM(body), " \t\r\n"), []byte("{"))
}

// parseMediaType reads a content type; the usual ones without taking them apart.
func parseMediaType(contentType string) (mediaType, charset string, err error) {
	switch contentType {
	case mediaJSON, mediaURLEncoded:
		return contentType, "", nil
	}
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	return mediaType, parameters["charset"], err
}

// DecodeMultipart reads the fields of a submission part by part, as browsers send forms with file inputs. Files are passed
// over without being kept, however large; the second result names them. most bounds the text of all other parts, in bytes.
//
// Errors are those of Decode, or wrap [ErrTooLarge], or are those of body.
func DecodeMultipart(contentType string, body io.Reader, most int64) ([]*leadgatev1.Submission_Field, []*leadgatev1.Submission_File, error) {
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != mediaMultipart {
		return nil, nil, fmt.Errorf("%w: %s", ErrMediaType, takenMediaTypes)
	}
	boundary := parameters["boundary"]
	if boundary == "" || len(boundary) > 70 { // RFC 2046, section 5.1.1
		return nil, nil, fmt.Errorf("%w: multipart/form-data needs a boundary of 1 to 70 characters; let the browser set the header", ErrMediaType)
	}
	read, err := charsetReader(parameters["charset"])
	if err != nil {
		return nil, nil, err
	}
	d := multipartDecoder{read: read, left: most}
	if err := d.decode(body, boundary); err != nil {
		return nil, nil, err
	}
	if err := d.list.addCarried(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return d.list.fields, d.files, nil
}

// fieldList gathers fields and guards their bounds.
type fieldList struct {
	fields []*leadgatev1.Submission_Field
	room   []fieldRoom
}

// fieldRoom is a field with room for its one value: made for all fields of a form at once, a third of the time is saved that
// reading the form takes.
type fieldRoom struct {
	field leadgatev1.Submission_Field
	value [1]string
}

// expect makes room for so many fields.
func (l *fieldList) expect(fields int) {
	fields = min(fields, maxFields)
	l.fields, l.room = make([]*leadgatev1.Submission_Field, 0, fields), make([]fieldRoom, fields)
}

// add appends a value to a field, which is new unless the name was added before. Looking for it in a list is quicker than a
// map for the dozen fields of a usual form, and bounded by maxFields.
func (l *fieldList) add(name, value string) error {
	field, err := l.named(name)
	if err != nil {
		return err
	}
	switch {
	case len(field.Values) == maxValues:
		return fmt.Errorf("field %q has more than %d values", name, maxValues)
	case len(value) > maxValue:
		return &TooLongError{Field: name}
	case !utf8.ValidString(value):
		return fmt.Errorf("field %q is not UTF-8", name)
	}
	field.Values = append(field.Values, value)
	return nil
}

// named returns the field of a name; a new one has no values.
func (l *fieldList) named(name string) (*leadgatev1.Submission_Field, error) {
	switch {
	case name == "":
		return nil, errors.New("a field has no name")
	case len(name) > maxName:
		return nil, fmt.Errorf("the name of a field has %d bytes, at most %d are taken", len(name), maxName)
	case !utf8.ValidString(name):
		return nil, errors.New("the name of a field is not UTF-8")
	}
	at := slices.IndexFunc(l.fields, func(f *leadgatev1.Submission_Field) bool { return f.GetName() == name })
	if at >= 0 {
		return l.fields[at], nil
	}
	if len(l.fields) == maxFields {
		return nil, fmt.Errorf("it has more than %d fields", maxFields)
	}
	if len(l.room) == 0 {
		l.room = make([]fieldRoom, 1)
	}
	room := &l.room[0]
	l.room = l.room[1:]
	room.field.Name, room.field.Values = name, room.value[:0]
	l.fields = append(l.fields, &room.field)
	return &room.field, nil
}

// clip keeps a name that nobody has bounded yet short enough for a message.
func clip(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "")
}
