package prepare

import (
	"context"
	"errors"
	"net"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// mails is the namespace of the store's state that says for each domain whether it takes mail: "1", or "0".
	mails = "prepare.mail"
	// How long that is kept. A domain that takes none may be mended, and its owner comes back soon.
	keepMail   = 24 * time.Hour
	keepNoMail = time.Hour
)

// mail tells whether a domain takes mail at all: it has a mail exchanger or, without one, an address of its own (RFC 5321, 5.1),
// and does not say that it takes none (RFC 7505).
type mail struct{ p *Preparer }

func (m *mail) check(ctx context.Context, domain string) finding {
	takes, err := m.takes(ctx, domain)
	switch {
	case err != nil:
		return finding{without: "no_mx: it could not be determined whether the domain accepts mail"}
	case takes:
		return finding{}
	}
	return finding{hold: &leadgatev1.Hold{
		Reason: leadgatev1.HoldReason_HOLD_REASON_SPAM, Detail: "the domain " + domain + " of the e-mail address accepts no mail (no_mx)",
	}}
}

func (m *mail) takes(ctx context.Context, domain string) (bool, error) {
	state := m.p.store.State(mails)
	if value, _, err := state.Get(ctx, domain); err == nil {
		return string(value) == "1", nil
	}
	takes, err := m.look(ctx, domain)
	if err != nil {
		return false, err
	}
	value, keep := "0", keepNoMail
	if takes {
		value, keep = "1", keepMail
	}
	if err := state.Put(ctx, domain, []byte(value), m.p.now().Add(keep)); err != nil && ctx.Err() == nil {
		m.p.log.Error("keeping what is known of a domain failed", "error", err)
	}
	return takes, nil
}

// look asks the name servers. An error says that they do not know, not that there is nothing.
func (m *mail) look(ctx context.Context, domain string) (bool, error) {
	rooted := domain + "." // no search domains of this machine
	exchangers, err := m.p.resolver.LookupMX(ctx, rooted)
	switch {
	case len(exchangers) == 1 && exchangers[0].Host == ".": // it says that it takes none
		return false, nil
	case len(exchangers) > 0:
		return true, nil
	case err != nil && !notFound(err):
		return false, err
	}
	addresses, err := m.p.resolver.LookupHost(ctx, rooted)
	if err != nil && !notFound(err) {
		return false, err
	}
	return len(addresses) > 0, nil
}

func notFound(err error) bool {
	dns := (*net.DNSError)(nil)
	return errors.As(err, &dns) && dns.IsNotFound
}
