// Package worker is the back of the house: it delivers accepted leads from the store to the CRMs.
//
// Each configured destination has a lane (lane.go). A lane claims due deliveries, at the destination's pace, and passes them to a
// call (call.go), which maps the leads (payload.go), records the attempts durably, lets the CRM's package deliver, and settles the
// results (verdict.go). [NewService] lets operators watch and control all this.
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

// How long calls get to settle after they are cancelled, when the time given to Stop is over.
const settleGrace = 3 * time.Second

// Options configure a worker. Store and Journal are required.
type Options struct {
	Store   store.Store
	Journal *journal.Journal
	// Now returns the time, from the same clock as the store's. If nil, it is time.Now.
	Now func() time.Time
	// Logger receives what no event reports: faults of leadgate itself and of the store. If nil, nothing is logged.
	Logger *slog.Logger
	// Transport makes the requests to the CRMs, below pacing and timeouts. If nil, the worker has its own.
	Transport http.RoundTripper
	// Open connects to a configured destination. If nil, every kind of the configuration is supported.
	Open func(*configv1.Destination, crm.Environment) (crm.Destination, error)
	// Resubmit reads a stored lead again with the current configuration. It belongs to the front of the house, which the worker
	// does not know. If nil, held leads cannot be released.
	Resubmit func(*leadgatev1.LeadRecord) (*Resubmission, error)
}

// Config is the part of the configuration that concerns the worker.
type Config struct {
	// Revision identifies the configuration; attempts record it.
	Revision string
	// Destinations are the destinations by name.
	Destinations map[string]*configv1.Destination
	// Forms are the forms by name. Their values are compared with the options that CRMs have.
	Forms map[string]*configv1.Form
	// Secret resolves references such as ${env:NAME} in a value.
	Secret func(value string) (string, error)
}

// Worker delivers leads. It is safe for concurrent use.
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

	orphaned chan struct{} // holds a signal when deliveries may wait for a destination that is not configured

	changing sync.Mutex // held while the fields below change
	running  bool
	applied  bool // a configuration was applied
	stopped  bool
	sweeping bool         // sweepOrphans was started
	mu       sync.RWMutex // guards lanes; held only briefly
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

// A connection that received nothing for this long is pinged, and closed if the answer takes as long again. HTTP/2 uses one
// connection for all calls to a host: if the network drops it silently, every call would time out until the kernel notices, after a
// quarter of an hour.
const pingConnection = 15 * time.Second

// newTransport returns a transport like net/http's default, with enough idle connections for concurrent calls to one host.
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

// Apply makes c the current configuration. Everything is checked and built first: an error names every destination at fault, and
// nothing has changed. Calls in progress finish under the configuration they started with. A destination that stays keeps its pace,
// and its session if nothing that concerns it changed. The deliveries of one that is gone are held.
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

// sweep looks for deliveries without a configured destination, in the background. The caller must hold changing.
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
	default: // a signal is already pending
	}
}

// Start starts delivering.
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

// Operations returns the runner of operations on many leads or deliveries. RPCs of other packages define theirs on it before Start.
func (w *Worker) Operations() *operations.Runner { return w.operations }

// Stop stops claiming and lets calls in progress finish until ctx ends. Then they are cancelled, and what they may have achieved is
// settled as unknown. It returns an error if calls did not end even then; the next start counts them as unknown.
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

// reporter returns a function that passes a destination's quotas to its lane.
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

// lane returns the lane of a destination. Its error lists the destinations that exist.
func (w *Worker) lane(name string) (*lane, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if l := w.lanes[name]; l != nil {
		return l, nil
	}
	return nil, noDestination(name, slices.Sorted(maps.Keys(w.lanes)))
}

// noDestination returns an error that lists the known destinations.
func noDestination(name string, known []string) error {
	if len(known) == 0 {
		return fmt.Errorf("%w %q; none is configured", errNoDestination, name)
	}
	return fmt.Errorf("%w %q; there are: %s", errNoDestination, name, strings.Join(known, ", "))
}

var errNoDestination = errors.New("there is no destination")

// all returns the lanes sorted by name.
func (w *Worker) all() []*lane {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return slices.SortedFunc(maps.Values(w.lanes), func(a, b *lane) int { return strings.Compare(a.name, b.name) })
}
