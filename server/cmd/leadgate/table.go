package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

const (
	// How often destinations and alerts are read.
	pollInterval = 2 * time.Second
	// How many events the table keeps at least.
	tableHistory = 500
	// How many seconds a sparkline covers.
	sparkSeconds = 30
	// How often events are shown, all at once, so that a flood costs no more than a trickle.
	frameInterval = 100 * time.Millisecond
	// How long one request of the table may take.
	tableTimeout = 5 * time.Second
	// How many earlier events are shown first, if the flags do not say.
	tableLast = 100
)

// screen is the live table, a model for bubbletea. It belongs to bubbletea's goroutine; anything else reaches it as messages.
type screen struct {
	ctx     context.Context
	service leadgatev1.WorkerServiceClient
	server  string
	request *leadgatev1.WatchDeliveriesRequest
	now     func() time.Time

	width, height int
	destinations  []*leadgatev1.Destination
	alerts        []*leadgatev1.Alert
	events        []*leadgatev1.Event // oldest first
	sparks        map[string]*spark
	note          string    // last message from the stream or an action
	away          bool      // the stream is down
	asOf          time.Time // when the figures were read
	unread        error     // why they cannot be read now
	failed        error     // why the stream ended for good

	cursor   int    // index of the chosen destination
	only     string // show only this destination
	failures bool   // show only failures
	frozen   int    // how many events a frozen view shows; -1 if it is not frozen
	typing   bool   // the filter is being edited
	filter   string
	help     bool
	question *question // asked before something is done
}

// spark counts what a destination accepted in the last seconds.
type spark struct {
	counts [sparkSeconds]int
	newest int64 // Unix second of the newest count
	failed int   // in total
	taken  int   // in total
}

// question is an action that needs a person's yes.
type question struct {
	text string
	do   tea.Cmd
}

// Messages.
type (
	eventsSeen  []*leadgatev1.Event
	noteSeen    string
	linkSeen    bool
	streamEnded struct{ err error }
	polled      struct {
		destinations []*leadgatev1.Destination
		alerts       []*leadgatev1.Alert
		err          error
	}
	asked  question
	done   string
	ticked struct{}
)

// runTable shows the table until a person quits it.
func runTable(ctx context.Context, in io.Reader, out io.Writer, conn *connection, gateway *services, request *leadgatev1.WatchDeliveriesRequest) error {
	if request.GetLast() == 0 {
		request.Last = tableLast
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := newTable(ctx, gateway, conn.server, request)
	if message := t.poll()(); message.(polled).err != nil {
		return conn.explain(message.(polled).err) // no gateway, or a wrong key: say so before the screen changes
	}
	program := tea.NewProgram(t, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out))
	feed := newFeed(program)
	w := watcher{service: t.service, request: request, printer: feed, explain: conn.explain}
	streamed := make(chan struct{})
	go func() {
		defer close(streamed)
		program.Send(streamEnded{w.run(ctx)})
	}()
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		feed.run(ctx)
	}()
	final, err := program.Run()
	cancel()
	<-streamed
	<-flushed
	if t, ok := final.(*screen); ok && t.failed != nil {
		return t.failed
	}
	if ctx.Err() != nil {
		return nil // asked to end
	}
	return err
}

func newTable(ctx context.Context, service leadgatev1.WorkerServiceClient, server string, request *leadgatev1.WatchDeliveriesRequest) *screen {
	return &screen{
		ctx: ctx, service: service, server: server, request: request, now: time.Now, width: 100, height: 30, sparks: map[string]*spark{}, frozen: -1,
	}
}

// Init implements tea.Model.
func (t *screen) Init() tea.Cmd { return tea.Batch(t.poll(), t.tick()) }

// tick redraws ages and sparklines.
func (t *screen) tick() tea.Cmd {
	return tea.Tick(time.Second, func(time.Time) tea.Msg { return ticked{} })
}

// Update implements tea.Model.
func (t *screen) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch m := message.(type) {
	case tea.WindowSizeMsg:
		t.width, t.height = m.Width, m.Height
	case tea.KeyPressMsg:
		return t, t.key(m.String(), m.Key().Text)
	case eventsSeen:
		for _, e := range m {
			t.see(e)
		}
	case noteSeen:
		t.note = string(m)
	case linkSeen:
		t.away = !bool(m)
	case done:
		t.note = string(m)
		return t, t.poll()
	case asked:
		t.question = (*question)(&m)
	case streamEnded:
		t.failed = m.err
		return t, tea.Quit
	case polled:
		if t.unread = m.err; m.err == nil {
			t.asOf = t.now()
			t.destinations, t.alerts = m.destinations, m.alerts
			t.cursor = max(0, min(t.cursor, len(t.destinations)-1))
		}
		return t, tea.Tick(pollInterval, func(time.Time) tea.Msg { return t.poll()() })
	case ticked:
		return t, t.tick()
	}
	return t, nil
}

