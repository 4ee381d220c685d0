package observe

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// gatherLimit is how many bytes of lines are gathered at most before they are written.
	gatherLimit = 64 << 10
	// A write that takes longer is left to itself, and lines that come meanwhile are dropped.
	outputPatience = 5 * time.Second
)

// Output is where log lines go, each in one call of Write, or many in one where they are written together: under load a call
// of the operating system for each line costs more than making the line. It is safe for concurrent use.
//
// Whoever reads the lines cannot stop the gateway. While nobody empties the pipe, as when a container's log driver hangs, and
// while lines cannot be written, as on a full disk, they are dropped and counted.
type Output struct {
	to io.Writer

	mu        sync.Mutex
	gathering bool
	gathered  []byte
	written   chan error // what came of a write
	stuck     int        // lines of a write that is left to itself; 0 if none is
	failed    bool       // the last write did
	lost      int64      // lines
	why       string     // the newest of them are lost
	told      int64      // lines of these that regained has told
}

// NewOutput returns an output that writes to another writer.
func NewOutput(to io.Writer) *Output { return &Output{to: to, written: make(chan error, 1)} }

// Write implements io.Writer for one or more whole lines. It does not fail: there is nobody who could be told.
func (o *Output) Write(lines []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.gathered)+len(lines) > gatherLimit {
		o.flush()
	}
	o.gathered = append(o.gathered, lines...)
	if !o.gathering {
		o.flush()
	}
	return len(lines), nil
}

// Lost is how many lines are lost, and why the newest are.
func (o *Output) Lost() (lines int64, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost, o.why
}

// regained returns how many lines were lost since it told so last, and why, as soon as others are written again; 0 before.
func (o *Output) regained() (lines int64, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stuck > 0 || o.failed {
		return 0, ""
	}
	lines = o.lost - o.told
	o.told = o.lost
	return lines, o.why
}

// together runs a function and writes in one go what it, and whoever else, writes meanwhile. One runs at a time.
func (o *Output) together(write func()) {
	o.gather(true)
	defer o.gather(false)
	write()
}

func (o *Output) gather(on bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gathering = on
	o.flush()
}

// flush is called with mu held.
func (o *Output) flush() {
	n := bytes.Count(o.gathered, []byte("\n"))
	if n == 0 {
		return
	}
	if o.stuck > 0 {
		select {
		case err := <-o.written:
			o.settle(o.stuck, err)
			o.stuck = 0
		default:
			o.lose(n, "nobody reads them: for "+outputPatience.String()+" and longer, standard output has taken none")
			o.gathered = o.gathered[:0]
			return
		}
	}
	lines := o.gathered
	go func() {
		_, err := o.to.Write(lines)
		o.written <- err
	}()
	patience := time.NewTimer(outputPatience)
	defer patience.Stop()
	select {
	case err := <-o.written:
		o.settle(n, err)
		o.gathered = lines[:0]
	case <-patience.C:
		o.stuck, o.gathered = n, nil // the bytes are the writer's
	}
}

// settle takes what came of a write of so many lines.
func (o *Output) settle(lines int, err error) {
	if o.failed = err != nil; o.failed {
		o.lose(lines, "they cannot be written: "+err.Error())
	}
}

func (o *Output) lose(lines int, why string) {
	o.lost += int64(lines)
	o.why = why
}
