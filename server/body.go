package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/leadgate/leadgate/server/intake"
	"github.com/leadgate/leadgate/worker"
)

// usualBodyTimeout is how long a client may take to send a body by default.
const usualBodyTimeout = 10 * time.Second

// timeBody bounds how long a request's body may take to arrive, whether it is read or not: net/http reads what the handler leaves before
// it answers. net/http lifts the bound when the body has arrived.
func timeBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // a test's recorder does not support it
	}
}

// promisedBody is how much of an announced body is allocated in advance, in bytes: enough for most leads. The rest is allocated as it
// arrives, because a client may announce a large body and not send it.
const promisedBody = 8 << 10

// escaped is the most bytes that one byte of text takes in an urlencoded form: %C3.
const escaped = 3

// batchPath is the path of batches over REST.
const batchPath = "/v1/leads:batch"

func bodyTooLarge(limit int64, whose string) error {
	return worker.Failure(nil, codes.ResourceExhausted, &errdetails.ErrorInfo{Reason: "BODY_TOO_LARGE"},
		fmt.Sprintf("the body is larger than %d bytes, the limit of %s", limit, whose))
}

// encoded returns an error if the body is compressed. It would not be decompressed, and read as it is, a compressed form has no fields.
func encoded(w http.ResponseWriter, r *http.Request) error {
	coding := r.Header.Get("Content-Encoding")
	if coding == "" || strings.EqualFold(coding, "identity") {
		return nil
	}
	w.Header().Set("Accept-Encoding", "identity") // RFC 9110, 15.5.16
	return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "MEDIA_TYPE_UNSUPPORTED"},
		"the body is compressed, as its Content-Encoding says; send it uncompressed, without Content-Encoding")
}

// readBody reads a request's whole body, bounded in size and time. The body can be read again afterwards.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit, whose := s.house().maxBody, "intake.max_body_bytes"
	switch {
	case r.URL.Path == batchPath && limit < maxBatchBody:
		limit, whose = maxBatchBody, "a batch; send several"
	case intake.IsURLEncoded(r.Header.Get("Content-Type")): // its content is measured once it is decoded
		limit, whose = escaped*limit, "an urlencoded form, three times intake.max_body_bytes"
	}
	if r.ContentLength > limit {
		return nil, bodyTooLarge(limit, whose)
	}
	if r.ContentLength == 0 || r.Body == nil {
		return nil, nil
	}
	var buffer bytes.Buffer
	if r.ContentLength > 0 {
		buffer.Grow(int(min(r.ContentLength, promisedBody)) + bytes.MinRead)
	}
	if _, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		return nil, bodyFailure(err, limit, whose, s.bodyTimeout)
	}
	r.Body = &wholeBody{bytes.NewReader(buffer.Bytes()), buffer.Bytes()}
	return buffer.Bytes(), nil
}

// wholeBody is a body in memory, to be read again or taken as a whole.
type wholeBody struct {
	*bytes.Reader
	content []byte
}

// Close implements io.Closer.
func (*wholeBody) Close() error { return nil }

// Bounds of a multipart form. Its files are read and dropped, because fields may come after them.
const (
	// MaxUpload is the largest form, in bytes. A proxy in front of the gateway must let as much through.
	MaxUpload     = 32 << 20
	uploadTimeout = time.Minute
)

// upload returns the body of a multipart form, bounded in size and time, to be read once. A stopping server waits for it no longer than
// for other bodies. The caller calls done when it has read the body; after that nothing touches the request.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) (body io.Reader, done func()) {
	timeBody(w, r, uploadTimeout)
	done = s.whenStopping(func() { timeBody(w, r, s.bodyTimeout) })
	if r.Body == nil {
		return http.NoBody, done
	}
	return http.MaxBytesReader(w, r.Body, MaxUpload), done
}

// whenStopping calls hurry when the server stops. When done returns, hurry is not running and will not be called.
func (s *Server) whenStopping(hurry func()) (done func()) {
	hurried := make(chan struct{})
	leave := context.AfterFunc(s.stopping, func() {
		defer close(hurried)
		hurry()
	})
	return func() {
		if !leave() {
			<-hurried
		}
	}
}

// bodyFailure returns the error of a body that could not be read.
func bodyFailure(err error, limit int64, whose string, within time.Duration) error {
	switch tooMany := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooMany):
		return bodyTooLarge(limit, whose)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return worker.Failure(err, codes.DeadlineExceeded, &errdetails.ErrorInfo{Reason: "REQUEST_TIMEOUT"},
			fmt.Sprintf("the body did not arrive within %s", within))
	}
	return malformed("the body could not be read: it ended early or its transfer coding is broken")
}