// see adds an event to the list and the sparklines.
func (t *screen) see(e *leadgatev1.Event) {
	t.events = append(t.events, e)
	if over := len(t.events) - 2*tableHistory; over >= 0 {
		t.events = append([]*leadgatev1.Event(nil), t.events[len(t.events)-tableHistory:]...)
		if t.frozen >= 0 {
			t.frozen = max(0, t.frozen-tableHistory)
		}
	}
	l := e.GetLead()
	if l.GetDestination() == "" {
		return
	}
	s := t.sparks[l.GetDestination()]
	if s == nil {
		s = &spark{}
		t.sparks[l.GetDestination()] = s
	}
	switch l.GetStage() {
	case leadgatev1.Stage_STAGE_SUCCESS:
		s.taken++
		s.add(e.GetTime().AsTime())
	case leadgatev1.Stage_STAGE_RETRY, leadgatev1.Stage_STAGE_DEAD:
		s.failed++
	}
}

func (s *spark) add(at time.Time) {
	second := at.Unix()
	s.advance(second)
	if second > s.newest-sparkSeconds {
		s.counts[second%sparkSeconds]++
	}
}

func (s *spark) advance(second int64) {
	for fresh := max(s.newest+1, second-sparkSeconds+1); fresh <= second; fresh++ {
		s.counts[fresh%sparkSeconds] = 0
	}
	s.newest = max(s.newest, second)
}

// key handles a key press. text is what the key types.
func (t *screen) key(key, text string) tea.Cmd {
	switch {
	case key == "ctrl+c":
		return tea.Quit
	case t.question != nil:
		q := t.question
		t.question = nil
		if key == "y" || key == "enter" {
			return q.do
		}
		t.note = "nothing was done"
		return nil
	case t.typing:
		t.edit(key, text)
		return nil
	}
	t.note = ""
	switch key {
	case "q":
		return tea.Quit
	case "?":
		t.help = !t.help
	case "up", "k":
		t.cursor = max(0, t.cursor-1)
	case "down", "j":
		t.cursor = max(0, min(t.cursor+1, len(t.destinations)-1))
	case "enter":
		if name := t.chosen().GetName(); t.only == name {
			t.only = ""
		} else {
			t.only = name
		}
	case "f":
		t.failures = !t.failures
	case "/":
		t.typing = true
	case "esc":
		t.only, t.filter, t.failures, t.help, t.frozen = "", "", false, false, -1
	case "space", " ":
		if t.frozen >= 0 {
			t.frozen = -1
		} else {
			t.frozen = len(t.events)
		}
	case "p":
		return t.askToPause()
	case "r":
		return t.askToRetry()
	}
	return nil
}

func (t *screen) edit(key, text string) {
	switch key {
	case "enter":
		t.typing = false
	case "esc":
		t.typing, t.filter = false, ""
	case "backspace":
		if letters := []rune(t.filter); len(letters) > 0 {
			t.filter = string(letters[:len(letters)-1])
		}
	default:
		t.filter += text
	}
}

// chosen returns the destination under the cursor; nil if there is none.
func (t *screen) chosen() *leadgatev1.Destination {
	if t.cursor < len(t.destinations) {
		return t.destinations[t.cursor]
	}
	return nil
}

// ask returns a command that sends a request outside bubbletea's goroutine.
func (t *screen) ask(what func(ctx context.Context) (tea.Msg, error)) tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(t.ctx, tableTimeout)
		defer cancel()
		message, err := what(ctx)
		if err != nil {
			return done(err.Error())
		}
		return message
	}
}

func (t *screen) poll() tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(t.ctx, tableTimeout)
		defer cancel()
		destinations, err := t.service.ListDestinations(ctx, &leadgatev1.ListDestinationsRequest{})
		if err != nil {
			return polled{err: err}
		}
		alerts, err := t.service.ListAlerts(ctx, &leadgatev1.ListAlertsRequest{State: leadgatev1.AlertState_ALERT_STATE_FIRING})
		return polled{destinations.GetDestinations(), alerts.GetAlerts(), err}
	}
}

