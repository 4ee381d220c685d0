// Package prepare enriches and screens a lead between its acceptance and its first delivery: it finds the company behind the domain
// of the e-mail address and the place of the visitor's IP address, and checks whether the domain accepts mail and whether a CAPTCHA
// was solved.
//
// It is not on the path of acceptance, and no failure here prevents a delivery. A lead that is to be prepared is accepted with
// deliveries that are due a little later ([Preparer.Wants] says how much). Results that arrive in time are written to the lead,
// which makes the deliveries due at once. The lead goes without late ones, and an event says so. So whatever fails here, and even
// if the process ends, every lead that is not held goes out, at the latest when its time is over.
package prepare

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// DefaultTimeout is how long a lead waits for results by default.
	DefaultTimeout = 2 * time.Second
	// How much longer deliveries wait, so that results of the last moment can be written, which makes the deliveries due. Otherwise
	// an attempt would often begin at that moment and send the lead without them.
	writeTime = time.Second
	// How many leads are prepared concurrently. More wait, and go without results when their time is over.
	atATime = 128
	// How many leads may be waiting or in preparation. Any more go without results at once.
	maxWaiting = 20_000
	// The timeout of a request. It is longer than a lead waits, because the answer is kept for the next one.
	requestTimeout = 10 * time.Second
	// What fails for one lead often fails for the next as well: how often to report it.
	failuresEvery = 10 * time.Minute
	// How far back to look at start for leads that the last process left unprepared.
	lookBack = 10 * time.Minute
)

// Resolver looks up domains. *net.Resolver implements it.
type Resolver interface {
	LookupMX(ctx context.Context, domain string) ([]*net.MX, error)
	LookupHost(ctx context.Context, domain string) ([]string, error)
}

// Options configure a preparer. Store and Journal are required.
type Options struct {
	Store   store.Store
	Journal *journal.Journal
	// Now returns the current time, from the store's clock; time.Now if nil.
	Now func() time.Time
	// Logger logs faults of leadgate itself and of the store. Nil discards them.
	Logger *slog.Logger
	// Transport makes the requests; if nil, the preparer has a transport of its own.
	Transport http.RoundTripper
	// Resolver looks up domains; the system's if nil.
	Resolver Resolver
}

// Config is the part of the configuration that is about preparing.
type Config struct {
	Enrich *configv1.Enrich
	Forms  map[string]*configv1.Form
	// Secret resolves references such as ${env:NAME} in a value.
	Secret func(value string) (string, error)
}

// Preparer prepares leads. It is safe for concurrent use.
type Preparer struct {
	store     store.Store
	journal   *journal.Journal
	now       func() time.Time
	log       *slog.Logger
	client    *http.Client
	transport http.RoundTripper
	resolver  Resolver
	once      *journal.Once

	plan atomic.Pointer[plan]

	ctx     context.Context // canceled by Stop
	cancel  context.CancelFunc
	slots   chan struct{}
	waiting atomic.Int64
	jobs    sync.WaitGroup
}

// plan is a compiled configuration. It is immutable.
type plan struct {
	timeout time.Duration
	company *company // nil if it is not configured
	place   *place   // nil if it is not configured
	forms   map[string]formPlan
}

// formPlan has the checks of the leads of one form.
type formPlan struct {
	captcha *captcha // nil if it is not configured
	mail    *mail    // nil if domains are not looked up
}

// New returns a preparer without a configuration, which has nothing to do. Stop ends it.
func New(o Options) *Preparer {
	p := &Preparer{
		store: o.Store, journal: o.Journal, now: o.Now, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), transport: o.Transport, resolver: o.Resolver,
		slots: make(chan struct{}, atATime),
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.transport == nil {
		p.transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: requestTimeout,
			HTTP2: &http.HTTP2Config{SendPingTimeout: requestTimeout, PingTimeout: requestTimeout}, // for the reason, see the worker's transport
		}
	}
	if p.resolver == nil {
		p.resolver = net.DefaultResolver
	}
	p.client = &http.Client{
		Transport: p.transport, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.once = journal.NewOnce(failuresEvery, p.now)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.plan.Store(&plan{})
	return p
}

