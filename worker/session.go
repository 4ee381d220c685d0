package worker

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/pace"
)

// session is an open connection to a CRM, made from the settings of a kind and its secrets, with what was learnt about the CRM
// since. Configurations that change neither keep it. With others a new one begins, which is introduced before its first delivery
// (introduce.go) and reads the properties (schema.go).
type session struct {
	destination crm.Destination
	traits      crm.Traits
	transport   *pace.Transport // its Limiter is set by the lane
	secrets     *secrets

	// since is when it became the destination's. Leads accepted earlier may have been meant for another account.
	since time.Time
	// account is the account it writes to; nil until that is known.
	account    atomic.Pointer[string]
	introduced atomic.Bool // what must be known before the first delivery is known
	delivered  atomic.Bool // a delivery got through

	schema  atomic.Pointer[crm.Schema] // the CRM's properties; nil until they are known
	reading sync.Mutex                 // held while they are read
	unread  atomic.Int32               // failed reads in a row
	// When they were last read and when they are due next. Owned by the claiming goroutine.
	schemaRead, schemaAt time.Time
}

// openSession opens a session, which reports quotas to report.
func (w *Worker) openSession(name string, cfg *configv1.Destination, resolve func(string) (string, error), report func(crm.Quota)) (*session, error) {
	var (
		kept crm.Vault // nil without a store
		err  error
	)
	if w.store != nil {
		if kept, err = newVault(w.store, name); err != nil {
			return nil, err
		}
	}
	s := &session{transport: &pace.Transport{Base: w.transport, Timeout: timeoutOf(cfg)}, secrets: newSecrets(resolve)}
	s.destination, err = w.open(cfg, crm.Environment{
		Client: &http.Client{
			Transport:     s.transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Secret: s.secrets.get,
		Now:    w.now,
		Report: report,
		Vault:  kept,
		Log:    w.log.With("destination", name),
	})
	if err != nil {
		return nil, err
	}
	s.traits = s.destination.Traits()
	return s, nil
}

// goesOn reports whether the connection's session can also serve cfg.
func (conn *connection) goesOn(cfg *configv1.Destination, resolve func(string) (string, error)) bool {
	return proto.Equal(&configv1.Destination{Kind: conn.cfg.GetKind()}, &configv1.Destination{Kind: cfg.GetKind()}) &&
		timeoutOf(conn.cfg) == timeoutOf(cfg) && conn.secrets.alike(resolve)
}

func timeoutOf(cfg *configv1.Destination) time.Duration {
	if timeout := cfg.GetLimits().GetTimeout(); timeout != nil {
		return timeout.AsDuration()
	}
	return defaultTimeout
}
