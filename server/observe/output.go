package observe

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// gatherLimit is how many bytes of lines are buffered before they are written.
	gatherLimit = 64 << 10
	// A write that takes longer is abandoned, and lines are dropped until it returns.
	outputPatience = 5 * time.Second
)

// Output writes log lines, each in one call of Write, or many in one call while they are gathered: under load, a system call per
// line costs more than formatting the line. It is safe for concurrent use.
//
// The reader of the log cannot block the gateway. While nobody empties the pipe, as when a container's log driver hangs, or lines
// cannot be written, as on a full disk, they are dropped and counted.
type Output struct {
	to io.Writer

	mu        sync.Mutex
	gathering bool
	gathered  []byte
	written   chan error // the result of a write
	stuck     int        // lines of an abandoned write; 0 if there is none
	failed    bool       // the last write failed
	lost      int64      // lines lost in total
	why       string     // why the newest were lost
	told      int64      // how many of them regained has reported
}

// NewOutput returns an output that writes to another writer.
func NewOutput(to io.Writer) *Output { return &Output{to: to, written: make(chan error, 1)} }

// Write implements io.Writer for one or more whole lines. It never fails: nobody could be told.
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

// Lost returns how many lines were lost, and why the newest were.
func (o *Output) Lost() (lines int64, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost, o.why
}

// regained returns how many lines were lost since its last report, and why, once writes succeed again; 0 before.
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

// together calls write, and writes out at the end all lines written meanwhile, by whomever. Calls must not overlap.
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

// flush writes the gathered lines. The caller holds mu.
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
		o.stuck, o.gathered = n, nil // the writer still owns the bytes
	}
}

// settle records the result of a write.
func (o *Output) settle(lines int, err error) {
	if o.failed = err != nil; o.failed {
		o.lose(lines, "they cannot be written: "+err.Error())
	}
}

func (o *Output) lose(lines int, why string) {
	o.lost += int64(lines)
	o.why = why
}
