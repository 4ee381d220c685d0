package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// people is a file as exported from a spreadsheet: separated by semicolons, with a byte order mark.
const people = "\uFEFF" + `E-Mail;Vorname;"Telefon";Land;Budget (EUR);Intern
 Ada@Example.com ;Ada;030 1234567;Deutschland;4000;x
grace@example.com;Grace;;USA;;x
nobody;Nobody;;;;x
linus@example.com;"Linus ""the"" Second";not a number;;;x
ada@example.com;Ada;030 1234567;Germany;4000;y
short;line
`

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (h *house) leads() int {
	h.t.Helper()
	a := request(h.t, "GET", h.url("/v1/leads?page_size=100"), "", "")
	leads, _ := a.body["leads"].([]any)
	return len(leads)
}

func TestAnImportReadsWhatSpreadsheetsWrite(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	path := writeFile(t, "people.csv", people)
	args := []string{"import", path, "--server", h.gateway.address, "--form", "contact", "--region", "DE", "--skip", "Intern"}

	preview, complaint, code := run(t, nil, "", append(args, "--preview")...)
	if code != 0 {
		t.Fatalf("the preview ends with %d: %s", code, complaint)
	}
	for _, want := range []string{
		"Vorname       first_name", "Budget (EUR)  custom.budget_eur", "Intern        (left out)", `"email":"ada@example.com"`, `"phone":"+49301234567"`, `"country":"DE"`,
		"row 3 would be refused: E-Mail: must be a valid email address", "row 6 would be refused: has 2 columns", "4 leads would be sent, 2 refused. Telefon cannot be read in 1 row",
	} {
		if !strings.Contains(strings.ReplaceAll(preview, `", "`, `","`), want) {
			t.Errorf("the preview lacks %q:\n%s", want, preview)
		}
	}
	if n := h.leads(); n != 0 {
		t.Fatalf("the preview made %d leads", n)
	}

	_, complaint, code = run(t, nil, "", args...)
	// The fifth row equals the first, so they are one lead.
	if code != 1 || !strings.Contains(complaint, "6 rows: 3 new, 1 known already, 2 refused.") || !strings.Contains(complaint, "people.rejects.csv") {
		t.Errorf("the import ends with %d: %s", code, complaint)
	}
	if n := h.leads(); n != 3 {
		t.Errorf("%d leads, want 3", n)
	}
	rejects, err := os.ReadFile(strings.Replace(path, ".csv", ".rejects.csv", 1))
	if err != nil || !strings.Contains(string(rejects), "nobody,Nobody,,,,x,E-Mail: must be a valid email address") || !strings.Contains(string(rejects), "leadgate_reason") {
		t.Errorf("the refused rows: %s, %v", rejects, err)
	}

	// Importing again changes nothing, with or without saved progress.
	if _, complaint, code = run(t, nil, "", args...); code != 1 || !strings.Contains(complaint, "6 rows imported before") {
		t.Errorf("once more ends with %d: %s", code, complaint)
	}
	if _, complaint, _ = run(t, nil, "", append(args, "--again")...); !strings.Contains(complaint, "6 rows: 0 new, 4 known already, 2 refused.") {
		t.Errorf("again: %s", complaint)
	}
	// Progress is saved per gateway.
	elsewhere := append(args, "--server", strings.Replace(h.gateway.address, "127.0.0.1", "localhost", 1))
	if _, complaint, _ = run(t, nil, "", elsewhere...); !strings.Contains(complaint, "an earlier import sent this file to 127.0.0.1") || !strings.Contains(complaint, "6 rows: 0 new, 4 known already, 2 refused.") {
		t.Errorf("to another host: %s", complaint)
	}
	if _, complaint, _ = run(t, nil, "", args...); !strings.Contains(complaint, "an earlier import sent this file to localhost") {
		t.Errorf("and back: %s", complaint)
	}
	if n := h.leads(); n != 3 {
		t.Errorf("%d leads, want still 3", n)
	}

	// With an unknown form the command is wrong: no rows are refused, and no progress is lost.
	unknown := append([]string{}, args...)
	for i, arg := range unknown {
		if arg == "contact" {
			unknown[i] = "contct"
		}
	}
	if _, complaint, code = run(t, nil, "", unknown...); code != 2 || !strings.Contains(complaint, `there is no form "contct"`) || strings.Contains(complaint, "refused") {
		t.Errorf("an unknown form: %d %s", code, complaint)
	}
	if after, err := os.ReadFile(strings.Replace(path, ".csv", ".rejects.csv", 1)); err != nil || string(after) != string(rejects) {
		t.Errorf("an unknown form changed the file of refused rows: %s, %v", after, err)
	}
	if _, complaint, _ = run(t, nil, "", args...); !strings.Contains(complaint, "6 rows imported before") {
		t.Errorf("after an unknown form: %s", complaint)
	}

	// The corrected rejects file can be imported.
	mended := strings.Replace(string(rejects), "nobody", "somebody@example.com", 1)
	path = writeFile(t, "mended.csv", mended)
	if _, complaint, _ = run(t, nil, "", "import", path, "--server", h.gateway.address, "--form", "contact"); !strings.Contains(complaint, "2 rows: 1 new, 0 known already, 1 refused.") {
		t.Errorf("the mended rows: %s", complaint)
	}
}

func TestAnImportGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const n = 8_000
	var text strings.Builder
	text.WriteString("email,first_name\n")
	for i := range n {
		fmt.Fprintf(&text, "p%d@example.com,P%d\n", i, i)
	}
	path := writeFile(t, "many.csv", text.String())
	args := []string{"import", path, "--server", h.gateway.address}
	cmd := exec.Command(binary, args...)
	said := newLines()
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Some leads are accepted before the import is interrupted and the gateway dies.
	deadline := time.Now().Add(patience)
	for h.leads() == 0 {
		if time.Now().After(deadline) {
			t.Fatal("nothing arrives")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Skip("the import was through before it was interrupted")
	}
	if !strings.Contains(said.text(), "the same command continues there") {
		t.Fatalf("interrupted, it says %s", said.text())
	}
	h.gateway.kill()
	h.restart()
	args[len(args)-1] = h.gateway.address
	_, complaint, code := run(t, nil, "", args...)
	if code != 0 || !strings.Contains(complaint, "rows imported before") || !strings.Contains(complaint, fmt.Sprint(n, " rows, those imported before included: ")) {
		t.Errorf("the second run ends with %d: %s", code, complaint)
	}
	_, complaint, _ = run(t, nil, "", append(args, "--again")...)
	if want := fmt.Sprintf("%d rows: 0 new, %[1]d known already, 0 refused.", n); !strings.Contains(complaint, want) {
		t.Errorf("not every row arrived: %s, want %s", complaint, want)
	}
}

func TestTheFileOfRefusedRowsIsOfOneImport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const n = 4_000
	people := func(domain string) string {
		var text strings.Builder
		text.WriteString("email\n")
		for i := range n {
			fmt.Fprintf(&text, "p%d@%s\n", i, domain)
			if i%100 == 99 {
				fmt.Fprintf(&text, "nobody%d\n", i)
			}
		}
		return text.String()
	}
	path := writeFile(t, "people.csv", people("example.com"))
	args := []string{"import", path, "--server", h.gateway.address}
	refused := func() (rows []string) {
		t.Helper()
		text, err := os.ReadFile(strings.Replace(path, ".csv", ".rejects.csv", 1))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")[1:]
	}
	cmd := exec.Command(binary, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); h.leads() == 0 && time.Now().Before(deadline); {
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it may have finished
	_, complaint, _ := run(t, nil, "", args...)
	if rows := refused(); len(rows) != n/100 || !strings.Contains(complaint, fmt.Sprintf("%d refused.", n/100)) {
		t.Errorf("behind an interruption %d rows are refused: %s", len(rows), complaint)
	}
	// Another file of the same name is read from the start, and the old rejects are dropped.
	if err := os.WriteFile(path, []byte(people("example.org")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, complaint, _ = run(t, nil, "", args...)
	if rows := refused(); len(rows) != n/100 || !strings.Contains(complaint, fmt.Sprintf("%d refused.", n/100)) {
		t.Errorf("of another file %d rows are refused: %s", len(rows), complaint)
	}
}

func TestAnImportSaysWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		args []string
		want string
	}{
		"no file":        {"", []string{"nowhere.csv"}, "nowhere.csv"},
		"empty":          {"", nil, "has no header"},
		"a workbook":     {"PK\x03\x04\x14\x00", nil, "is a workbook; save it as CSV UTF-8"},
		"no header":      {"ada@example.com,Ada\n", nil, "no column is known to be an e-mail address or a phone number"},
		"a charset":      {"email\n", []string{"--charset", "windows-9"}, `"windows-9" is not known`},
		"a type":         {"email,budget\n", []string{"--type", "budget=number"}, `unknown type "number"; it is one of integer`},
		"a type of none": {"email,budget\n", []string{"--type", "Budget=decimal"}, `there is no column "Budget"; the columns are email, budget`},
		"no such column": {"email\n", []string{"--map", "Mail=email"}, "the columns are email"},
		"no such field":  {"email,x\n", []string{"--map", "x=nowhere"}, "--map COLUMN=FIELD"},
		"no key column":  {"email\n", []string{"--key", "No."}, "the columns are email"},
		"a password":     {"email,password\n", nil, "--skip"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"import", "--preview", writeFile(t, "x.csv", c.text)}, c.args...)
			if name == "no file" {
				args = append([]string{"import"}, c.args...)
			}
			if _, complaint, code := run(t, nil, "", args...); code != 2 || !strings.Contains(complaint, c.want) {
				t.Errorf("ends with %d: %s, want %q", code, complaint, c.want)
			}
		})
	}
}

