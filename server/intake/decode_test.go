package intake_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

const (
	typeJSON = "application/json"
	typeForm = "application/x-www-form-urlencoded"
)

type values = map[string][]string

func TestDecodingReadsWhatPagesSend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		contentType, body string
		want              []*leadgatev1.Submission_Field
	}{
		{typeForm, "", nil},
		{typeForm, "&&", nil},
		{typeForm, "email=ada%40example.com&name=Ada+Lovelace", fields("email", "ada@example.com", "name", "Ada Lovelace")},
		{typeForm, "b=1&a=2&b=3", fields("b", "1", "b", "3", "a", "2")},
		{typeForm, "newsletter", fields("newsletter", "")},
		{typeForm, "q=a=b;c", fields("q", "a=b;c")},
		{typeForm, "n=J%C3%B6rg%20%26%20S%C3%B6hne", fields("n", "Jörg & Söhne")},
		{"Application/X-WWW-Form-Urlencoded; charset=\"UTF-8\"", "a=1", fields("a", "1")},
		{typeJSON, "{}", nil},
		{typeJSON, " {\"b\":\"1\",\"a\":\"2\",\"b\":\"3\"}\n", fields("b", "1", "b", "3", "a", "2")},
		{typeJSON, `{"n":1.10,"big":12345678901234567890,"yes":true,"no":false,"nothing":null}`,
			fields("n", "1.10", "big", "12345678901234567890", "yes", "true", "no", "false", "nothing", "")},
		{typeJSON, `{"tags":["a",1,null,true]}`, fields("tags", "a", "tags", "1", "tags", "", "tags", "true")},
		{typeJSON, `{"tags":[]}`, []*leadgatev1.Submission_Field{{Name: "tags"}}},
		{"application/json; charset=utf-8", `{"a":"J\u00f6rg \ud83d\ude00"}`, fields("a", "Jörg 😀")},
		{"application/json; charset=latin1", "{\"a\":\"J\xf6rg\"}", fields("a", "Jörg")},
		{"text/plain;charset=UTF-8", ` {"a":"1"}`, fields("a", "1")},
		{"application/vnd.api+json", "\xEF\xBB\xBF{\"a\":\"1\"}", fields("a", "1")},
		{typeJSON, "\xFF\xFE{\x00}\x00", nil},
		{typeJSON, `{"a":{"b":"1","c":{"d":[2,3]}}}`, fields("a.b", "1", "a.c.d", "2", "a.c.d", "3")},
		{typeJSON, `{"a":[["1"],{"b":"2"}]}`, append([]*leadgatev1.Submission_Field{{Name: "a"}}, fields("a.0", "1", "a.1.b", "2")...)},
		{typeJSON, `{"fields":[{"objectTypeId":"0-1","name":"email","value":"a@example.com"},{"name":"firstname","value":"Ada"}],"context":{"pageUri":"https://x.example/"}}`,
			fields("email", "a@example.com", "firstname", "Ada", "context.pageUri", "https://x.example/")},
		{typeJSON, `{"data":{"questions":[{"question":"Phone","answer":"1","position":0},{"question":"Topics","answer":["a","b"]}]}}`, fields("Phone", "1", "Topics", "a", "Topics", "b")},
		{typeJSON, `{"fields":[{"label":null,"value":"1"}]}`, append([]*leadgatev1.Submission_Field{{Name: "fields"}}, fields("fields.0.label", "", "fields.0.value", "1")...)},
		{typeJSON, `{"fields":[{"name":"email"}]}`, append([]*leadgatev1.Submission_Field{{Name: "fields"}}, fields("fields.0.name", "email")...)},
		{typeForm, `{"email":"a@example.com","q":"1&2=3"}`, fields("email", "a@example.com", "q", "1&2=3")}, // curl -d without -H
		{typeForm, "{a}=1", fields("{a}", "1")},
		{typeForm, "m=100% sure%&n=1%zz%2&100%=%41%", fields("m", "100% sure%", "n", "1%zz%2", "100%", "A%")}, // unencoded
		{typeJSON, "{\"a\":\"J\xf6rg\"}", fields("a", "Jörg")},
		{typeJSON, `[{"a":"1"}]`, fields("a", "1")},
		{typeForm, `rawRequest={"q":{"b":"1"}}&c=2`, fields("c", "2", "q.b", "1")},
		{typeForm, "rawRequest=none", fields("rawRequest", "none")},
		{typeForm, "contact%5Bemail%5D=a&tags%5B%5D=1&tags%5B%5D=2", fields("contact[email]", "a", "tags[]", "1", "tags[]", "2")},
		{typeForm, "\xEF\xBB\xBFa=1", fields("a", "1")},
		{typeForm, "n=J%F6rg&m=M%C3%BCller", fields("n", "Jörg", "m", "Müller")}, // an old page that does not name its charset
		{typeForm, "n=J%F6rg&_charset_=iso-8859-1", fields("n", "Jörg", "_charset_", "iso-8859-1")},
		{"application/x-www-form-urlencoded; charset=windows-1251", "n=%C8%E2%E0%ED", fields("n", "Иван")},
		{"application/x-www-form-urlencoded; charset=shift_jis", "n=%8ER%93c", fields("n", "山田")},
	} {
		got, err := intake.Decode(test.contentType, []byte(test.body))
		if err != nil {
			t.Errorf("%s: %v", test.body, err)
		}
		if diff := cmp.Diff(test.want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s:\n%s", test.body, diff)
		}
	}
}