// Prepare checks and compiles a configuration. It takes effect when use is called. Leads that are being prepared at that time keep
// the old one.
func (p *Preparer) Prepare(c Config) (use func(), err error) {
	before := p.plan.Load()
	next := &plan{timeout: DefaultTimeout, forms: map[string]formPlan{}}
	if timeout := c.Enrich.GetTimeout(); timeout != nil {
		next.timeout = timeout.AsDuration()
	}
	var problems []error
	if cfg := c.Enrich.GetCompany(); cfg != nil {
		if next.company, err = p.newCompany(cfg, c.Secret, before.company); err != nil {
			problems = append(problems, err)
		}
	}
	if cfg := c.Enrich.GetPlace(); cfg != nil {
		if next.place, err = p.newPlace(cfg, before.place); err != nil {
			problems = append(problems, err)
		}
	}
	mail := &mail{p}
	for name, form := range c.Forms {
		var f formPlan
		if form.GetQuality().GetNoMx() == "hold" {
			f.mail = mail
		}
		if cfg := form.GetCaptcha(); cfg != nil {
			if f.captcha, err = p.newCaptcha(cfg, c.Secret); err != nil {
				problems = append(problems, err)
			}
		}
		next.forms[name] = f
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return func() {
		p.plan.Store(next)
		if before.place != nil && before.place != next.place {
			before.place.close()
		}
	}, nil
}

// Wants returns how long the deliveries of a lead must wait for it to be prepared; 0 if there is nothing to do. form is empty for a
// backend's lead. Wants does no I/O.
func (p *Preparer) Wants(form string, lead *leadgatev1.Lead) time.Duration {
	plan := p.plan.Load()
	if len(plan.checks(form, lead, nil)) == 0 {
		return 0
	}
	return plan.timeout + writeTime
}

// Take prepares an accepted lead whose deliveries wait for it. It returns at once.
func (p *Preparer) Take(leadID string) {
	if p.ctx.Err() != nil {
		return // the next process takes it up
	}
	if p.waiting.Add(1) > maxWaiting {
		p.waiting.Add(-1)
		p.failed("waiting", "more leads are to be prepared than can wait; they go without")
		return
	}
	p.jobs.Go(func() {
		defer p.waiting.Add(-1)
		p.run(leadID)
	})
}

// Start takes up the leads that the last process left unprepared. It returns at once: there may be many to search, and their
// deliveries do not wait any longer for it.
func (p *Preparer) Start() { p.jobs.Go(p.takeUp) }

func (p *Preparer) takeUp() {
	q := store.DeliveryQuery{State: leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, Since: p.now().Add(-lookBack)}
	taken := map[string]bool{}
	for token := ""; ; {
		page, next, err := p.store.Deliveries(p.ctx, q, 500, token)
		if err != nil {
			if p.ctx.Err() == nil {
				p.log.Error("looking for leads to prepare failed; they go without", "error", err)
			}
			return
		}
		for _, d := range page {
			later := d.GetDueTime().AsTime().After(d.GetCreateTime().AsTime()) // otherwise it was not to be prepared
			if later && d.GetAttemptCount() == 0 && !taken[d.GetLeadId()] {
				taken[d.GetLeadId()] = true
				p.Take(d.GetLeadId())
			}
		}
		if token = next; token == "" {
			return
		}
	}
}

// Stop ends all preparation and waits for it. The next process takes up what is left.
func (p *Preparer) Stop() {
	p.cancel()
	p.jobs.Wait()
	if place := p.plan.Load().place; place != nil {
		place.close()
	}
	if transport, ok := p.transport.(interface{ CloseIdleConnections() }); ok {
		transport.CloseIdleConnections()
	}
}

// failed publishes that something fails, at most once in failuresEvery for each thing.
func (p *Preparer) failed(thing, detail string) {
	if !p.once.Tell(thing) {
		return
	}
	p.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{
		Type: leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_PREPARE_FAILED, Detail: detail,
	}}})
}

// clone returns a copy that may be changed.
func clone(r *leadgatev1.LeadRecord) *leadgatev1.LeadRecord { return proto.CloneOf(r) }
