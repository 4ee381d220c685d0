package intake_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

const limit = 64 << 10

// parts returns a multipart form as a browser sends it, with text parts given as name, value.
func parts(t testing.TB, pairs ...string) (contentType string, body *bytes.Buffer, w *multipart.Writer) {
	t.Helper()
	body = &bytes.Buffer{}
	w = multipart.NewWriter(body)
	for i := 0; i < len(pairs); i += 2 {
		if err := w.WriteField(pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return w.FormDataContentType(), body, w
}

func TestMultipartKeepsTextAndDropsFilesHoweverLarge(t *testing.T) {
	t.Parallel()
	contentType, body, w := parts(t, "email", "ada@example.com", "tags[]", "a", "tags[]", "b")
	cv, err := w.CreateFormFile("cv", "ada lovelace.pdf")
	if err != nil {
		t.Fatal(err)
	}
	const size = 3 << 20
	if _, err := io.CopyN(cv, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateFormFile("photo", ""); err != nil { // nothing chosen
		t.Fatal(err)
	}
	if err := errors.Join(w.WriteField("name", "Ada"), w.Close()); err != nil {
		t.Fatal(err)
	}
	got, files, err := intake.DecodeMultipart(contentType, body, limit)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fields("email", "ada@example.com", "tags[]", "a", "tags[]", "b", "name", "Ada"), got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	want := []*leadgatev1.Submission_File{{Field: "cv", MediaType: "application/octet-stream", Size: size}}
	if diff := cmp.Diff(want, files, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestMultipartReadsTheCharsetThatIsSaid(t *testing.T) {
	t.Parallel()
	contentType, body, w := parts(t, "_charset_", "iso-8859-1", "a", "J\xf6rg")
	part, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="b"`}, "Content-Type": {"text/plain; charset=utf-8"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(part, "Jörg"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, _, err := intake.DecodeMultipart(contentType, body, limit)
	if diff := cmp.Diff(fields("_charset_", "iso-8859-1", "a", "Jörg", "b", "Jörg"), got, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestMultipartRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	whole := func(pairs ...string) (string, io.Reader) {
		contentType, body, w := parts(t, pairs...)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return contentType, body
	}
	broken := errors.New("the line broke")
	for name, test := range map[string]struct {
		form func() (string, io.Reader)
		want error
	}{
		"no boundary":  {func() (string, io.Reader) { return "multipart/form-data", strings.NewReader("") }, intake.ErrMediaType},
		"another kind": {func() (string, io.Reader) { return "multipart/mixed; boundary=x", strings.NewReader("") }, intake.ErrMediaType},
		"another boundary": {func() (string, io.Reader) {
			_, body := whole("a", "1")
			return "multipart/form-data; boundary=other", body
		}, intake.ErrMalformed},
		"the end is gone": {func() (string, io.Reader) { contentType, body, _ := parts(t, "a", "1"); return contentType, body }, intake.ErrMalformed},
		"too much text": {func() (string, io.Reader) {
			return whole("a", strings.Repeat("x", 30<<10), "b", strings.Repeat("x", 30<<10), "c", strings.Repeat("x", 30<<10))
		}, intake.ErrTooLarge},
		"a field too large": {func() (string, io.Reader) { return whole("a", strings.Repeat("x", 33<<10)) }, intake.ErrMalformed},
		"too many fields": {func() (string, io.Reader) {
			var pairs []string
			for i := range 201 {
				pairs = append(pairs, fmt.Sprint("f", i), "x")
			}
			return whole(pairs...)
		}, intake.ErrMalformed},
		"the line breaks": {func() (string, io.Reader) {
			contentType, body, _ := parts(t, "a", "1")
			return contentType, io.MultiReader(body, iotest.ErrReader(broken))
		}, broken},
	} {
		contentType, body := test.form()
		if _, _, err := intake.DecodeMultipart(contentType, body, limit); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func FuzzDecodeMultipart(f *testing.F) {
	f.Add("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n")
	f.Add("--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n--x\r\n\r\n--x--")
	f.Add("--x\r\nContent-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset=utf-16\r\n\r\n\xff\xfe1\x00\r\n--x--\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		got, files, err := intake.DecodeMultipart("multipart/form-data; boundary=x", strings.NewReader(body), limit)
		if err != nil {
			if !errors.Is(err, intake.ErrMalformed) && !errors.Is(err, intake.ErrTooLarge) && !errors.Is(err, intake.ErrMediaType) {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if err := protovalidate.Validate(&leadgatev1.Submission{Fields: got, Files: files}); err != nil {
			t.Fatalf("%q: decoded, but %v", body, err)
		}
	})
}

// counted counts the bytes that are read.
type counted struct {
	io.Reader
	read int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

func TestWhatStandsBeforeAPartIsBounded(t *testing.T) {
	t.Parallel()
	const boundary = "--b\r\n"
	for name, before := range map[string]string{
		"a long header":  boundary + "Content-Disposition: form-data; name=a\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\nv\r\n--b--\r\n",
		"many headers":   boundary + strings.Repeat("X: x\r\n", 1<<18) + "\r\nv\r\n--b--\r\n",
		"a long preface": boundary + "Content-Disposition: form-data; name=a\r\n\r\nv\r\n--b\r\n" + strings.Repeat("x", 1<<20),
	} {
		body := &counted{Reader: strings.NewReader(before)}
		if _, _, err := intake.DecodeMultipart("multipart/form-data; boundary=b", body, limit); !errors.Is(err, intake.ErrMalformed) || body.read > 64<<10 {
			t.Errorf("%s: %v after %d bytes", name, err, body.read)
		}
	}
	// Many parts with headers do not add up to a long header.
	contentType, body, w := parts(t)
	for i := range 150 {
		header := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="f%d"`, i)}, "X-Padding": {strings.Repeat("x", 1000)}}
		part, err := w.CreatePart(header)
		if err == nil {
			_, err = io.WriteString(part, "v")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _, err := intake.DecodeMultipart(contentType, body, limit); err != nil || len(got) != 150 {
		t.Errorf("%d fields, %v", len(got), err)
	}
}
