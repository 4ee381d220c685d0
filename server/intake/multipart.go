package intake

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// multipartDecoder decodes a multipart form part by part.
type multipartDecoder struct {
	body  *recordingReader
	read  *decoder
	left  int64 // how many more bytes of text are allowed
	parts int
	list  fieldList
	files []*leadgatev1.Submission_File
}

// The most parts, text and files, that a form may have. Reading as many as the limits on fields and values would allow could take
// minutes.
const maxParts = 2000

// maxPartHeader limits what precedes a part's content, in bytes, including what is read ahead. The library's own limit is 10 MiB.
const maxPartHeader = 32 << 10

var errPartHeader = fmt.Errorf("%w: more than %d bytes stand before the content of a part", ErrMalformed, maxPartHeader)

func (d *multipartDecoder) decode(body io.Reader, boundary string) error {
	d.body = &recordingReader{Reader: body, left: math.MaxInt64}
	buffered := bufio.NewReader(d.body)
	begin, _ := buffered.Peek(len("--") + len(boundary)) // an error is reported with the first part
	parts := multipart.NewReader(buffered, boundary)
	for {
		d.body.left = maxPartHeader
		part, err := parts.NextRawPart()
		d.body.left = math.MaxInt64
		switch {
		case errors.Is(err, io.EOF):
			if d.parts == 0 && len(begin) > 0 && string(begin) != "--"+boundary {
				return d.partError(errors.New("no boundary"))
			}
			return nil
		case err != nil:
			return d.partError(err)
		}
		if d.parts++; d.parts > maxParts {
			return fmt.Errorf("%w: it has more than %d parts", ErrMalformed, maxParts)
		}
		if err := d.part(part); err != nil {
			return err
		}
	}
}

func (d *multipartDecoder) part(part *multipart.Part) error {
	name := d.read.text(part.FormName())
	if isFile(part) {
		size, err := io.Copy(io.Discard, part)
		if err != nil {
			return d.partError(err)
		}
		d.drop(name, part, size)
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(part, d.left+1))
	if err != nil {
		return d.partError(err)
	}
	if d.left -= int64(len(raw) + len(name)); d.left < 0 {
		return fmt.Errorf("%w: the text of the form is larger than allowed", ErrTooLarge)
	}
	read := d.read
	if _, parameters, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err == nil && parameters["charset"] != "" {
		if read, err = charsetReader(parameters["charset"]); err != nil {
			return err
		}
	}
	value := read.text(string(raw))
	if name == charsetField && d.read == nil {
		if named, err := charsetReader(value); err == nil {
			d.read = named
		}
	}
	if err := d.list.add(name, value); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// isFile reports whether a part is a file: it has a file name, even an empty one because no file was chosen.
func isFile(part *multipart.Part) bool {
	_, parameters, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	_, named := parameters["filename"]
	return err == nil && named
}

// drop records a file. It ignores an empty file input.
func (d *multipartDecoder) drop(name string, part *multipart.Part, size int64) {
	if size == 0 && part.FileName() == "" || len(d.files) == maxFiles {
		return
	}
	mediaType, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if err != nil {
		mediaType = ""
	}
	d.files = append(d.files, &leadgatev1.Submission_File{Field: clip(name), MediaType: clip(mediaType), Size: uint32(size)}) //nolint:gosec // of a body that is bounded
}

// partError distinguishes a malformed form from a body that could not be read.
func (d *multipartDecoder) partError(err error) error {
	switch {
	case d.body.err != nil:
		return d.body.err
	case errors.Is(err, errPartHeader):
		return errPartHeader
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the form ends early", ErrMalformed)
	}
	return fmt.Errorf("%w: it is not a multipart form with that boundary", ErrMalformed)
}

// recordingReader keeps the error that ended reading.
type recordingReader struct {
	io.Reader
	left int64 // how many bytes it may read before the content of a part; unlimited within it
	err  error
}

func (r *recordingReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errPartHeader
	}
	n, err := r.Reader.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
