package observe_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe"
	"github.com/leadgate/leadgate/worker/journal"
)

// writes records what each call wrote.
type writes []string

func (w *writes) Write(lines []byte) (int, error) {
	*w = append(*w, string(lines))
	return len(lines), nil
}

func TestLinesOfEventsThatComeTogetherAreWrittenTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, out := journal.New(journal.Options{Now: time.Now}), &writes{}
		output := observe.NewOutput(out)
		logger := observe.NewLogger(output, "json", "")
		observer, err := observe.New(observe.Options{Journal: j, Store: figures{}, Logger: logger, Output: output})
		if err != nil {
			t.Fatal(err)
		}
		events := make([]*leadgatev1.Event, 3)
		for i := range events {
			events[i] = lead(failedCall())
		}
		j.Publish(events...)
		synctest.Wait()
		if len(*out) != 1 || strings.Count((*out)[0], "\n") != len(events) {
			t.Errorf("written were %q", *out)
		}
		logger.Info("alone")
		if len(*out) != 2 || !strings.Contains((*out)[1], "alone") {
			t.Errorf("then were written %q", *out)
		}
		j.Close()
		if err := observer.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestManyLinesTogetherAreWrittenInPieces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, out := journal.New(journal.Options{Now: time.Now}), &writes{}
		output := observe.NewOutput(out)
		observer, err := observe.New(observe.Options{Journal: j, Store: figures{}, Logger: observe.NewLogger(output, "json", ""), Output: output})
		if err != nil {
			t.Fatal(err)
		}
		events := make([]*leadgatev1.Event, 1000)
		for i := range events {
			events[i] = lead(failedCall())
		}
		j.Publish(events...)
		j.Close()
		if err := observer.Close(); err != nil {
			t.Error(err)
		}
		lines := 0
		for _, piece := range *out {
			lines += strings.Count(piece, "\n")
			if len(piece) > 64<<10 || !strings.HasSuffix(piece, "\n") {
				t.Errorf("a piece of %d bytes", len(piece))
			}
		}
		if lines != len(events) {
			t.Errorf("%d lines of %d", lines, len(events))
		}
	})
}

// pipe blocks while it is closed and fails while it is broken.
type pipe struct {
	writes
	open   chan struct{}
	broken bool
}

func (p *pipe) Write(lines []byte) (int, error) {
	<-p.open
	if p.broken {
		return 0, syscall.EPIPE
	}
	return p.writes.Write(lines)
}

func TestLinesThatNobodyReadsHoldUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, out := journal.New(journal.Options{Now: time.Now}), &pipe{open: make(chan struct{})}
		output := observe.NewOutput(out)
		logger := observe.NewLogger(output, "json", "")
		observer, err := observe.New(observe.Options{Journal: j, Store: figures{}, Logger: logger, Output: output})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		const events = 20_000
		for range events {
			j.Publish(lead(failedCall()))
		}
		logger.Info("alone")
		synctest.Wait()
		if waited := time.Since(start); waited > 6*time.Second {
			t.Errorf("who publishes waited %s", waited)
		}
		page := scrape(t, observer)
		if counted := fmt.Sprintf(`stage="retry"} %d`, events); !strings.Contains(page, counted) {
			t.Errorf("there is no %s in\n%s", counted, page)
		}
		close(out.open)
		synctest.Wait()
		j.Publish(lead(failedCall()))
		j.Close()
		if err := observer.Close(); err != nil {
			t.Error(err)
		}
		written := strings.Join(out.writes, "")
		lost := events + 1 + 1 - (strings.Count(written, "\n") - 1)
		counted, why := output.Lost()
		if told := fmt.Sprintf(`"lines":%d`, lost); lost < events/2 || !strings.Contains(written, told) || counted != int64(lost) || !strings.Contains(why, "nobody reads them") {
			t.Errorf("%d lines are lost, %d counted (%s); written was\n%s", lost, counted, why, written[max(0, len(written)-1000):])
		}
	})
}

func TestLinesThatCannotBeWrittenAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, out := journal.New(journal.Options{Now: time.Now}), &pipe{open: make(chan struct{}), broken: true}
		close(out.open)
		output := observe.NewOutput(out)
		observer, err := observe.New(observe.Options{Journal: j, Store: figures{}, Logger: observe.NewLogger(output, "json", ""), Output: output})
		if err != nil {
			t.Fatal(err)
		}
		j.Publish(lead(failedCall()), lead(failedCall()))
		synctest.Wait()
		if page := scrape(t, observer); !strings.Contains(page, "leadgate_log_lines_lost_total 2") {
			t.Errorf("two lines are lost; the metrics are\n%s", page)
		}
		out.broken = false
		j.Publish(lead(failedCall()))
		j.Close()
		if err := observer.Close(); err != nil {
			t.Error(err)
		}
		if written := strings.Join(out.writes, ""); strings.Count(written, "\n") != 2 || !strings.Contains(written, `"lines":2,"error":"they cannot be written: broken pipe"`) {
			t.Errorf("written was %s", written)
		}
	})
}

func scrape(t *testing.T, observer *observe.Observer) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	observer.Metrics().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return recorder.Body.String()
}
