package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
	"github.com/leadgate/leadgate/worker/journal"
)

// look is how a state is shown. Colour is never the only sign: each state has a word and a shape too.
type look struct {
	shape, word string
	style       lipgloss.Style
}

func painted(colour string) lipgloss.Style {
	if os.Getenv("NO_COLOR") != "" {
		return lipgloss.NewStyle()
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(colour))
}

var (
	dim  = lipgloss.NewStyle().Faint(true)
	bold = lipgloss.NewStyle().Bold(true)
)

// The terminal's own colours, so that they suit dark and light themes.
const (
	red    = "1"
	green  = "2"
	yellow = "3"
	purple = "5"
)

// lookOf returns the look of a destination's status.
func lookOf(d *leadgatev1.Destination) look {
	word := enums.Words(d.GetStatus())
	switch d.GetStatus() {
	case leadgatev1.DestinationStatus_DESTINATION_STATUS_FLOWING:
		return look{"●", word, painted(green)}
	case leadgatev1.DestinationStatus_DESTINATION_STATUS_PAUSED:
		return look{"❚", word, painted(purple)}
	case leadgatev1.DestinationStatus_DESTINATION_STATUS_RATE_LIMITED:
		return look{"↻", word, painted(yellow)}
	}
	return look{"▲", word, painted(red)}
}

// View implements tea.Model.
func (t *screen) View() tea.View {
	var lines []string
	lines = append(lines, t.header(), "")
	lines = append(lines, t.destinationLines()...)
	for _, a := range t.alerts {
		if who := onIt(a, time.Now()); who != "" {
			lines = append(lines, dim.Render("❚❚ "+journal.OneLine(a.GetSummary()+"  somebody is on it "+who)))
			continue
		}
		lines = append(lines, painted(red).Render("▲ "+journal.OneLine(a.GetSummary()))+dim.Render("  → "+a.GetCommand()))
	}
	lines = append(lines, "")
	footer := t.footer()
	if room := t.height - len(lines) - len(footer); room > 0 {
		lines = append(lines, t.eventLines(room)...)
		for len(lines) < t.height-len(footer) {
			lines = append(lines, "")
		}
	}
	lines = append(lines[:min(len(lines), max(0, t.height-len(footer)))], footer...)
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, t.width, "…")
	}
	view := tea.NewView(strings.Join(lines, "\n"))
	view.AltScreen = true
	view.WindowTitle = "leadgate watch"
	return view
}

func (t *screen) header() string {
	var states []string
	if t.frozen >= 0 {
		states = append(states, painted(purple).Render("❚ held"))
	}
	asOf := "figures of " + t.asOf.Local().Format(time.TimeOnly)
	switch {
	case t.away:
		states = append(states, painted(red).Render("▲ the gateway is away; waiting for it, "+asOf))
	case t.unread != nil:
		states = append(states, painted(red).Render("▲ "+asOf+": "+journal.OneLine(t.unread.Error())))
	case t.frozen < 0:
		states = append(states, painted(green).Render("● live"))
	}
	state := strings.Join(states, "   ")
	var filters []string
	add := func(name, value string) {
		if value != "" {
			filters = append(filters, name+" "+value)
		}
	}
	add("destination", strings.Join(t.request.GetDestination(), ","))
	add("form", strings.Join(t.request.GetForm(), ","))
	add("lead", t.request.GetLeadId())
	for _, s := range t.request.GetStage() {
		add("stage", enums.Name(s))
	}
	add("only", t.only)
	if t.failures {
		filters = append(filters, "failures")
	}
	if t.filter != "" || t.typing {
		filters = append(filters, "/"+t.filter)
	}
	line := bold.Render("leadgate") + " ▸ " + t.server + "   " + state
	if len(filters) > 0 {
		line += "   " + dim.Render("showing ") + strings.Join(filters, " · ")
	}
	return line
}

