package server

import (
	"net/http"
	"sync"
	"time"
)

const (
	// streamRest is the least time between two flushes of a stream; a single message goes out at once. Nobody sees the difference, and a
	// browser with the console open has less to do with 20 chunks a second than with 500.
	streamRest = 50 * time.Millisecond
	// streamGather is how many bytes are buffered before they are sent anyway.
	streamGather = 32 << 10
)

// streamWriter combines what a stream writes in quick succession. The gateway flushes after every message: with thousands of events a
// second, a system call and a packet for each would cost more than everything else. Only the goroutine that answers the request may use
// it. It must call end before it returns.
type streamWriter struct {
	http.ResponseWriter
	// refuse answers a request whose stream failed before its first message like any other refused request, instead of the way in which
	// the gateway ends a stream. It reports whether it did.
	refuse func(http.ResponseWriter) bool

	mu       sync.Mutex
	refused  bool
	gathered []byte
	flushed  time.Time
	due      *time.Timer // flushes later; nil if nothing is waiting
	err      error       // of a flush, to be returned by the next call
}

// Unwrap lets [http.ResponseController] reach the wrapped writer.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter. It is called only for errors, of a stream or before it.
func (w *streamWriter) WriteHeader(code int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused = w.refuse(w.ResponseWriter); !w.refused {
		w.ResponseWriter.WriteHeader(code)
	}
}

// Write implements http.ResponseWriter.
func (w *streamWriter) Write(content []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused {
		return len(content), nil
	}
	w.gathered = append(w.gathered, content...)
	if len(w.gathered) >= streamGather {
		w.flush()
	}
	return len(content), w.err
}

// FlushError implements what [http.ResponseController] calls. It flushes now, or once streamRest has passed.
func (w *streamWriter) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch rest := time.Until(w.flushed.Add(streamRest)); {
	case w.due != nil || w.err != nil:
	case rest <= 0:
		w.flush()
	default:
		w.due = time.AfterFunc(rest, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.due != nil { // not flushed meanwhile
				w.flush()
			}
		})
	}
	return w.err
}

// end sends the rest. Nothing may be written afterwards.
func (w *streamWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.gathered) > 0 || w.due != nil {
		w.flush()
	}
}

// flush sends the buffer. The caller holds mu.
func (w *streamWriter) flush() {
	if w.due != nil {
		w.due.Stop()
		w.due = nil
	}
	if w.err == nil {
		_, w.err = w.ResponseWriter.Write(w.gathered)
	}
	if w.err == nil {
		w.err = http.NewResponseController(w.ResponseWriter).Flush()
	}
	w.gathered, w.flushed = w.gathered[:0], time.Now()
}
