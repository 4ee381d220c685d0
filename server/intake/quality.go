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

// Policy is what becomes of a submission that a check found something about.
type Policy string

// The policies.
const (
	// Accept lets the lead go on.
	Accept Policy = "accept"
	// Hold keeps it for a person to decide; whoever sent it is answered as if it were accepted.
	Hold Policy = "hold"
	// Reject refuses it, with the reason.
	Reject Policy = "reject"
)

// Verdict is something that a check found.
type Verdict struct {
	// Check is the check's name, as its policy is called in the configuration.
	Check string
	// Policy is what becomes of it.
	Policy Policy
	// Field is the form's own name of the field; empty if it is about none.
	Field string
	// Message says what was found, for people. It contains nothing of the value but a domain.
	Message string
	// Suggestion is what was probably meant, in full; empty if nothing comes to mind. It holds the visitor's own words.
	Suggestion string
}

// Rule identifies a verdict where it refuses a submission.
func (v Verdict) Rule() string { return "quality." + v.Check }

// Counts are what only the caller can know: how many submissions came within the form's window, this one included.
type Counts struct {
	// Address is how many came from the visitor's address; 0 if that is not known or not to be counted.
	Address int
	// Email is how many came for the lead's e-mail address.
	Email int
}

// Bounds where the configuration leaves them out.
const (
	defaultFastest    = 2 * time.Second
	defaultPerAddress = 60
	defaultPerEmail   = 20
	defaultWindow     = 10 * time.Minute
)

// quality is what a form's configuration says about submissions that may not be worth a person's time.
type quality struct {
	honeypots            []string
	timing               string
	clientTimes          bool // the browser client's own measure counts
	fastest, window      time.Duration
	perAddress, perEmail int
	disposable           map[string]struct{} // further domains

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

// Window is for how long submissions are counted.
func (f *Form) Window() time.Duration { return f.quality.window }

// Counts says whether submissions are counted at all.
func (f *Form) Counts() bool { return f.quality.onMany != Accept }

// Judge says what the checks without I/O find about a submission. Those that could only tell what lead.proto tells anyway
// are not among them.
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

// elapsed is how long the form was on show, and the field that says so; ok is false if the page does not say, or says
// something impossible. The browser client says it of its own accord; that counts where the check is asked for, because a
// browser that fills in the visitor's data is quick.
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
	if elapsed < 0 { // a visitor's clock that is fast
		return "", 0, false
	}
	return field, elapsed, true
}
