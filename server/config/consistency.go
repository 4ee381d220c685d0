package config

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/intake"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/mapping"
	"github.com/leadgate/leadgate/worker/prepare"
)

// certificate reports files with which leadgate serve could not serve TLS.
func (r *review) certificate(cfg *configv1.TLS, env Environment) {
	var pair [][]byte
	for _, file := range []struct{ key, path string }{{"cert_file", cfg.GetCertFile()}, {"key_file", cfg.GetKeyFile()}} {
		if file.path == "" {
			continue
		}
		content, err := env.ReadFile(file.path)
		if err != nil {
			r.on(path{"tls", file.key}, "%s: %s cannot be read: %v", file.key, file.path, cause(err))
			continue
		}
		pair = append(pair, content)
	}
	if len(pair) < 2 {
		return
	}
	if _, err := tls.X509KeyPair(pair[0], pair[1]); err != nil {
		r.on(path{"tls"}, "tls: cert_file and key_file make no certificate: %s", strings.TrimPrefix(err.Error(), "tls: "))
	}
}

// consistency reports what does not fit together: unknown names, and values that contradict each other.
func (r *review) consistency(cfg *configv1.Config, env Environment) {
	_, port, err := net.SplitHostPort(cfg.GetListen())
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port) // from a list
	}
	if err != nil {
		r.on(path{"listen"}, "listen: %q is not host:port, such as 127.0.0.1:8080 or :8080", cfg.GetListen())
	}
	r.certificate(cfg.GetTls(), env)
	r.apiKeys(cfg.GetApiKeys(), env)
	r.enrich(cfg)
	for name, d := range cfg.GetDestinations() {
		r.destination(path{"destinations", name}, d)
	}
	if len(cfg.GetDestinations()) == 0 {
		r.on(path{"destinations"}, "there is no destination: name a CRM under destinations:; leadgate check --example shows how")
	}
	r.routes(path{"leads"}, cfg.GetLeads().GetDestinations(), cfg)
	for name, form := range cfg.GetForms() {
		r.form(path{"forms", name}, form)
		if len(form.GetDestinations()) > 0 || len(form.GetRoutes()) == 0 {
			r.routes(path{"forms", name}, form.GetDestinations(), cfg)
		}
		for i, route := range form.GetRoutes() {
			r.named(path{"forms", name, "routes", strconv.Itoa(i), "to"}, route.GetTo(), cfg)
		}
	}
	r.alerts(path{"alerts"}, cfg)
	if len(r.problems) > 0 {
		return
	}
	// Finally, ask the packages that use the configuration: what they refuse, leadgate serve would refuse.
	for name, d := range cfg.GetDestinations() {
		if err := worker.Check(d); err != nil {
			r.said(path{"destinations", name}, err)
		}
	}
	for name, form := range cfg.GetForms() {
		if _, err := intake.NewForm(name, form); err != nil {
			r.said(path{"forms", name}, err)
		}
	}
}

var indices = strings.NewReplacer("[", ".", "]", "")

// said reports a package's errors about the value at a path. Each line of err begins with the keys that it is about.
func (r *review) said(p path, err error) {
	for message := range strings.SplitSeq(err.Error(), "\n") {
		at, rest := p, message
		for {
			key, behind, _ := strings.Cut(rest, ": ")
			next := at.child(key)
			if !r.find(next).exact {
				next = at.child(strings.Split(indices.Replace(key), ".")...) // http.rules[1].when
			}
			if !r.find(next).exact {
				break
			}
			at, rest = next, behind
		}
		if len(at) == len(p) {
			r.onKey(at, "%s", message)
			continue
		}
		r.on(at, "%s", message)
	}
}

