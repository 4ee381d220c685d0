package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wire records what is sent, flush by flush.
type wire struct {
	*httptest.ResponseRecorder
	mu   sync.Mutex
	sent []string
	err  error
}

func (w *wire) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, w.Body.String())
	w.Body.Reset()
	return w.err
}

// take returns what was sent since the last call.
func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := w.sent
	w.sent = nil
	return sent
}

// breaks makes every further flush fail.
func (w *wire) breaks(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func TestMessagesOfAStreamThatComeTogetherGoTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &wire{ResponseRecorder: httptest.NewRecorder()}
		stream := &streamWriter{ResponseWriter: out}
		controller := http.NewResponseController(stream)
		send := func(text string) error {
			_, err := stream.Write([]byte(text))
			return errors.Join(err, controller.Flush())
		}
		expect := func(want ...string) {
			t.Helper()
			if got := strings.Join(out.take(), "|"); got != strings.Join(want, "|") {
				t.Errorf("sent %q, want %q", got, strings.Join(want, "|"))
			}
		}
		for _, text := range []string{"a", "b", "c"} {
			if err := send(text); err != nil {
				t.Fatal(err)
			}
		}
		expect("a") // at once, since nothing came before
		time.Sleep(2 * streamRest)
		synctest.Wait()
		expect("bc")
		time.Sleep(time.Second)
		if err := send("d"); err != nil {
			t.Fatal(err)
		}
		expect("d")
		much := strings.Repeat("e", streamGather)
		if err := send(much); err != nil {
			t.Fatal(err)
		}
		expect(much) // without waiting for more
		if err := send("f"); err != nil {
			t.Fatal(err)
		}
		stream.end()
		expect("f")
		// A client that went away is reported with the next message.
		time.Sleep(time.Second)
		out.breaks(errors.New("gone"))
		_ = send("g")
		if err := send("h"); err == nil {
			t.Error("nobody was told that the client is gone")
		}
	})
}
