package intake

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// Policy is what to do with a submission if a check finds something.
type Policy string

// The policies.
const (
	// Accept lets the lead go on.
	Accept Policy = "accept"
	// Hold keeps it until a person decides; the response is the same as for an accepted one.
	Hold Policy = "hold"
	// Reject refuses it, with the reason.
	Reject Policy = "reject"
)

// Verdict is a finding of a check.
type Verdict struct {
	// Check is the check's name, which is the key of its policy in the configuration.
	Check string
	// Policy says what to do.
	Policy Policy
	// Field is the form's name of the field; empty if the verdict is not about a field.
	Field string
	// Message says what was found, for people. It contains no part of the value except a domain.
	Message string
	// Suggestion is the whole value as it was probably meant; empty if there is no guess. It contains the visitor's input.
	Suggestion string
}

// Rule identifies the verdict if it refuses a submission.
func (v Verdict) Rule() string { return "quality." + v.Check }

// Counts are numbers of submissions within the form's window, including this one. Only the caller knows them.
type Counts struct {
	// Address is the number from the visitor's IP address; 0 if it is unknown or not counted.
	Address int
	// Email is the number for the lead's e-mail address.
	Email int
}

// Defaults of the configuration.
const (
	defaultFastest    = 2 * time.Second
	defaultPerAddress = 60
	defaultPerEmail   = 20
	defaultWindow     = 10 * time.Minute
)

// quality is the compiled configuration of the quality checks.
type quality struct {
	honeypots            []string
	timing               string
	clientTimes          bool // whether the browser client's measurement counts
	fastest, window      time.Duration
	perAddress, perEmail int
	disposable           map[string]struct{} // configured in addition to the list

	onDisposable, onRole, onTypo, onGibberish, onLinks, onHoneypot, onFast, onMany Policy
}

func (f *Form) compileQuality(honeypots []string, cfg *configv1.Quality) error {
	policy := func(word string, otherwise Policy) Policy { return cmp.Or(Policy(word), otherwise) }
	f.quality = quality{
		honeypots: honeypots, timing: cfg.GetTimingField(), fastest: defaultFastest, window: defaultWindow,
		perAddress: cmp.Or(int(cfg.GetPerAddress()), defaultPerAddress), perEmail: cmp.Or(int(cfg.GetPerEmail()), defaultPerEmail),
		disposable: map[string]struct{}{}, clientTimes: cfg.GetTooFast() != "",
		onDisposable: policy(cfg.GetDisposableDomain(), Accept), onRole: policy(cfg.GetRoleAccount(), Accept),
		onTypo: policy(cfg.GetDomainTypo(), Accept), onGibberish: policy(cfg.GetGibberish(), Accept),
		onLinks: policy(cfg.GetLinksInNames(), Hold), onHoneypot: policy(cfg.GetHoneypot(), Hold),
		onFast: policy(cfg.GetTooFast(), Hold), onMany: policy(cfg.GetTooMany(), Hold),
	}
	if cfg.GetFastest() != nil {
		f.quality.fastest = cfg.GetFastest().AsDuration()
	}
	if cfg.GetWindow() != nil {
		f.quality.window = cfg.GetWindow().AsDuration()
	}
	for _, domain := range cfg.GetDisposableDomains() {
		f.quality.disposable[strings.ToLower(domain)] = struct{}{}
	}
	var faults []error
	if cfg.GetHoneypot() != "" && len(honeypots) == 0 {
		faults = append(faults, errors.New("quality: honeypot needs the form's honeypot: the names of the fields that no person sees"))
	}
	for _, field := range honeypots {
		if t := f.byField[field]; t != nil {
			faults = append(faults, fmt.Errorf("honeypot: %s also leads to %s: whoever fills it in would count as a program; leave it out here, or under fields", field, t.path))
		}
		f.silent[field] = struct{}{}
	}
	if f.quality.timing != "" {
		f.silent[f.quality.timing] = struct{}{}
	}
	return errors.Join(faults...)
}

// Window returns the period within which submissions are counted.
func (f *Form) Window() time.Duration { return f.quality.window }

// Counts reports whether submissions must be counted at all.
func (f *Form) Counts() bool { return f.quality.onMany != Accept }

