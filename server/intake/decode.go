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
	// ErrMediaType means that forms do not send bodies of this type.
	ErrMediaType = errors.New("unsupported content type")
	// ErrMalformed means that a body does not match its content type, or exceeds a limit.
	ErrMalformed = errors.New("malformed body")
	// ErrTooLarge means that the text of a multipart body is too large.
	ErrTooLarge = errors.New("body too large")
)

// TooLongError means that a value is longer than any field may be. The visitor can fix that.
type TooLongError struct {
	Field string // the page's name of it
}

// Error implements error.
func (e *TooLongError) Error() string { return fmt.Sprintf("field %q %s", e.Field, e.Message()) }

// Message says what is wrong with the field.
func (*TooLongError) Message() string { return fmt.Sprintf("must be at most %d KiB", maxValue>>10) }

// Limits of a submission, from message Submission in lead.proto. They are checked while decoding, so that a body full of small
// fields costs little, and the error can use the page's name of the field.
const (
	maxFields = 200
	maxValues = 100      // per field
	maxName   = 255      // bytes
	maxValue  = 32 << 10 // bytes
	maxFiles  = 20       // any more are discarded without being recorded
)

// The media types that forms send.
const (
	mediaJSON       = "application/json"
	mediaURLEncoded = "application/x-www-form-urlencoded"
	mediaMultipart  = "multipart/form-data"
	mediaBeacon     = "text/plain" // JSON from navigator.sendBeacon, and from scripts that avoid a preflight
)

const takenMediaTypes = "send application/json, application/x-www-form-urlencoded or multipart/form-data"

// IsMultipart reports whether a request's body is for [DecodeMultipart].
func IsMultipart(contentType string) bool { return isMedia(contentType, mediaMultipart) }

// IsURLEncoded reports whether a request's body is an urlencoded form.
func IsURLEncoded(contentType string) bool { return isMedia(contentType, mediaURLEncoded) }

func isMedia(contentType, want string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), want)
}

// Decode returns the fields of a submission from a request's body, which is a JSON object or an urlencoded form. Fields keep their
// order; a repeated name adds its values to the first field of that name.
//
// In JSON, values are strings, numbers (kept as written), booleans ("true", "false"), null (the same as an empty string) and lists
// of these; members of nested objects have dotted names, such as address.city. A list of objects with a name and a value, as
// HubSpot's forms and jQuery's serializeArray send it, is read as the fields that it lists, and so are the answers of Typeform and
// the fields of Elementor. A list of one object is read as the object. If one of the fields carries the others as JSON, as in
// Jotform's webhook, they replace it.
//
// JSON may also be sent as text/plain, as navigator.sendBeacon does, or as an urlencoded form, as curl -d does by default.
//
// Text is in UTF-8, or in the charset that the content type or a form's field _charset_ names. If none is named, text that is not
// UTF-8 is read as Windows-1252, which old pages send without saying so.
//
// Errors wrap [ErrMediaType] or [ErrMalformed]; the latter may also wrap a [TooLongError]. They may be shown to the sender: they
// quote names of fields, never values.
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
		mediaType == mediaURLEncoded && isObject(body) && json.Valid(withoutBOM(body)): // browsers escape { in the names of a form
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

// isObject reports whether a body begins like a JSON object.
func isObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(withoutBOM(body), " \t\r\n"), []byte("{"))
}

// parseMediaType parses a content type, with a fast path for the usual ones.
func parseMediaType(contentType string) (mediaType, charset string, err error) {
	switch contentType {
	case mediaJSON, mediaURLEncoded:
		return contentType, "", nil
	}
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	return mediaType, parameters["charset"], err
}

// DecodeMultipart reads the fields of a submission part by part, as browsers send forms with file inputs. It discards files,
// however large, and describes them in the second result. most limits the text of all other parts, in bytes.
//
// Errors are those of Decode and of body, and ones that wrap [ErrTooLarge].
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

// fieldList collects fields and enforces their limits.
type fieldList struct {
	fields []*leadgatev1.Submission_Field
	room   []fieldRoom
}

// fieldRoom is a field with room for a single value. Allocating them for all fields of a form at once saves a third of the time to
// read it.
type fieldRoom struct {
	field leadgatev1.Submission_Field
	value [1]string
}

// expect allocates room for a number of fields.
func (l *fieldList) expect(fields int) {
	fields = min(fields, maxFields)
	l.fields, l.room = make([]*leadgatev1.Submission_Field, 0, fields), make([]fieldRoom, fields)
}

// add appends a value to the field with that name, which it creates if needed. For the dozen fields of a typical form a linear
// search is faster than a map, and maxFields limits it.
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

// named returns the field with that name, or a new one without values.
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

// clip shortens a name of unchecked length for use in a message.
func clip(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "")
}
