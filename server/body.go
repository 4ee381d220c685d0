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

// usualBodyTimeout is how long a client may take to send its request, after the headers.
const usualBodyTimeout = 10 * time.Second

// timeBody bounds the time in which a request's body has to arrive, whether anybody reads it or not: what the handler leaves,
// net/http reads before it answers. It takes the bound off by itself when the body has arrived.
func timeBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(timeout)) // a test's recorder has none
	}
}

// promisedBody is for how much of a body there is room at once, in bytes: most leads. More of it is made as it arrives, because
// whoever announces a large one need not send it.
const promisedBody = 8 << 10

// escaped is how many bytes of an urlencoded form one byte of text takes at most: %C3.
const escaped = 3

// batchPath is where a batch comes in over REST.
const batchPath = "/v1/leads:batch"

func bodyTooLarge(limit int64, whose string) error {
	return worker.Failure(nil, codes.ResourceExhausted, &errdetails.ErrorInfo{Reason: "BODY_TOO_LARGE"},
		fmt.Sprintf("the body is larger than %d bytes, the limit of %s", limit, whose))
}

// encoded is the error of a body that is packed: nothing here unpacks one, and read as it comes, a packed form has no fields.
func encoded(w http.ResponseWriter, r *http.Request) error {
	coding := r.Header.Get("Content-Encoding")
	if coding == "" || strings.EqualFold(coding, "identity") {
		return nil
	}
	w.Header().Set("Accept-Encoding", "identity") // RFC 9110, 15.5.16
	return worker.Failure(nil, codes.InvalidArgument, &errdetails.ErrorInfo{Reason: "MEDIA_TYPE_UNSUPPORTED"},
		"the body is compressed, as its Content-Encoding says; send it uncompressed, without Content-Encoding")
}

// readBody reads a request's whole body within its bounds of size and time, and leaves it to be read again.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit, whose := s.house().maxBody, "intake.max_body_bytes"
	switch {
	case r.URL.Path == batchPath && limit < maxBatchBody:
		limit, whose = maxBatchBody, "a batch; send several"
	case intake.IsURLEncoded(r.Header.Get("Content-Type")): // what it holds is measured when it is decoded
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

// wholeBody is a body that was read and can be read again, or taken as it is.
type wholeBody struct {
	*bytes.Reader
	content []byte
}

// Close implements io.Closer.
func (*wholeBody) Close() error { return nil }

// Bounds of a multipart form, whose files pass by: they are read and dropped, because only then the fields behind them come.
const (
	// MaxUpload is the largest one, in bytes: what stands in front of the gateway must let as much through.
	MaxUpload     = 32 << 20
	uploadTimeout = time.Minute
)

// upload is the body of a multipart form, to be read once, within its bounds. A server that stops waits for it no longer than for
// any other body. done is called when it was read: nothing touches the request after that.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) (body io.Reader, done func()) {
	timeBody(w, r, uploadTimeout)
	done = s.whenStopping(func() { timeBody(w, r, s.bodyTimeout) })
	if r.Body == nil {
		return http.NoBody, done
	}
	return http.MaxBytesReader(w, r.Body, MaxUpload), done
}

// whenStopping calls hurry when the server stops. After done, it is not called and does not run.
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

// bodyFailure says why a body could not be read.
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
