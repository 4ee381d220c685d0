package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/leadgate/leadgate/worker"
)

// How long a client may take to send its request, after the headers.
const bodyTimeout = 10 * time.Second

// batchPath is where a batch comes in over REST.
const batchPath = "/v1/leads:batch"

func bodyTooLarge(limit int64, whose string) error {
	return worker.Failure(nil, codes.ResourceExhausted, &errdetails.ErrorInfo{Reason: "BODY_TOO_LARGE"},
		fmt.Sprintf("the body is larger than %d bytes, the limit of %s", limit, whose))
}

// readBody reads a request's whole body within its bounds of size and time, and leaves it to be read again.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit, whose := s.house().maxBody, "intake.max_body_bytes"
	if r.URL.Path == batchPath && limit < maxBatchBody {
		limit, whose = maxBatchBody, "a batch; send several"
	}
	if r.ContentLength > limit {
		return nil, bodyTooLarge(limit, whose)
	}
	if r.ContentLength == 0 || r.Body == nil {
		return nil, nil
	}
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout)) // a test's recorder has none
	defer func() { _ = deadline.SetReadDeadline(time.Time{}) }()
	var buffer bytes.Buffer
	if r.ContentLength > 0 {
		buffer.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	switch tooMany := (*http.MaxBytesError)(nil); {
	case err == nil:
	case errors.As(err, &tooMany):
		return nil, bodyTooLarge(limit, whose)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, worker.Failure(err, codes.DeadlineExceeded, &errdetails.ErrorInfo{Reason: "REQUEST_TIMEOUT"},
			fmt.Sprintf("the body did not arrive within %s", bodyTimeout))
	default:
		return nil, malformed("the body could not be read: it ended early or its transfer coding is broken")
	}
	r.Body = io.NopCloser(bytes.NewReader(buffer.Bytes()))
	return buffer.Bytes(), nil
}