func (t *screen) destinationLines() []string {
	lines := []string{dim.Render(fmt.Sprintf("  %-16s %-22s %7s %10s %15s  %-*s %9s %8s %6s", "DESTINATION", "STATUS", "WAITING", "OLDEST", "REQUESTS/S", sparkSeconds, "TAKEN, LAST 30 S", "DELIVERED", "FAILED", "DEAD"))}
	if len(t.destinations) == 0 {
		return append(lines, "  there is no destination")
	}
	for i, d := range t.destinations {
		mark := "  "
		if i == t.cursor {
			mark = bold.Render("▸ ")
		}
		l := lookOf(d)
		rate := fmt.Sprintf("%.1f", d.GetRequestsPerSecond())
		if limit := d.GetRequestsPerSecondLimit(); limit > 0 {
			rate += " of " + strings.TrimSuffix(perTime(limit), "/s")
		}
		s := t.sparks[d.GetName()]
		if s == nil {
			s = &spark{}
		}
		lines = append(lines, mark+fmt.Sprintf("%s %s %7d %10s %15s  %s %9d %8d %6d",
			pad(d.GetName(), 16), l.style.Render(pad(l.shape+" "+l.word, 22)), d.GetWaiting(), shortDuration(d.GetOldestWaiting()), rate,
			painted(green).Render(s.line(t.now().Unix())), d.GetDelivered(), s.failed, d.GetDead()))
		if d.GetLastError() != "" {
			problem := d.GetLastError()
			if resumes := resumption(d, t.now()); resumes != "" {
				problem = resumes + ": " + problem
			}
			lines = append(lines, dim.Render("    "+journal.OneLine(problem)))
		}
	}
	return lines
}

// pad pads or truncates text to a number of columns.
func pad(text string, width int) string {
	text = ansi.Truncate(text, width, "…")
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

// line draws the last sparkSeconds seconds up to now, with the highest count as a full block.
func (s *spark) line(now int64) string {
	bars := []rune(" ▁▂▃▄▅▆▇█")
	s.advance(now)
	highest := 1
	for _, n := range s.counts {
		highest = max(highest, n)
	}
	var line strings.Builder
	for second := s.newest - sparkSeconds + 1; second <= s.newest; second++ {
		n := s.counts[((second%sparkSeconds)+sparkSeconds)%sparkSeconds]
		line.WriteRune(bars[(n*(len(bars)-1)+highest-1)/highest])
	}
	return line.String()
}

// eventLines returns the newest events that fit, newest last.
func (t *screen) eventLines(room int) []string {
	events := t.events
	if t.frozen >= 0 {
		events = events[:min(t.frozen, len(events))]
	}
	printer := eventPrinter{colour: os.Getenv("NO_COLOR") == ""}
	var lines []string
	for i := len(events) - 1; i >= 0 && len(lines) < room; i-- {
		if t.shown(events[i]) {
			lines = append(lines, printer.text(events[i]))
		}
	}
	if len(lines) == 0 {
		return []string{dim.Render("  no event yet that this shows. Try: curl http://" + t.server + "/v1/leads -H 'Content-Type: application/json' -d '{\"lead\":{\"email\":\"ada@example.com\"}}'")}
	}
	for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
		lines[i], lines[j] = lines[j], lines[i]
	}
	return lines
}

func (t *screen) footer() []string {
	switch {
	case t.question != nil:
		return []string{painted(yellow).Render(t.question.text+"?") + "  y yes · any other key no"}
	case t.typing:
		return []string{"/" + t.filter + "▏" + dim.Render("  enter keeps it · esc ends it")}
	case t.help:
		return []string{
			"↑ ↓   choose a destination         enter  show only that one, or all again    f      only failures",
			"/     show only what has a text    space  freeze the view, or resume it       esc    show everything again",
			"p     pause it, or resume it       r      retry dead deliveries               q      quit",
		}
	}
	keys := "↑↓ choose · enter only it · f failures · / filter · space freeze · p pause · r retry · ? keys · q quit"
	return []string{cmp.Or(journal.OneLine(t.note), dim.Render(keys))}
}
