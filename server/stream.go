package server

import (
	"net/http"
	"sync"
	"time"
)

const (
	// streamRest is between two flushes of a stream, at least. What comes alone goes out at once. Nobody sees the difference, and a
	// browser with the console open has less to do with 20 parcels a second than with 500.
	streamRest = 50 * time.Millisecond
	// streamGather is how many bytes are gathered at most before they go out.
	streamGather = 32 << 10
)

// streamWriter sends together what a stream writes in quick succession. The gateway flushes after every message: with thousands
// of events a second that is a system call and a packet each, and they cost more than all else. It is used by the one goroutine
// that answers the request; end is called before that returns.
type streamWriter struct {
	http.ResponseWriter
	// refuse answers a request whose stream ended with an error before its first message: as any other refusal, not as the gateway
	// ends a stream. It says whether it did.
	refuse func(http.ResponseWriter) bool

	mu       sync.Mutex
	refused  bool
	gathered []byte
	flushed  time.Time
	due      *time.Timer // flushes later; nil if nothing waits
	err      error       // of a flush that nobody was told of yet
}

// Unwrap is for [http.ResponseController].
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter. It is called for errors only, of a stream or before it.
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

// FlushError is what [http.ResponseController] calls. It flushes now, or when the rest is over.
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
			if w.due != nil { // it was not sent meanwhile
				w.flush()
			}
		})
	}
	return w.err
}

// end sends what is left. Nothing is written after it.
func (w *streamWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.gathered) > 0 || w.due != nil {
		w.flush()
	}
}

// flush is called with mu held.
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
