package observe_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe"
	"github.com/leadgate/leadgate/worker/journal"
)

// writes keeps what each call wrote.
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
