package server

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/server/intake"
)

// house is a configuration made ready for requests. It is immutable.
type house struct {
	snapshot config.Snapshot
	forms    map[string]*form
	proxies  []netip.Prefix
	// keys holds the API keys by hash, so that the time of a lookup reveals nothing about how close a guess was.
	keys    map[[sha256.Size]byte]*configv1.APIKey
	maxBody int64
	// certificate is nil without TLS.
	certificate *tls.Certificate
}

// form is a configured form.
type form struct {
	*intake.Form
	name          string
	cfg           *configv1.Form
	rules         *formRules
	rejectsReuses bool
	// contentWindow is how long the same content without a key counts as a repeat.
	contentWindow time.Duration
}

// newHouse prepares a configuration. Its error lists everything that is wrong.
func newHouse(snapshot config.Snapshot) (*house, error) {
	cfg := snapshot.Config
	h := &house{
		snapshot: snapshot, forms: map[string]*form{}, keys: map[[sha256.Size]byte]*configv1.APIKey{},
		maxBody: int64(cfg.GetIntake().GetMaxBodyBytes()),
	}
	var problems []error
	var env environments
	for name, formConfig := range cfg.GetForms() {
		entrance, err := intake.NewForm(name, formConfig)
		rules, rulesErr := newFormRules(formConfig, &env)
		if err := errors.Join(err, rulesErr); err != nil {
			problems = append(problems, fmt.Errorf("form %s: %w", name, err))
			continue
		}
		h.forms[name] = &form{
			Form: entrance, name: name, cfg: formConfig, rules: rules, rejectsReuses: formConfig.GetOnKeyReuse() == "reject",
			contentWindow: formConfig.GetDeriveKeyWindow().AsDuration(),
		}
	}
	for _, network := range cfg.GetTrustedProxies() {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			problems = append(problems, fmt.Errorf("trusted_proxies: %w", err))
			continue
		}
		h.proxies = append(h.proxies, prefix)
	}
	for _, key := range cfg.GetApiKeys() {
		secret, err := snapshot.Secret(key.GetKey())
		if err != nil {
			problems = append(problems, fmt.Errorf("API key %s: %w", key.GetName(), err))
			continue
		}
		hash := sha256.Sum256([]byte(secret))
		if secret == "" || h.keys[hash] != nil {
			problems = append(problems, fmt.Errorf("API key %s is empty or the same as another: give each caller a key of its own", key.GetName()))
			continue
		}
		h.keys[hash] = key
	}
	var err error
	if h.certificate, err = certificate(cfg.GetTls()); err != nil {
		problems = append(problems, err)
	}
	return h, errors.Join(problems...)
}

// allows reports whether a page of an origin may submit the form.
func (f *form) allows(origin string) bool {
	allowed := f.cfg.GetAllowedOrigins()
	return origin == "" || len(allowed) == 0 || slices.Contains(allowed, origin)
}

// certificate loads the configured certificate; nil if none is configured.
func certificate(cfg *configv1.TLS) (*tls.Certificate, error) {
	if cfg == nil {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(cfg.GetCertFile(), cfg.GetKeyFile())
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &cert, nil
}