func fields(pairs ...string) []*leadgatev1.Submission_Field {
	return submission(pairs...).GetFields()
}

func TestDecodingRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		contentType, body string
		want              error
		says              string
	}{
		{"", "a=1", intake.ErrMediaType, "send application/json"},
		{"text/xml", "<a/>", intake.ErrMediaType, `"text/xml"`},
		{"text/plain", "a=1", intake.ErrMediaType, `"text/plain"`},
		{"multipart/form-data; boundary=x", "", intake.ErrMediaType, "multipart/form-data"}, // for DecodeMultipart
		{"application/json; charset=klingon", "{}", intake.ErrMediaType, "UTF-8"},
		{typeForm, "=a", intake.ErrMalformed, "no name"},
		{typeJSON, "", intake.ErrMalformed, "unexpected end"},
		{typeJSON, `{"a":"1"`, intake.ErrMalformed, "unexpected end"},
		{typeJSON, `{"a":"1"} x`, intake.ErrMalformed, "after top-level value"},
		{typeJSON, `{"a":"1"}{"b":"2"}`, intake.ErrMalformed, "after top-level value"},
		{typeJSON, `[{"a":"1"},{"a":"2"}]`, intake.ErrMalformed, "object"},
		{typeJSON, `"a"`, intake.ErrMalformed, "object"},
		{typeJSON, `null`, intake.ErrMalformed, "object"},
		{typeJSON, `{"a":` + strings.Repeat(`{"b":`, 20) + `1` + strings.Repeat("}", 21), intake.ErrMalformed, "deep"},
		{typeJSON, `{"":"1"}`, intake.ErrMalformed, "no name"},
		{typeJSON, strings.Repeat("[", 20_000), intake.ErrMalformed, "depth"},
	} {
		got, err := intake.Decode(test.contentType, []byte(test.body))
		if !errors.Is(err, test.want) || !strings.Contains(fmt.Sprint(err), test.says) {
			t.Errorf("%s %.40s: %v, %v; want %v that says %s", test.contentType, test.body, got, err, test.want, test.says)
		}
	}
}

// The limits are those of lead.proto: a decoded submission keeps them, and one more of anything is refused.
func TestDecodingTakesAsMuchAsASubmissionHolds(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]struct {
		bound int
		body  func(n int) values
	}{
		"fields": {200, func(n int) values {
			all := values{}
			for i := range n {
				all[fmt.Sprint("f", i)] = []string{"x"}
			}
			return all
		}},
		"values": {100, func(n int) values { return values{"f": strings.Split(strings.Repeat("x", n), "")} }},
		"name":   {255, func(n int) values { return values{strings.Repeat("n", n): {"x"}} }},
		"value":  {32 << 10, func(n int) values { return values{"f": {strings.Repeat("v", n)}} }},
	} {
		for _, contentType := range []string{typeJSON, typeForm} {
			fields, err := intake.Decode(contentType, encode(t, contentType, most.body(most.bound)))
			if err != nil {
				t.Errorf("%s, %s: %v", name, contentType, err)
			}
			if err := protovalidate.Validate(&leadgatev1.Submission{Fields: fields}); err != nil {
				t.Errorf("%s, %s: decoded and then refused: %v", name, contentType, err)
			}
			if _, err := intake.Decode(contentType, encode(t, contentType, most.body(most.bound+1))); !errors.Is(err, intake.ErrMalformed) {
				t.Errorf("%s, %s: one more than %d gives %v", name, contentType, most.bound, err)
			}
		}
	}
}

func TestDecodingErrorsQuoteNoValues(t *testing.T) {
	t.Parallel()
	for contentType, body := range map[string]string{
		typeForm: "card=4111111111111111&=1",
		typeJSON: `{"card":{"number":4111111111111111},"":1}`,
	} {
		if _, err := intake.Decode(contentType, []byte(body)); err == nil || strings.Contains(err.Error(), "4111") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func encode(t testing.TB, contentType string, fields values) []byte {
	t.Helper()
	if contentType == typeForm {
		return []byte(url.Values(fields).Encode())
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func FuzzDecode(f *testing.F) {
	f.Add(true, `{"email":"ada@example.com","tags":["a",1,null],"email":"b"}`)
	f.Add(true, `{"a":{"b":1}} x`)
	f.Add(false, "email=ada%40example.com&a=1&a=2+3&=x&%")
	f.Fuzz(func(t *testing.T, isJSON bool, body string) {
		contentType := typeForm
		if isJSON {
			contentType = typeJSON
		}
		fields, err := intake.Decode(contentType, []byte(body))
		if err != nil {
			if !errors.Is(err, intake.ErrMalformed) {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if isJSON && !json.Valid([]byte(body)) {
			t.Fatalf("%q is not JSON", body)
		}
		if err := protovalidate.Validate(&leadgatev1.Submission{Fields: fields}); err != nil {
			t.Fatalf("%q: decoded, but %v", body, err)
		}
		seen := map[string]bool{}
		for _, field := range fields {
			if seen[field.GetName()] {
				t.Fatalf("%q: field %q comes twice", body, field.GetName())
			}
			seen[field.GetName()] = true
		}
	})
}
