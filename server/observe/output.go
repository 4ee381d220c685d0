package observe

import (
	"io"
	"sync"
)

// gatherLimit is how many bytes of lines are gathered at most before they are written.
const gatherLimit = 64 << 10

// Output is where log lines go, each in one call of Write, or many in one where they are written together: under load a call
// of the operating system for each line costs more than making the line. It is safe for concurrent use.
type Output struct {
	to io.Writer

	mu        sync.Mutex
	gathering bool
	gathered  []byte
}

// NewOutput returns an output that writes to another writer.
func NewOutput(to io.Writer) *Output { return &Output{to: to} }

// Write implements io.Writer for one or more whole lines.
func (o *Output) Write(lines []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.gathering {
		return o.to.Write(lines)
	}
	if len(o.gathered)+len(lines) > gatherLimit {
		o.flush()
	}
	o.gathered = append(o.gathered, lines...)
	return len(lines), nil
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
	if len(o.gathered) > 0 {
		_, _ = o.to.Write(o.gathered) // there is nowhere to tell that telling failed
		o.gathered = o.gathered[:0]
	}
}
