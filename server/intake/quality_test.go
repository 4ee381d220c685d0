package intake_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// judged returns the verdicts on a submission, as check=policy.
func judged(result *intake.Result, counts intake.Counts) string {
	var all []string
	for _, v := range result.Judge(counts) {
		all = append(all, v.Check+"="+string(v.Policy))
	}
	return strings.Join(all, " ")
}

func TestChecksFindWhatNoPersonSends(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Honeypot = []string{"website_url"}
		cfg.Quality = &configv1.Quality{DisposableDomains: []string{"Burner.example"}, TimingField: "shown"}
	})
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		pairs  []string
		counts intake.Counts
		want   string
	}{
		{[]string{"email", "ada@example.com", "firstname", "Ada", "company", "Analytical Engines", "website_url", ""}, intake.Counts{}, ""},
		{[]string{"email", "a@mailinator.com"}, intake.Counts{}, "disposable_domain=accept"},
		{[]string{"email", "a@eu.yopmail.com"}, intake.Counts{}, "disposable_domain=accept"},
		{[]string{"email", "a@burner.example"}, intake.Counts{}, "disposable_domain=accept"},
		{[]string{"email", "info@example.com"}, intake.Counts{}, "role_account=accept"},
		{[]string{"email", "ada@gmial.com"}, intake.Counts{}, "domain_typo=accept"},
		{[]string{"email", "a@example.com", "website_url", "http://spam.example"}, intake.Counts{}, "honeypot=hold"},
		{[]string{"email", "a@example.com", "shown", "1795521599"}, intake.Counts{}, "too_fast=hold"},
		{[]string{"email", "a@example.com", "shown", "1795521599500"}, intake.Counts{}, "too_fast=hold"},
		{[]string{"email", "a@example.com", "shown", "2026-11-24T11:59:59Z"}, intake.Counts{}, "too_fast=hold"},
		{[]string{"email", "a@example.com", "shown", "2026-11-24T11:59:50Z"}, intake.Counts{}, ""},
		{[]string{"email", "a@example.com", "shown", "2026-11-24T12:00:07Z"}, intake.Counts{}, ""}, // a clock that is fast
		{[]string{"email", "a@example.com", "shown", "just now"}, intake.Counts{}, ""},
		{[]string{"email", "a@example.com"}, intake.Counts{Address: 60, Email: 20}, ""},
		{[]string{"email", "a@example.com"}, intake.Counts{Address: 61}, "too_many=hold"},
		{[]string{"email", "a@example.com"}, intake.Counts{Email: 21}, "too_many=hold"},
		{[]string{"email", "a@example.com", "firstname", "Win https://spam.example now"}, intake.Counts{}, "links_in_names=hold"},
		{[]string{"email", "a@example.com", "lastname", "bit.ly/x7"}, intake.Counts{}, "links_in_names=hold"},
		{[]string{"email", "a@example.com", "company", "Booking.com"}, intake.Counts{}, ""},
		{[]string{"email", "a@example.com", "company", "www.example.com"}, intake.Counts{}, ""},
		{[]string{"email", "a@example.com", "company", "https://example.com/"}, intake.Counts{}, ""},
		{[]string{"email", "a@example.com", "company", "https://spam.example/offer?x=1"}, intake.Counts{}, "links_in_names=hold"},
		{[]string{"email", "a@example.com", "company", "See www.spam.example"}, intake.Counts{}, "links_in_names=hold"},
		{[]string{"email", "a@example.com", "lastname", "Davis Jr."}, intake.Counts{}, ""},
	} {
		s := submission(test.pairs...)
		s.Time = timestamppb.New(now)
		if got := judged(form.Lead(s), test.counts); got != test.want {
			t.Errorf("%q, %+v: %q, want %q", test.pairs, test.counts, got, test.want)
		}
	}
}