// askToPause asks whether to pause the chosen destination, or to resume it if it is paused.
func (t *screen) askToPause() tea.Cmd {
	d := t.chosen()
	if d == nil {
		return nil
	}
	name := d.GetName()
	if d.GetStatus() == leadgatev1.DestinationStatus_DESTINATION_STATUS_PAUSED {
		t.question = &question{"resume " + name, t.ask(func(ctx context.Context) (tea.Msg, error) {
			_, err := t.service.ResumeDestination(ctx, &leadgatev1.ResumeDestinationRequest{Name: name})
			return done(name + " is resumed"), err
		})}
		return nil
	}
	t.question = &question{"pause " + name, t.ask(func(ctx context.Context) (tea.Msg, error) {
		_, err := t.service.PauseDestination(ctx, &leadgatev1.PauseDestinationRequest{Name: name, Reason: "paused in leadgate watch"})
		return done(name + " is paused; leads are still accepted, and wait"), err
	})}
	return nil
}

// askToRetry counts the dead deliveries of the chosen destination, then asks whether to send them again.
func (t *screen) askToRetry() tea.Cmd {
	d := t.chosen()
	if d == nil {
		return nil
	}
	request := &leadgatev1.RetryDeliveriesRequest{
		Filter: &leadgatev1.DeliveryFilter{State: leadgatev1.DeliveryState_DELIVERY_STATE_DEAD, Destination: d.GetName()}, DryRun: true,
	}
	return t.ask(func(ctx context.Context) (tea.Msg, error) {
		dry, err := t.service.RetryDeliveries(ctx, request)
		if err != nil {
			return nil, err
		}
		n := dry.GetMatched()
		if n == 0 {
			return done("nothing died on the way to " + d.GetName()), nil
		}
		return asked{fmt.Sprintf("send %d dead %s to %s again", n, plural(n, "delivery", "deliveries"), d.GetName()), t.ask(func(ctx context.Context) (tea.Msg, error) {
			request.DryRun, request.ExpectedCount = false, n
			answer, err := t.service.RetryDeliveries(ctx, request)
			return done(fmt.Sprintf("%d %s due again", answer.GetRetried(), plural(answer.GetRetried(), "delivery is", "deliveries are"))), err
		})}, nil
	})
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// shown reports whether the view shows an event, in addition to the gateway's filter.
func (t *screen) shown(e *leadgatev1.Event) bool {
	l := e.GetLead()
	if t.only != "" && l.GetDestination() != t.only && e.GetDestination().GetDestination() != t.only {
		return false
	}
	if t.failures && !isFailure(e) {
		return false
	}
	if t.filter == "" {
		return true
	}
	text := strings.ToLower(strings.Join([]string{
		l.GetForm(), l.GetPerson(), l.GetDestination(), l.GetLeadId(), l.GetIdempotencyKey(), enums.Name(l.GetStage()), l.GetError(), l.GetDetail(),
		e.GetDestination().GetDestination(), e.GetDestination().GetDetail(), e.GetSystem().GetDetail(), e.GetForm().GetForm(), e.GetForm().GetDetail(),
	}, " "))
	return strings.Contains(text, strings.ToLower(t.filter))
}

func isFailure(e *leadgatev1.Event) bool {
	switch e.GetLead().GetStage() {
	case leadgatev1.Stage_STAGE_REJECTED, leadgatev1.Stage_STAGE_RETRY, leadgatev1.Stage_STAGE_FAILURE, leadgatev1.Stage_STAGE_DEAD, leadgatev1.Stage_STAGE_HELD:
		return true
	}
	return e.GetLead() == nil
}

// feed passes events to the table in batches.
type feed struct {
	program *tea.Program
	seen    chan *leadgatev1.Event
}

func newFeed(program *tea.Program) *feed {
	return &feed{program: program, seen: make(chan *leadgatev1.Event, tableHistory)}
}

func (f *feed) event(e *leadgatev1.Event) error {
	f.seen <- e
	return nil
}

func (f *feed) note(text string) { f.program.Send(noteSeen(text)) }

func (f *feed) link(up bool) { f.program.Send(linkSeen(up)) }

func (f *feed) run(ctx context.Context) {
	ticker := time.NewTicker(frameInterval)
	defer ticker.Stop()
	var waiting eventsSeen
	for {
		select {
		case <-ctx.Done():
			for { // drain, so that nobody blocks on a table that is gone
				select {
				case <-f.seen:
				default:
					return
				}
			}
		case e := <-f.seen:
			waiting = append(waiting, e)
		case <-ticker.C:
			if len(waiting) > 0 {
				f.program.Send(waiting)
				waiting = nil
			}
		}
	}
}
