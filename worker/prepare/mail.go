package prepare

import (
	"context"
	"errors"
	"net"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	// mails is the namespace of the store's state that says for each domain whether it accepts mail: "1" or "0".
	mails = "prepare.mail"
	// How long to keep that. A domain that accepts no mail may be repaired, and the visitor may try again soon.
	keepMail   = 24 * time.Hour
	keepNoMail = time.Hour
)

// mail checks whether a domain accepts mail: it has an MX record or, without one, an address record (RFC 5321, section 5.1), and no
// null MX (RFC 7505).
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

// look asks the name servers. An error means that the answer is not known, rather than no.
func (m *mail) look(ctx context.Context, domain string) (bool, error) {
	rooted := domain + "." // so that this machine's search domains are not tried
	exchangers, err := m.p.resolver.LookupMX(ctx, rooted)
	switch {
	case len(exchangers) == 1 && exchangers[0].Host == ".": // a null MX
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
