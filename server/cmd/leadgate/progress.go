package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	barWidth    = 30
	barInterval = 100 * time.Millisecond // between two updates
)

// progress draws a progress bar in a terminal, and nothing elsewhere. It belongs to one goroutine.
type progress struct {
	to    io.Writer // nil draws nothing
	what  string
	drawn time.Time
}

// newProgress returns a bar that draws on w if that is a terminal.
func newProgress(w io.Writer, what string) *progress {
	p := &progress{what: what}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.to = w
	}
	return p
}

// bytes draws how many bytes are done, of about that many; about is 0 if unknown.
func (p *progress) bytes(done, about int64) {
	if p.to == nil || time.Since(p.drawn) < barInterval {
		return
	}
	p.drawn = time.Now()
	if about <= 0 {
		fmt.Fprintf(p.to, "\r%s %s\x1b[K", p.what, size(done))
		return
	}
	part := min(1, float64(done)/float64(about))
	full := int(part * barWidth)
	fmt.Fprintf(p.to, "\r%s [%s%s] %3.0f %%  %s\x1b[K", p.what, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), part*100, size(done))
}

// count draws how many of the total are done.
func (p *progress) count(done, total int64) {
	if p.to == nil || total <= 0 || time.Since(p.drawn) < barInterval {
		return
	}
	p.drawn = time.Now()
	full := int(min(1, float64(done)/float64(total)) * barWidth)
	fmt.Fprintf(p.to, "\r%s [%s%s] %d of %d\x1b[K", p.what, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), done, total)
}

// due reports whether it is time to draw again, for callers to whom drawing costs something.
func (p *progress) due(now time.Time) bool { return p.to != nil && now.Sub(p.drawn) >= barInterval }

// draw draws which part is done, from 0 to 1, with some words.
func (p *progress) draw(part float64, words string) {
	if p.to == nil {
		return
	}
	p.drawn = time.Now()
	full := int(min(1, part) * barWidth)
	fmt.Fprintf(p.to, "\r%s [%s%s] %3.0f %%  %s\x1b[K", p.what, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), part*100, words)
}

// done removes the bar.
func (p *progress) done() {
	if p.to != nil {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}

// size formats a number of bytes.
func size(bytes int64) string {
	switch {
	case bytes < 1<<10:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	case bytes < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.2f GiB", float64(bytes)/(1<<30))
}

// entries draws how many entries are done when the total is unknown.
func (p *progress) entries(done int64) {
	if p.to == nil || time.Since(p.drawn) < barInterval {
		return
	}
	p.drawn = time.Now()
	fmt.Fprintf(p.to, "\r%s %d entries\x1b[K", p.what, done)
}