// enrich checks the settings for enriching and screening leads.
func (r *review) enrich(cfg *configv1.Config) {
	company, place := cfg.GetEnrich().GetCompany(), cfg.GetEnrich().GetPlace()
	r.address(path{"enrich", "company", "url"}, strings.ReplaceAll(company.GetUrl(), "{domain}", "domain"))
	if database := place.GetDatabase(); database != "" {
		if _, err := os.Stat(database); err != nil {
			r.on(path{"enrich", "place", "database"}, "database: %s cannot be read: %v", database, cause(err))
		}
	}
	for name, form := range cfg.GetForms() {
		captcha := form.GetCaptcha()
		if captcha == nil {
			continue
		}
		p := path{"forms", name}
		r.address(p.child("captcha", "url"), captcha.GetUrl())
		if i := slices.Index(form.GetIgnore(), prepare.CaptchaField(captcha)); i >= 0 {
			r.on(p.child("ignore", strconv.Itoa(i)), "ignore: %s is the field with the token of captcha, which could not be verified", form.GetIgnore()[i])
		}
	}
}

// safeKey is the length from which a random key cannot be guessed, in bytes.
const safeKey = 16

// apiKeys checks that callers have different names and keys.
func (r *review) apiKeys(keys []*configv1.APIKey, env Environment) {
	names, secrets := map[string]bool{}, map[string]string{}
	for i, key := range keys {
		p := path{"api_keys", strconv.Itoa(i)}
		if names[key.GetName()] {
			r.on(p.child("name"), "there is another API key %q: give each caller its own", key.GetName())
		}
		names[key.GetName()] = true
		secret, err := env.resolve(key.GetKey())
		if err != nil || secret == "" { // already reported
			continue
		}
		if other, ok := secrets[secret]; ok {
			r.on(p.child("key"), "the key is the same as that of %s: give each caller its own", other)
		}
		secrets[secret] = key.GetName()
		if len(secret) < safeKey {
			r.hint(p.child("key"), "the key of %s can be guessed, with its length of %d; make one of 32 characters, as openssl rand -hex 16 does", key.GetName(), len(secret))
		}
	}
}

func (r *review) destination(p path, d *configv1.Destination) {
	retry := d.GetRetry()
	if retry.GetInitialDelay().AsDuration() > retry.GetMaxDelay().AsDuration() {
		r.on(p.child("retry", "initial_delay"), "initial_delay is longer than max_delay")
	}
	r.address(p.child("hubspot", "base_url"), d.GetHubspot().GetBaseUrl())
	r.address(p.child("salesforce", "url"), d.GetSalesforce().GetUrl())
	r.address(p.child("pipedrive", "base_url"), d.GetPipedrive().GetBaseUrl())
	r.address(p.child("pipedrive", "oauth", "token_url"), d.GetPipedrive().GetOauth().GetTokenUrl())
	r.address(p.child("zoho", "accounts_url"), d.GetZoho().GetAccountsUrl())
	r.address(p.child("dynamics", "url"), d.GetDynamics().GetUrl())
	r.address(p.child("dynamics", "login_url"), d.GetDynamics().GetLoginUrl())
	r.noUser(p.child("http", "url"), d.GetHttp().GetUrl())
	r.address(p.child("http", "ping_url"), d.GetHttp().GetPingUrl())
	r.address(p.child("http", "auth", "oauth2", "token_url"), d.GetHttp().GetAuth().GetOauth2().GetTokenUrl())
	for property, field := range d.GetProperties() {
		if _, ok := mapping.Expression(field); ok && property != "" {
			continue // expressions looks at it
		}
		if _, err := mapping.Compile(map[string]string{property: field}); err != nil {
			r.on(p.child("properties", property), "%v", err)
		}
	}
}

// address checks the address of a service.
func (r *review) address(p path, address string) {
	if r.page(p, address) {
		r.noUser(p, address)
	}
}

// page checks what the schema's rule for URIs does not, and reports whether the address is valid.
func (r *review) page(p path, address string) bool {
	u, err := url.Parse(address)
	if err != nil || !u.IsAbs() { // the schema's rule reports it, or it is not set
		return false
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		r.on(p, "%s begins with https:// or http:// and a host", p.name())
		return false
	}
	return true
}