// What Excel saves as CSV depends on its language, and on which of its five kinds of CSV was chosen.
func TestAFileIsReadInWhateverASpreadsheetSavesItIn(t *testing.T) {
	t.Parallel()
	const text = "E-Mail;Vor- und Nachname;Budget;Seit\r\nada@example.com;Ada Müller;4.000,50;24.11.2026\r\n;;;\r\n"
	latin, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	polish, err := charmap.Windows1250.NewEncoder().String(strings.ReplaceAll(text, "Müller", "Wałęsa"))
	if err != nil {
		t.Fatal(err)
	}
	wide, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(strings.ReplaceAll(text, ";", "\t"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file, name, note string
		args             []string
	}{
		"UTF-8":        {text, "Müller", "", nil},
		"Windows-1252": {latin, "Müller", "is read as Windows-1252; --charset", nil},
		"another one":  {polish, "Wałęsa", "", []string{"--charset", "windows-1250"}},
		"UTF-16":       {wide, "Müller", "", nil},
		"sep":          {"sep=;\r\n" + text, "Müller", "", nil},
		"bars":         {strings.ReplaceAll(text, ";", "|"), "Müller", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := writeFile(t, "people.csv", test.file)
			args := append([]string{"import", path, "--preview", "--region", "DE", "--type", "Budget=decimal", "--type", "Seit=date"}, test.args...)
			preview, complaint, code := run(t, nil, "", args...)
			preview = strings.ReplaceAll(preview, `", "`, `","`)
			want := `{"email":"ada@example.com","firstName":"Ada","lastName":"` + test.name + `","custom":{"budget":"4000.50","seit":"2026-11-24"}}`
			if code != 0 || !strings.Contains(preview, want) || !strings.Contains(preview, "1 lead would be sent, 0 refused.") || !strings.Contains(complaint, test.note) || test.note == "" && complaint != "" {
				t.Errorf("%d %s\n%s", code, complaint, preview)
			}
		})
	}
}

// An unclosed quote makes one cell of all rows up to the next quote, and the row may look complete.
func TestRowsThatAnUnclosedQuoteSwallowsAreNotLost(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "people.csv", "email,name,message\nada@example.com,Ada,\"Hello\nbob@example.com,Bob,\"Hi\"\ncyd@example.com,Cyd,\"Two lines,\nwith a, comma\"\n")
	preview, _, _ := run(t, nil, "", "import", path, "--preview")
	for _, want := range []string{"row 1 would be refused: has the next row within a cell: a quote before it is not closed", `"email":"cyd@example.com"`, "1 lead would be sent, 1 refused."} {
		if !strings.Contains(strings.ReplaceAll(preview, `": "`, `":"`), want) {
			t.Errorf("the preview lacks %q:\n%s", want, preview)
		}
	}
	// One that is never closed swallows the rest of the file.
	path = writeFile(t, "more.csv", "email,name,message\nada@example.com,\"Ada,Hello\nbob@example.com,Bob,Hi\n")
	if preview, _, _ := run(t, nil, "", "import", path, "--preview"); !strings.Contains(preview, "row 1 would be refused: has the next row within a cell") {
		t.Errorf("the preview says:\n%s", preview)
	}
}
