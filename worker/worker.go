// Package worker is the back of the house: it takes accepted leads from the store to the CRMs.
//
// Each configured destination has a lane (lane.go). A lane claims what is due, at the destination's pace, and hands it to a
// call (call.go), which maps the leads (payload.go), makes the attempt durable, lets the CRM's package deliver, and settles
// what came of it (verdict.go). [NewService] shows all this to operators and lets them act on it.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/operations"
	"github.com/leadgate/leadgate/worker/store"
)

// After the time given to Stop is over, calls are cancelled and get this long to settle.
const settleGrace = 3 * time.Second

// Options are what a worker needs. Store and Journal are required.
type Options struct {
	Store   store.Store
	Journal *journal.Journal
	// Now is the time, the same clock as the store's; time.Now if nil.
	Now func() time.Time
	// Logger gets what no event tells: faults of leadgate itself and of the store. Nil drops it.
	Logger *slog.Logger
	// Transport makes the requests to the CRMs, below pace and time limits; a transport of the worker's own if nil.
	Transport http.RoundTripper
	// Open makes the connection of a configured destination; nil knows every kind that the configuration knows.
	Open func(*configv1.Destination, crm.Environment) (crm.Destination, error)
	// Resubmit reads a kept lead anew with the configuration in force: it belongs to the front of the house, which the worker
	// does not know. Without it no held lead can be released.
	Resubmit func(*leadgatev1.LeadRecord) (*Resubmission, error)
}

// Config is what of the configuration concerns the worker.
type Config struct {
	// Revision names the configuration; attempts keep it.
	Revision string
	// Destinations by name.
	Destinations map[string]*configv1.Destination
	// Forms by name, whose values are compared with the options that CRMs have.
	Forms map[string]*configv1.Form
	// Secret resolves references such as ${env:NAME} in a value.
	Secret func(value string) (string, error)
}

// Worker delivers. It is safe for concurrent use.
type Worker struct {
	store     store.Store
	journal   *journal.Journal
	now       func() time.Time
	log       *slog.Logger
	transport http.RoundTripper
	open      func(*configv1.Destination, crm.Environment) (crm.Destination, error)
	resubmit  func(*leadgatev1.LeadRecord) (*Resubmission, error)

	operations *operations.Runner

	claiming     context.Context // ends when Stop is called
	stopClaiming context.CancelFunc
	calling      context.Context // ends when the time given to Stop is over
	stopCalling  context.CancelFunc
	calls        sync.WaitGroup

	orphaned chan struct{} // holds a signal when something may wait for a destination that is not configured

	changing sync.Mutex // held by whoever changes what follows
	running  bool
	applied  bool // there is a configuration
	stopped  bool
	sweeping bool         // what waits for nobody is looked for
	mu       sync.RWMutex // of the map; held shortly
	lanes    map[string]*lane
}

// New returns a worker without destinations. Stop ends it.
func New(o Options) (*Worker, error) {
	if o.Store == nil || o.Journal == nil {
		return nil, errors.New("a worker needs a store and a journal")
	}
	w := &Worker{
		store: o.Store, journal: o.Journal, now: o.Now, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), transport: o.Transport, open: o.Open,
		resubmit: o.Resubmit, lanes: map[string]*lane{}, orphaned: make(chan struct{}, 1),
	}
	if w.now == nil {
		w.now = time.Now
	}
	if w.transport == nil {
		w.transport = newTransport()
	}
	if w.open == nil {
		w.open = openKind
	}
	if w.resubmit == nil {
		w.resubmit = func(*leadgatev1.LeadRecord) (*Resubmission, error) {
			return nil, errors.New("this worker cannot read leads anew")
		}
	}
	w.operations = operations.New(operations.Options{Store: w.store, Journal: w.journal, Now: w.now, Logger: w.log})
	w.claiming, w.stopClaiming = context.WithCancel(context.Background())
	w.calling, w.stopCalling = context.WithCancel(context.Background())
	return w, nil
}

// A connection over which nothing came for this long is pinged, and given up if it does not answer as soon. HTTP/2 has one for all
// calls to a host: where the network drops it without a word, each call would run into its time limit until the kernel notices,
// which takes a quarter of an hour.
const pingConnection = 15 * time.Second

// newTransport is net/http's, with enough idle connections for the calls that go to one host at a time.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: pingConnection, PingTimeout: pingConnection},
	}
}