// noUser checks that an address contains no credentials, and hints if it is not encrypted.
func (r *review) noUser(p path, address string) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
	case u.User != nil:
		r.on(p, "%s holds a user or password, which must not stand in this file: use auth: with references", p.name())
	case u.Scheme == "http" && !isNearby(u.Hostname()):
		r.hint(p, "%s is not encrypted: what is sent to %s, credentials and leads, can be read on the way; write https://", p.name(), u.Hostname())
	}
}

// isNearby reports whether a host appears to be on this machine or in a private network.
func isNearby(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return slices.Contains([]string{host, "localhost", "local", "internal", "lan", "arpa", "test"}, last) // host if it has no dot
}

func (r *review) form(p path, form *configv1.Form) {
	r.page(p.child("redirect"), form.GetRedirect())
	leadFields := map[string]bool{}
	misspelt := r.unclear[r.find(p.child("fields")).value] != 0
	for name, field := range form.GetFields() {
		leadFields[field] = true
		if err := intake.CheckTarget(field); err != nil {
			r.on(p.child("fields", name), "%s: %v", name, err)
			misspelt = true
		}
	}
	if len(form.GetFields()) == 0 { // fields are mapped by their usual names
		for _, field := range intake.UsualTargets() {
			leadFields[field] = true
		}
	}
	if leadFields[intake.FullName] {
		leadFields["first_name"], leadFields["last_name"] = true, true
	}
	if !leadFields["email"] && !leadFields["phone"] && !misspelt {
		r.on(p.child("fields"), "no form field of %s leads to email or phone: a lead needs one of them", p.name())
	}
	leads := func(at path, key, field, otherwise string) {
		if err := intake.CheckTarget(field); err != nil {
			r.on(at, "%s: %v", key, err)
		} else if !leadFields[field] && !misspelt {
			r.on(at, "%s: no form field leads to %s, %s; add one under fields:", key, field, otherwise)
		}
	}
	for i, field := range form.GetRequired() {
		leads(p.child("required", strconv.Itoa(i)), "required", field, "so every submission would be refused")
	}
	for field, value := range form.GetValues() {
		if value.GetDefault() != "" && intake.CheckTarget(field) == nil { // the same for every lead
			continue
		}
		leads(p.child("values", field), "values", field, "so this has no effect")
	}
	for i, name := range form.GetIgnore() {
		if _, kept := form.GetFields()[name]; kept {
			r.on(p.child("ignore", strconv.Itoa(i)), "ignore: %s stands under fields: too", name)
		}
	}
}

// routes checks the destinations of a form or of leads.
func (r *review) routes(p path, names []string, cfg *configv1.Config) {
	at := p.child("destinations")
	if !r.find(path{"destinations"}).clear {
		return
	}
	known := slices.Sorted(maps.Keys(cfg.GetDestinations()))
	switch {
	case len(names) > 0 || len(known) < 2:
	case p.name() == "leads":
		r.on(at, "leads lacks destinations: there are several, and a backend's leads that name no form have to go somewhere; add leads: { destinations: [%s] }, of %s", known[0], strings.Join(known, ", "))
	default:
		r.on(at, "%s lacks destinations: there are several, so name those its leads go to, of %s", p.name(), strings.Join(known, ", "))
	}
	r.named(at, names, cfg)
}

// named checks that destinations exist.
func (r *review) named(p path, names []string, cfg *configv1.Config) {
	if !r.find(path{"destinations"}).clear {
		return
	}
	for i, name := range names {
		if cfg.GetDestinations()[name] == nil {
			r.on(p.child(strconv.Itoa(i)), "unknown destination %q%s", name, suggest(name, slices.Sorted(maps.Keys(cfg.GetDestinations()))))
		}
	}
}
