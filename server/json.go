package server

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

// strictJSON marshals messages as protobuf JSON. Unlike the gateway's own marshaler, it accepts no unknown fields and nothing after the
// value, and omits fields that are not set.
type strictJSON struct{ runtime.JSONPb }

func newJSON() *strictJSON { return &strictJSON{} }

// NewDecoder implements runtime.Marshaler.
func (*strictJSON) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		var body []byte
		if whole, ok := r.(*wholeBody); ok {
			body = whole.content
		} else if read, err := io.ReadAll(r); err == nil {
			body = read
		} else {
			return err
		}
		if len(body) == 0 {
			return io.EOF // an empty message; its rules say what is missing
		}
		message, ok := v.(proto.Message)
		if !ok {
			return errors.New("only whole messages are read")
		}
		body = keepDigits(body)
		return readable(protojson.Unmarshal(body, message), body, message.ProtoReflect().Descriptor())
	})
}

// Marshal implements runtime.Marshaler. Messages of a stream come wrapped in a map. The gateway's own marshaler would use encoding/json
// for it, which costs as much again as the message.
func (m *strictJSON) Marshal(v any) ([]byte, error) {
	if results, ok := v.(map[string]any); ok && len(results) == 1 {
		if message, ok := results["result"].(proto.Message); ok {
			frame, err := m.MarshalAppend(append(make([]byte, 0, 1024), `{"result":`...), message)
			return append(frame, '}'), err
		}
	}
	return m.JSONPb.Marshal(v)
}

// StreamContentType returns the media type of a stream: one JSON value per line.
func (*strictJSON) StreamContentType(any) string { return "application/x-ndjson" }

var (
	// The position in protojson's errors, which is not always in the same place of the text.
	position = regexp.MustCompile(`\(line (\d+):(\d+)\):? ?`)
	// The complaint in protojson's errors, without the value after it, which may be personal and would appear in logs.
	complaint = regexp.MustCompile(`^(syntax error|unknown field "[^"]*"|(?:duplicate|field) [^:]*)`)
	// What protojson says about valid JSON with a value of the wrong type.
	mistaken = regexp.MustCompile(`^(?:syntax error unexpected token|invalid value for|invalid google\.)`)
)

// readable rewrites protojson's errors, whose white space varies from build to build.
func readable(err error, body []byte, message protoreflect.MessageDescriptor) error {
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
	sentence, want := "the body is not the JSON that is expected", ""
	what := position.ReplaceAllString(text, "")
	if at := position.FindStringSubmatch(text); at != nil {
		sentence += ", at " + at[1] + ":" + at[2]
		if mistaken.MatchString(what) {
			want = wanted(body, at[1], at[2], message)
		}
	}
	what = complaint.FindString(what)
	early := strings.Contains(text, "unexpected EOF")
	switch {
	case want != "":
		sentence += ": " + want
	case !utf8.Valid(body):
		sentence += ": it is not UTF-8"
	case (early || what == "syntax error") && json.Valid(body): // only protobuf rejects half of a surrogate pair
		sentence += ": a text has half a character in it, such as an emoji that was cut"
	case what != "":
		sentence += ": " + strings.TrimSpace(what) + hint(what, message)
	case early:
		sentence += ": it ends too early"
	}
	return errors.New(sentence)
}

// wanted describes what belongs at a line and column of valid JSON; empty if unknown.
func wanted(body []byte, line, column string, message protoreflect.MessageDescriptor) string {
	l, _ := strconv.Atoi(line) // digits, like column
	c, _ := strconv.Atoi(column)
	at, ok := placeAt(body, l, c)
	if !ok {
		return ""
	}
	if want := takes(message, at); want != "" {
		return cmp.Or(at.String(), "it") + " takes " + want
	}
	return ""
}

// eventsJSON writes a stream as server-sent events. The identifier of a leadgate event is also that of the server-sent event, so that
// browsers resume after it on their own.
type eventsJSON struct{ *strictJSON }

// Marshal implements runtime.Marshaler.
func (m *eventsJSON) Marshal(v any) ([]byte, error) {
	data, err := m.strictJSON.Marshal(v)
	if err != nil {
		return nil, err
	}
	var frame []byte
	if results, ok := v.(map[string]any); ok {
		if watched, ok := results["result"].(*leadgatev1.WatchDeliveriesResponse); ok && watched.GetEvent().GetId() != "" {
			frame = append(append(append(frame, "id: "...), watched.GetEvent().GetId()...), '\n')
		}
	}
	return append(append(frame, "data: "...), data...), nil
}

// ContentType implements runtime.Marshaler.
func (*eventsJSON) ContentType(any) string { return eventStream }

// StreamContentType returns the media type of server-sent events.
func (*eventsJSON) StreamContentType(any) string { return eventStream }

// Delimiter returns the end of a server-sent event.
func (*eventsJSON) Delimiter() []byte { return []byte("\n\n") }

// addressField is the one field that is accepted in bodies only: an e-mail address does not belong in a URL.
const addressField = "email"

// strictQuery checks the query parameters of a request whose message has the given fields. The gateway would ignore unknown ones, and a
// misspelt filter must not match everything. Enum values may be short, such as DEAD for DELIVERY_STATE_DEAD; they are returned in full.
func strictQuery(fields protoreflect.FieldDescriptors, values url.Values) (url.Values, error) {
	for name, given := range values {
		field := fields.ByTextName(name)
		if field == nil {
			field = fields.ByJSONName(name)
		}
		switch {
		case field == nil:
			return nil, errors.New("there is no query parameter " + name + "; there are: " + strings.Join(parameterNames(fields), ", "))
		case field.Name() == addressField:
			return nil, errors.New("an e-mail address in a URL would stay in the logs of proxies and browsers; send it in the body of POST /v1/leads:search or /v1/leads:export")
		}
		for i, value := range given {
			if enum := field.Enum(); enum != nil {
				if found := enums.Find(enum, value); found != nil {
					given[i] = string(found.Name())
				}
			}
			if want := unreadable(field, given[i]); want != "" {
				return nil, fmt.Errorf("%s=%s cannot be read; it takes %s", name, value, want)
			}
		}
	}
	return values, nil
}

// unreadable describes what a field takes; empty if the given value is fine.
func unreadable(field protoreflect.FieldDescriptor, given string) (want string) {
	var err error
	switch field.Kind() {
	case protoreflect.EnumKind:
		number, notANumber := strconv.ParseInt(given, 10, 32)
		values := field.Enum().Values()
		if values.ByName(protoreflect.Name(given)) == nil && (notANumber != nil || values.ByNumber(protoreflect.EnumNumber(number)) == nil) {
			return strings.Join(enums.Names(field.Enum()), ", ")
		}
	case protoreflect.Int32Kind:
		_, err = strconv.ParseInt(given, 10, 32)
		want = "a number"
	case protoreflect.MessageKind:
		if field.Message().FullName() == "google.protobuf.Timestamp" {
			_, err = time.Parse(time.RFC3339Nano, given)
			want = "a time, such as 2026-11-01T12:00:00Z"
		}
	}
	if err == nil {
		return ""
	}
	return want
}

func parameterNames(fields protoreflect.FieldDescriptors) []string {
	var names []string
	for i := range fields.Len() {
		if field := fields.Get(i); field.Name() != addressField {
			names = append(names, field.TextName())
		}
	}
	slices.Sort(names)
	return names
}