func TestGibberishIsToldFromNames(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	for _, mash := range []string{
		"asdf", "asdfgh", "Qwertz", "qwerty", "zxcvbn", "aaaaaa", "xxxxx", "abababab", "asdasdasd", "hjklhjklhjkl", "bcdfghjk", "JWdsZOXeKnpBqT", "12345",
	} {
		if got := judged(read(form, "email", "a@example.com", "lastname", mash), intake.Counts{}); got != "gibberish=accept" {
			t.Errorf("%s is taken for a name: %q", mash, got)
		}
	}
	for _, name := range []string{
		"Ng", "Li", "Schmidt", "Krzyzewski", "Nguyen", "Wojciechowski", "Brzęczyszczykiewicz", "McDonald", "MacGillivray", "DeVries", "van der Westhuizen", "O'Reilly",
		"Szczepanski", "Strzelczyk", "Hrdlicka", "Smrt", "Vlk", "Papadopoulos", "Aaliyah", "Anna", "Otto", "Hannah", "Lulu", "Mimi", "Gigi", "Bobo", "山田", "Иванов",
		"IBM", "BMW AG", "KPMG", "PwC", "McKinsey & Company", "HSBC", "DHL", "ThyssenKrupp", "AstraZeneca", "GlaxoSmithKline", "Yahoo", "Zzzquil", "Poe", "Asda",
	} {
		if got := judged(read(form, "email", "a@example.com", "lastname", name, "company", name), intake.Counts{}); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAMisspeltDomainIsToldWithWhatWasMeant(t *testing.T) {
	t.Parallel()
	form := newForm(t, nil)
	for domain, want := range map[string]string{
		"gmial.com": "gmail.com", "gmai.com": "gmail.com", "gmaill.com": "gmail.com", "gmail.con": "gmail.com", "gmail.cmo": "gmail.com", "gnail.com": "gmail.com",
		"gamil.com": "gmail.com", "gmail.de": "gmail.com", "hotmial.com": "hotmail.com", "hotmail.con": "hotmail.com", "outlok.com": "outlook.com",
		"yaho.com": "yahoo.com", "yahooo.com": "yahoo.com", "iclod.com": "icloud.com", "web.de": "", "gmail.com": "", "ymail.com": "", "mail.com": "", "hotmail.fr": "",
		"yahoo.co.uk": "", "outlook.de": "", "hotmart.com": "", "outlet.com": "", "email.com": "", "gmx.net": "", "example.com": "", "g.com": "", "tmail.com": "",
	} {
		got := ""
		for _, v := range read(form, "email", "ada@"+domain).Judge(intake.Counts{}) {
			got = strings.TrimPrefix(v.Suggestion, "ada@")
			if strings.Contains(v.Message, "ada") || !strings.Contains(v.Message, want) {
				t.Errorf("%s: the message is %q", domain, v.Message)
			}
		}
		if got != want {
			t.Errorf("%s: meant is %q, want %q", domain, got, want)
		}
	}
}

func TestEachCheckHasItsPolicy(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Honeypot = []string{"trap"}
		cfg.Quality = &configv1.Quality{
			DisposableDomain: "reject", RoleAccount: "hold", DomainTypo: "reject", Gibberish: "hold", LinksInNames: "accept", Honeypot: "reject",
			TooFast: "reject", TooMany: "reject", PerAddress: 1, PerEmail: 1, Fastest: durationpb.New(time.Minute), Window: durationpb.New(time.Hour),
		}
	})
	s := submission("email", "info@mailinator.com", "firstname", "www.x.example", "company", "asdfgh", "trap", "x", intake.FieldElapsed, "900")
	want := "honeypot=reject too_fast=reject too_many=reject links_in_names=accept gibberish=hold disposable_domain=reject role_account=hold"
	if got := judged(form.Lead(s), intake.Counts{Address: 2}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if form.Window() != time.Hour {
		t.Errorf("the window is %s", form.Window())
	}
}

func TestABrowserThatFillsInIsNotTakenForAProgram(t *testing.T) {
	t.Parallel()
	if got := judged(read(newForm(t, nil), "email", "a@example.com", intake.FieldElapsed, "300"), intake.Counts{}); got != "" {
		t.Error(got)
	}
}
