package intake_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// What an attacker would send to keep the gateway busy: bodies of the largest size, each aimed at one step.
func TestHostileSubmissionsCostLittle(t *testing.T) {
	t.Parallel()
	const size = 8000
	values := map[string]string{
		"nested entities":  "&" + strings.Repeat("amp;", size/4),
		"nested tags":      strings.Repeat("<", size/3) + strings.Repeat("b>", size/3),
		"open tags":        strings.Repeat("<a ", size/3),
		"links in links":   strings.Repeat("mailto:", size/7) + "a@example.com",
		"many addresses":   strings.Repeat("a@b,", size/4),
		"many at signs":    strings.Repeat("@ ", size/2),
		"marks on marks":   strings.Repeat("\u0301", size/2),
		"digits":           strings.Repeat("1", size),
		"digits and signs": "+" + strings.Repeat("1-", size/2),
		"many words":       strings.Repeat("van ", size/4),
		"capitals":         strings.Repeat("AB ", size/3),
		"dots":             strings.Repeat(".", size),
		"dates":            strings.Repeat("1/", size/2),
	}
	names := map[string]string{
		"words that say nothing": strings.Repeat("a_", 100), "brackets": strings.Repeat("[a]", 80), "camels": strings.Repeat("aB", 120),
		"like many others": strings.Repeat("companynam", 20),
	}
	forms := everyForm(t)
	for what, value := range values {
		s := &leadgatev1.Submission{}
		for _, name := range []string{"email", "firstname", "phone", "company", "country", "website", "budget", "when"} {
			s.Fields = append(s.Fields, &leadgatev1.Submission_Field{Name: name, Values: []string{value}})
		}
		checkQuick(t, what, forms, s)
	}
	for what, name := range names {
		s := &leadgatev1.Submission{}
		for i := range 200 {
			s.Fields = append(s.Fields, &leadgatev1.Submission_Field{Name: name + fmt.Sprint(i), Values: []string{"a@example.com"}})
		}
		checkQuick(t, what, forms, s)
	}
	for what, body := range map[string]string{
		"deep": strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000), "wide": "[" + strings.Repeat("{},", 20_000) + "{}]",
		"lists":      `{"fields":[` + strings.Repeat(`{"name":"a","value":1},`, 2800) + `{"name":"a","value":1}]}`,
		"empty ones": `{"a":[` + strings.Repeat("[],", 20_000) + "[]]}",
	} {
		began := time.Now()
		_, _ = intake.Decode(typeJSON, []byte(body))
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s took %s to decode", what, took)
		}
	}
}

// checkQuick limits work of a millisecond or two generously, because the machine may be busy.
func checkQuick(t *testing.T, what string, forms map[string]*intake.Form, s *leadgatev1.Submission) {
	t.Helper()
	for name, form := range forms {
		began := time.Now()
		form.Lead(s).Judge(intake.Counts{})
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s took %s in the form that is %s", what, took, name)
		} else {
			t.Logf("%s: %s in the form that is %s", what, took.Round(10*time.Microsecond), name)
		}
	}
}
