package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
	"github.com/leadgate/leadgate/worker/journal"
)

// The wait before each attempt to reconnect.
const reconnectDelay = time.Second

func newWatch() *cobra.Command {
	var (
		conn   connection
		out    string
		stages []string
	)
	request := &leadgatev1.WatchDeliveriesRequest{}
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Watch leads live on their way",
		Long: `Watch leads live: a table in a terminal, one JSON event per line in a pipe. In the table, ? shows the keys: filter, pause a
destination, retry dead deliveries.

If the gateway goes away, watch waits for it and resumes where it stopped; it says what it missed.`,
		Example: `  leadgate watch
  leadgate watch --last 50 --destination crm
  leadgate watch --stage failure --stage dead | jq .lead.error`,
		Args: exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			var err error
			if request.Stage, err = parseStages(stages); err != nil {
				return err
			}
			if out == "table" || out == "" && isTerminal(cmd.OutOrStdout()) {
				return runTable(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), &conn, gateway, request)
			}
			printer, err := newEventPrinter(cmd.OutOrStdout(), cmd.ErrOrStderr(), out)
			if err != nil {
				return err
			}
			w := watcher{service: gateway, request: request, printer: printer, explain: conn.explain}
			return w.run(cmd.Context())
		}),
	}
	conn.addFlags(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "", "table, text or json (default: table in a terminal, json in a pipe)")
	cmd.Flags().StringArrayVar(&request.Destination, "destination", nil, "only of this destination; may be repeated")
	cmd.Flags().StringArrayVar(&request.Form, "form", nil, "only of leads from this form; may be repeated")
	cmd.Flags().StringArrayVar(&stages, "stage", nil, "only of this stage, such as success; may be repeated")
	cmd.Flags().StringVar(&request.LeadId, "lead", "", "only of this lead")
	cmd.Flags().Int32Var(&request.Last, "last", 0, "start with this many of the newest events")
	return cmd
}

func parseStages(names []string) ([]leadgatev1.Stage, error) {
	var stages []leadgatev1.Stage
	for _, name := range names {
		stage, err := parseName[leadgatev1.Stage]("stage", name)
		if err != nil {
			return nil, err
		}
		stages = append(stages, stage)
	}
	return stages, nil
}

// watcher follows the stream of events, and reconnects when it breaks.
type watcher struct {
	service leadgatev1.WorkerServiceClient
	request *leadgatev1.WatchDeliveriesRequest
	printer sink
	explain func(error) error
}

// sink receives what a watcher sees.
type sink interface {
	event(e *leadgatev1.Event) error
	note(text string)
	// link says that the gateway is reachable again, or no longer.
	link(up bool)
}

// run returns nil when ctx ends, or an error that retrying cannot fix.
func (w *watcher) run(ctx context.Context) error {
	connected := false
	for {
		err := w.follow(ctx, func() {
			if connected {
				w.printer.link(true)
			}
			connected = true
		})
		if ctx.Err() != nil {
			return nil
		}
		// If the first connection fails, the address is wrong; a lost one may come back.
		passing := errors.Is(err, io.EOF) || status.Code(err) == codes.Unavailable
		if !connected || !passing {
			return w.explain(err)
		}
		w.printer.link(false)
		if !w.wait(ctx) {
			return nil
		}
	}
}

// wait waits for the next attempt. It returns false if ctx ended.
func (w *watcher) wait(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(reconnectDelay):
		return true
	}
}

func (w *watcher) follow(ctx context.Context, hello func()) error {
	stream, err := w.service.WatchDeliveries(ctx, w.request)
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		switch m := message.GetMessage().(type) {
		case *leadgatev1.WatchDeliveriesResponse_Hello:
			hello()
			// The events asked for are still to come, so the hello must not move the resume point.
			if w.request.ResumeAfter == "" && w.request.Last == 0 {
				w.resumeAfter(m.Hello.GetLatestEventId())
			}
		case *leadgatev1.WatchDeliveriesResponse_Event:
			if err := w.printer.event(m.Event); err != nil {
				return err
			}
			w.resumeAfter(m.Event.GetId())
		case *leadgatev1.WatchDeliveriesResponse_Heartbeat:
			w.resumeAfter(m.Heartbeat.GetLatestEventId())
		case *leadgatev1.WatchDeliveriesResponse_Gap:
			w.printer.note(gapText(m.Gap))
		}
	}
}

// resumeAfter sets where the next connection continues.
func (w *watcher) resumeAfter(id string) {
	if id != "" {
		w.request.ResumeAfter, w.request.Last = id, 0
	}
}

func gapText(gap *leadgatev1.WatchGap) string {
	if gap.GetMissed() > 0 {
		return fmt.Sprintf("%d events are missing here: %s", gap.GetMissed(), gap.GetReason())
	}
	return "events are missing here: " + gap.GetReason()
}

// eventPrinter writes events, one per line.
type eventPrinter struct {
	out, notes io.Writer
	json       bool
	colour     bool
}