// Judge returns the findings of the checks that need no I/O. It does not repeat the rules of lead.proto.
func (r *Result) Judge(counts Counts) []Verdict {
	q := &r.form.quality
	var verdicts []Verdict
	found := func(check string, policy Policy, field, message string) {
		verdicts = append(verdicts, Verdict{Check: check, Policy: policy, Field: field, Message: message})
	}
	for _, name := range q.honeypots {
		if r.valueOf(name) != "" {
			found("honeypot", q.onHoneypot, name, "is filled in, which no person can")
			break
		}
	}
	if field, elapsed, ok := r.elapsed(); ok && elapsed < q.fastest {
		found("too_fast", q.onFast, field, fmt.Sprintf("says that the form was filled in within %s", elapsed.Round(100*time.Millisecond)))
	}
	switch {
	case counts.Address > q.perAddress:
		found("too_many", q.onMany, "", fmt.Sprintf("more than %d submissions came from one address within %s", q.perAddress, q.window))
	case counts.Email > q.perEmail:
		found("too_many", q.onMany, r.FieldOf(pathEmail), fmt.Sprintf("more than %d submissions came for it within %s", q.perEmail, q.window))
	}
	lead := r.Lead
	for _, named := range [...]struct{ path, text string }{
		{pathFirstName, lead.GetFirstName()}, {pathLastName, lead.GetLastName()}, {"company", lead.GetCompany()},
	} {
		// A company may be known by the address of its web site.
		if hasLink(named.text, named.path != "company") && (named.path != "company" || !isHomePage(named.text)) {
			found("links_in_names", q.onLinks, r.FieldOf(named.path), "holds a web address")
		}
		if isGibberish(named.text) {
			found("gibberish", q.onGibberish, r.FieldOf(named.path), "does not look like a name")
		}
	}
	return append(verdicts, r.judgeEmail(q)...)
}

func (r *Result) judgeEmail(q *quality) []Verdict {
	local, domain, ok := strings.Cut(r.Lead.GetEmail(), "@")
	if !ok {
		return nil
	}
	var verdicts []Verdict
	field := r.FieldOf(pathEmail)
	if _, listed := q.disposable[domain]; listed || isDisposable(domain) {
		verdicts = append(verdicts, Verdict{Check: "disposable_domain", Policy: q.onDisposable, Field: field, Message: "is an address to throw away: " + domain})
	}
	if isRole(local) {
		verdicts = append(verdicts, Verdict{Check: "role_account", Policy: q.onRole, Field: field, Message: "is an office's address, not a person's"})
	}
	if meant := meantDomain(domain); meant != "" {
		verdicts = append(verdicts, Verdict{
			Check: "domain_typo", Policy: q.onTypo, Field: field,
			Message: fmt.Sprintf("ends with %s; did you mean %s?", domain, meant), Suggestion: local + "@" + meant,
		})
	}
	return verdicts
}

// elapsed returns how long the form was shown, and the field that says so; ok is false if the page does not say, or the time is
// impossible. The browser client always sends it, but it counts only if the check is configured, because a browser that fills in
// the visitor's data is fast.
func (r *Result) elapsed() (field string, elapsed time.Duration, ok bool) {
	field = r.form.quality.timing
	if field == "" {
		milliseconds, err := strconv.ParseUint(ClientField(r.submission, FieldElapsed), 10, 32)
		return FieldElapsed, time.Duration(milliseconds) * time.Millisecond, err == nil && r.form.quality.clientTimes
	}
	text := r.valueOf(field)
	if text == "" || r.submission.GetTime() == nil {
		return "", 0, false
	}
	shown, err := time.Parse(time.RFC3339, text)
	if err != nil {
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || !(number > 0 && number < 1e15) {
			return "", 0, false
		}
		if number < 1e11 { // seconds, until the year 5138
			number *= 1000
		}
		shown = time.UnixMilli(int64(number))
	}
	elapsed = r.submission.GetTime().AsTime().Sub(shown)
	if elapsed < 0 { // the visitor's clock is fast
		return "", 0, false
	}
	return field, elapsed, true
}
