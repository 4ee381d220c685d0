// Package prepare learns what is known of a lead elsewhere, between its acceptance and its first delivery: the company behind the
// domain of its e-mail address, the place of the visitor's address, whether the domain takes mail, and whether a CAPTCHA was
// solved.
//
// It is never on the accept path, and never in the way of a delivery: a lead that is to be prepared is accepted with deliveries
// that fall due a little later ([Preparer.Wants] says how much), and what is learnt in time is written to the lead and makes
// them due at once. A lead goes without what is not known by then, and an event says so. So whatever fails here, and wherever a
// process ends, every lead goes out, at the latest when its time is over.
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
	// DefaultTimeout is how long a lead waits unless the configuration says otherwise.
	DefaultTimeout = 2 * time.Second
	// How long the deliveries of a lead wait beyond that for what was learnt until then to be written, which makes them due: without,
	// an attempt would often begin at that moment, and the CRM would get the lead as it was.
	writeTime = time.Second
	// How many leads are prepared at a time. More wait, and go without when their time is over.
	atATime = 128
	// How many leads may wait at a time. More go without at once.
	maxWaiting = 20_000
	// How long a request may take. It may take longer than a lead waits, because its answer is kept for the next.
	requestTimeout = 10 * time.Second
	// What fails for one lead mostly fails for the next as well: it is told this often.
	failuresEvery = 10 * time.Minute
	// How far back a start looks for leads that the last process left unprepared.
	lookBack = 10 * time.Minute
)

// Resolver looks up domains; *net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, domain string) ([]*net.MX, error)
	LookupHost(ctx context.Context, domain string) ([]string, error)
}

// Options are what a preparer needs. Store and Journal are required.
type Options struct {
	Store   store.Store
	Journal *journal.Journal
	// Now is the time, the same clock as the store's; time.Now if nil.
	Now func() time.Time
	// Logger gets faults of leadgate itself and of the store. Nil drops them.
	Logger *slog.Logger
	// Transport makes the requests; a transport of the preparer's own if nil.
	Transport http.RoundTripper
	// Resolver looks up domains; the system's if nil.
	Resolver Resolver
}

// Config is what of the configuration concerns preparing.
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

	ctx     context.Context // ends when Stop is called
	cancel  context.CancelFunc
	slots   chan struct{}
	waiting atomic.Int64
	jobs    sync.WaitGroup
}

// plan is a configuration made ready. It never changes.
type plan struct {
	timeout time.Duration
	company *company // nil if nobody is asked
	place   *place   // nil without a database
	forms   map[string]formPlan
}

// formPlan is what the leads of one form are screened with.
type formPlan struct {
	captcha *captcha // nil for none
	mail    *mail    // nil if it is not looked up
}

// New returns a preparer that has nothing to do yet. Stop ends it.
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
			HTTP2: &http.HTTP2Config{SendPingTimeout: requestTimeout, PingTimeout: requestTimeout}, // see the worker's
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

// Prepare checks a configuration and makes it ready; nothing changes until use is called. Leads whose preparation is under way
// end it under the configuration it began with.
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

// Wants says how long the deliveries of a lead are to wait for it to be prepared; 0 if there is nothing to do. form is empty for
// a backend's lead. Nothing is asked and nothing looked up.
func (p *Preparer) Wants(form string, lead *leadgatev1.Lead) time.Duration {
	plan := p.plan.Load()
	if len(plan.checks(form, lead, nil)) == 0 {
		return 0
	}
	return plan.timeout + writeTime
}

// Take prepares a lead that was accepted with deliveries that wait for it. It returns at once.
func (p *Preparer) Take(leadID string) {
	if p.ctx.Err() != nil {
		return // the next start takes it up
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

// Start takes up what the last process left unprepared. It returns at once: there may be a great many to look through, and
// nobody waits for them longer than they were to wait anyway.
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
			later := d.GetDueTime().AsTime().After(d.GetCreateTime().AsTime()) // otherwise nobody meant to prepare it
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

// Stop ends what is under way; the next start takes it up.
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

// failed tells that something cannot be asked: each thing once in a while.
func (p *Preparer) failed(thing, detail string) {
	if !p.once.Tell(thing) {
		return
	}
	p.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{
		Type: leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_PREPARE_FAILED, Detail: detail,
	}}})
}

// clone copies a record, to be changed.
func clone(r *leadgatev1.LeadRecord) *leadgatev1.LeadRecord { return proto.CloneOf(r) }