func newEventPrinter(out, notes io.Writer, format string) (*eventPrinter, error) {
	terminal := isTerminal(out)
	switch format {
	case "":
		return &eventPrinter{out: out, notes: notes, json: !terminal, colour: terminal && os.Getenv("NO_COLOR") == ""}, nil
	case "json":
		return &eventPrinter{out: out, notes: notes, json: true}, nil
	case "text":
		return &eventPrinter{out: out, notes: notes, colour: terminal && os.Getenv("NO_COLOR") == ""}, nil
	}
	return nil, usageError{fmt.Errorf("--output %q: it is table, text or json", format)}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// note writes a message for the person, apart from the events.
func (p *eventPrinter) note(text string) { fmt.Fprintln(p.notes, "leadgate: "+text) }

func (p *eventPrinter) link(up bool) {
	if up {
		p.note("connected again")
	} else {
		p.note("the gateway is away; waiting for it")
	}
}

func (p *eventPrinter) event(e *leadgatev1.Event) error {
	var line string
	if p.json {
		text, err := jsonLine(e)
		if err != nil {
			return err
		}
		line = text
	} else {
		line = p.text(e)
	}
	_, err := fmt.Fprintln(p.out, line)
	return err
}

// text formats an event as one line that is safe for a terminal, whatever strangers wrote.
func (p *eventPrinter) text(e *leadgatev1.Event) string {
	at := e.GetTime().AsTime().Local().Format("15:04:05.000")
	line := func(format string, args ...any) string { return journal.OneLine(fmt.Sprintf(format, args...)) }
	switch kind := e.GetKind().(type) {
	case *leadgatev1.Event_Lead:
		l := kind.Lead
		look := looks[l.GetStage()]
		word := fmt.Sprintf("%s %-10s", look.shape, enums.Name(l.GetStage()))
		if p.colour && look.colour != "" {
			word = look.colour + word + "\x1b[0m"
		}
		return line("%s  %-12s %-24s ", at, orDash(l.GetForm()), orDash(l.GetPerson())) + word + line(" %-12s %s", l.GetDestination(), leadText(e, l))
	case *leadgatev1.Event_Destination:
		d := kind.Destination
		return line("%s  destination %s: %s %s", at, d.GetDestination(), enums.Words(d.GetType()), d.GetDetail())
	case *leadgatev1.Event_Form:
		f := kind.Form
		return line("%s  form %s: %s %s", at, f.GetForm(), enums.Words(f.GetType()), f.GetDetail())
	case *leadgatev1.Event_System:
		return line("%s  gateway: %s %s", at, enums.Name(kind.System.GetType()), kind.System.GetDetail())
	}
	return at + "  something this version does not know; a newer leadgate shows it"
}

func leadText(e *leadgatev1.Event, l *leadgatev1.LeadEvent) string {
	var parts []string
	if l.GetAttempt() > 0 && l.GetStage() != leadgatev1.Stage_STAGE_SUCCESS {
		parts = append(parts, fmt.Sprintf("attempt %d", l.GetAttempt()))
	}
	if d := l.GetDuration(); d != nil {
		parts = append(parts, shortDuration(d))
	}
	if l.GetRecordId() != "" {
		parts = append(parts, "record "+l.GetRecordId())
	}
	if l.GetCrmStatus() >= 400 {
		parts = append(parts, fmt.Sprintf("HTTP %d", l.GetCrmStatus()))
	}
	if l.GetError() != "" {
		parts = append(parts, l.GetError())
	}
	if next := l.GetNextAttemptTime(); next != nil {
		parts = append(parts, "again in "+short(next.AsTime().Sub(e.GetTime().AsTime())))
	}
	if l.GetDetail() != "" {
		parts = append(parts, l.GetDetail())
	}
	return strings.Join(parts, ", ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// looks gives each stage a shape, and a colour in addition.
var looks = map[leadgatev1.Stage]struct{ shape, colour string }{
	leadgatev1.Stage_STAGE_RECEIVED:     {"◐", ""},
	leadgatev1.Stage_STAGE_VALIDATED:    {"◐", ""},
	leadgatev1.Stage_STAGE_REJECTED:     {"▲", "\x1b[31m"},
	leadgatev1.Stage_STAGE_DUPLICATE:    {"❚", "\x1b[35m"},
	leadgatev1.Stage_STAGE_HELD:         {"❚", "\x1b[35m"},
	leadgatev1.Stage_STAGE_QUEUED:       {"◐", ""},
	leadgatev1.Stage_STAGE_CRM_API_CALL: {"◐", ""},
	leadgatev1.Stage_STAGE_RETRY:        {"↻", "\x1b[33m"},
	leadgatev1.Stage_STAGE_SUCCESS:      {"●", "\x1b[32m"},
	leadgatev1.Stage_STAGE_FAILURE:      {"▲", "\x1b[31m"},
	leadgatev1.Stage_STAGE_DEAD:         {"▲", "\x1b[31m"},
	leadgatev1.Stage_STAGE_SUPERSEDED:   {"❚", "\x1b[35m"},
	leadgatev1.Stage_STAGE_ERASED:       {"❚", "\x1b[35m"},
}