// Apply makes a configuration the present one. Everything is checked and built first: on error, which names every
// destination at fault, nothing has changed. Calls under way end under the configuration they began with. A destination
// that stays keeps its pace, and its session where nothing that concerns it changed; the deliveries of one that is gone are held.
func (w *Worker) Apply(c Config) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	if w.stopped {
		return errors.New("the worker was stopped")
	}
	paused, err := Paused(context.Background(), w.store)
	if err != nil {
		return err
	}
	connections := map[string]*connection{}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(c.Destinations)) {
		var before *connection
		if l := w.lanes[name]; l != nil {
			before = l.conn.Load()
		}
		if connections[name], err = w.connect(c, name, c.Destinations[name], before, w.reporter(name)); err != nil {
			problems = append(problems, fmt.Errorf("destination %s: %w", name, err))
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	lanes := map[string]*lane{}
	var gone []*lane
	for name, l := range w.lanes {
		if connections[name] == nil {
			gone = append(gone, l)
		}
	}
	for name, conn := range connections {
		l := w.lanes[name]
		if l == nil {
			l = newLane(w, name, conn, slices.Contains(paused, name))
			if w.running {
				l.start()
			}
		} else {
			l.use(conn)
		}
		lanes[name] = l
	}
	w.mu.Lock()
	w.lanes = lanes
	w.mu.Unlock()
	for _, l := range gone {
		l.stop()
	}
	w.applied = true
	w.sweep()
	return nil
}

// sweep has destinations looked for that are not configured, beside everything else.
func (w *Worker) sweep() {
	switch {
	case !w.running || !w.applied:
	case !w.sweeping:
		w.sweeping = true
		w.calls.Go(func() { w.sweepOrphans(w.claiming) })
	default:
		w.sweepNow()
	}
}

func (w *Worker) sweepNow() {
	select {
	case w.orphaned <- struct{}{}:
	default: // a signal waits already
	}
}

// Start begins to deliver.
func (w *Worker) Start() {
	w.changing.Lock()
	defer w.changing.Unlock()
	if w.running || w.stopped {
		return
	}
	w.running = true
	for _, l := range w.lanes {
		l.start()
	}
	w.operations.Start()
	w.sweep()
}

// Operations does things to many leads or deliveries at once. Rpcs on many that are not the worker's own define theirs there,
// before Start.
func (w *Worker) Operations() *operations.Runner { return w.operations }

// Stop takes nothing more from the store and lets the calls under way finish until ctx ends; then they are cancelled, and
// what they may have achieved is settled as unknown. An error says that calls did not even end then; the next start counts
// them as unknown.
func (w *Worker) Stop(ctx context.Context) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	w.stopped = true
	w.operations.Stop()
	w.stopClaiming()
	defer w.stopCalling()
	defer w.closeConnections()
	finished := make(chan struct{})
	lanes := slices.Collect(maps.Values(w.lanes))
	go func() {
		for _, l := range lanes {
			l.stop()
		}
		w.calls.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
	}
	w.stopCalling()
	grace := time.NewTimer(settleGrace)
	defer grace.Stop()
	select {
	case <-finished:
		return nil
	case <-grace.C:
		return errors.New("calls to a CRM did not end; the next start sends them again")
	}
}

// reporter takes the quotas that a destination is told of to its lane.
func (w *Worker) reporter(name string) func(crm.Quota) {
	return func(q crm.Quota) {
		if l, err := w.lane(name); err == nil {
			l.told(q)
		}
	}
}

func (w *Worker) closeConnections() {
	if transport, ok := w.transport.(interface{ CloseIdleConnections() }); ok {
		transport.CloseIdleConnections()
	}
}

// lane returns the lane of a destination. The error names those that there are.
func (w *Worker) lane(name string) (*lane, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if l := w.lanes[name]; l != nil {
		return l, nil
	}
	return nil, noDestination(name, slices.Sorted(maps.Keys(w.lanes)))
}

// noDestination says which destination was probably meant, or which there are.
func noDestination(name string, known []string) error {
	if len(known) == 0 {
		return fmt.Errorf("%w %q; none is configured", errNoDestination, name)
	}
	return fmt.Errorf("%w %q; there are: %s", errNoDestination, name, strings.Join(known, ", "))
}

var errNoDestination = errors.New("there is no destination")

// all returns the lanes by name.
func (w *Worker) all() []*lane {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return slices.SortedFunc(maps.Values(w.lanes), func(a, b *lane) int { return strings.Compare(a.name, b.name) })
}
