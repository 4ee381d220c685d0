package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	leadgate "github.com/leadgate/leadgate/clients/go"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// reasonColumn is the column that the rejects file adds to those of the input. Imports skip it.
const reasonColumn = "leadgate_reason"

// saveEvery is how often an import saves its progress.
const saveEvery = time.Second

func newImport() *cobra.Command {
	var (
		conn    connection
		m       mapping
		preview bool
		again   bool
		rejects string
		charset string
	)
	cmd := &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Import leads from a CSV file",
		Long: `Import leads from a CSV file whose first line names the columns. Columns are recognised by name (E-Mail, Vorname, Company,
ZIP …), others become custom fields; override this with --map and --skip, and try it with --preview. Values are cleaned like a
form's: phone numbers become E.164, countries their codes, and "4.000,50" a number with --type.

To resume an interrupted import, run the same command again. Every row has an idempotency key, derived from its content or taken
from a column, so importing it twice makes no second lead for as long as the gateway keeps keys. Refused rows are written to
FILE.rejects.csv with their reasons: fix them there, and import that file.`,
		Example: `  leadgate import leads.csv --form contact --preview
  leadgate import leads.csv --form contact
  leadgate import leads.csv --map "Kundennr.=custom.customer_number" --skip Intern --key "Kundennr." --region DE
  leadgate import leads.csv --type Budget=decimal --type Geburtstag=date --region DE`,
		Args: exactArgs("FILE.csv"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := openSheet(args[0], charset)
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }() // it was only read
			rows, err := openRows(file, m)
			if err != nil {
				return err
			}
			if file.note != "" {
				fmt.Fprintln(cmd.ErrOrStderr(), "leadgate: "+file.note)
			}
			if preview {
				return showPreview(cmd.OutOrStdout(), rows)
			}
			if rejects == "" {
				rejects = strings.TrimSuffix(args[0], ".csv") + ".rejects.csv"
			}
			client, err := conn.client()
			if err != nil {
				return err
			}
			defer client.Close()
			i := &importing{rows: rows, file: file, client: client, explain: conn.explain, host: conn.host(), notes: cmd.ErrOrStderr(), rejectsPath: rejects, memo: args[0] + ".import"}
			if err := i.resume(m, again); err != nil {
				return err
			}
			return i.run(cmd.Context())
		},
	}
	conn.addFlags(cmd)
	cmd.Flags().StringVar(&m.form, "form", "", "import through this form: its destinations get the leads")
	cmd.Flags().StringArrayVar(&m.mapped, "map", nil, "COLUMN=FIELD, such as \"Mobil=phone\" or \"Budget=custom.budget\"; may be repeated")
	cmd.Flags().StringArrayVar(&m.skip, "skip", nil, "leave this column out; may be repeated")
	cmd.Flags().StringArrayVar(&m.types, "type", nil, "COLUMN=TYPE, how to read its values: integer, decimal, boolean or date; may be repeated")
	cmd.Flags().StringVar(&charset, "charset", "", "the file's encoding, such as windows-1250, if it is not UTF-8, UTF-16 or Windows-1252")
	cmd.Flags().StringVar(&m.key, "key", "", "take idempotency keys from this column, such as a number of your own")
	cmd.Flags().StringVar(&m.region, "region", "", "country of phone numbers without a prefix, such as DE")
	cmd.Flags().BoolVar(&preview, "preview", false, "send nothing: show how columns map, the first leads, and how many rows would be refused")
	cmd.Flags().BoolVar(&again, "again", false, "start from the first row, whatever was imported before")
	cmd.Flags().StringVar(&rejects, "rejects", "", "file for refused rows (default: FILE.rejects.csv)")
	return cmd
}

// showPreview reads the whole file, but sends nothing.
func showPreview(w io.Writer, rows *rowReader) error {
	w = lines{w}
	table(w, "COLUMN\tLEADS TO", func(w io.Writer) {
		for i, heading := range rows.header {
			field := rows.fields[i]
			if field == skipped {
				field = "(left out)"
			}
			fmt.Fprintf(w, "%s\t%s\n", heading, field)
		}
	})
	good, bad := 0, 0
	left := map[string]int{}
	for {
		r, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for _, heading := range r.left {
			left[heading]++
		}
		if r.reason != "" {
			if bad++; bad <= 5 {
				fmt.Fprintln(w)
				fmt.Fprintf(w, "row %d would be refused: %s\n", r.number, r.reason)
			}
			continue
		}
		if good++; good <= 3 {
			line, err := jsonLine(r.lead)
			if err != nil {
				return err
			}
			fmt.Fprintln(w)
			fmt.Fprintf(w, "row %d becomes %s\n", r.number, line)
		}
	}
	fmt.Fprintln(w)
	fmt.Fprintf(w, "%s would be sent, %d refused.%s\n", count(good, "lead"), bad, leftOutWords(left))
	return nil
}

func leftOutWords(left map[string]int) string {
	var words strings.Builder
	for _, heading := range slices.Sorted(maps.Keys(left)) {
		fmt.Fprintf(&words, " %s cannot be read in %s and is left out.", heading, count(left[heading], "row"))
	}
	return words.String()
}

// imported is the progress of an import, as saved in FILE.import.
type imported struct {
	Rows      int            `json:"rows"`
	End       int64          `json:"end"`    // end of the last row, in bytes
	Content   string         `json:"sha256"` // of all bytes up to End
	Mapping   string         `json:"mapping"`
	Host      string         `json:"host"` // of the gateway, without the port, which may change
	Accepted  int            `json:"accepted"`
	Replayed  int            `json:"replayed"`
	Refused   int            `json:"refused"`
	LeftOut   map[string]int `json:"leftOut"`
	UpdatedAt time.Time      `json:"updatedAt"`
}

// importing is a running import. It belongs to one goroutine.
type importing struct {
	rows    *rowReader
	file    *sheet
	client  *leadgate.Client
	explain func(error) error
	host    string
	notes   io.Writer

	done        imported
	memo        string    // the file in which done is saved
	content     hash.Hash // of the first hashed bytes
	hashed      int64
	saved       time.Time
	rejectsPath string
	goesOn      bool         // continues an earlier run
	refused     bytes.Buffer // rows not yet written to the rejects file
	rejects     *csv.Writer  // writes to refused
	rejectsFile *os.File

	waiting []*row                    // rows read, from the first that is not done
	sent    map[*leadgatev1.Lead]*row // rows without a result so far
	failed  error                     // error from reading the file
	pace    pace
	bar     *progress
}

// resume finds out how far an earlier run with the same mapping got with this file.
func (i *importing) resume(m mapping, again bool) error {
	i.content, i.sent = sha256.New(), map[*leadgatev1.Lead]*row{}
	mapped, err := json.Marshal(slices.Concat([]string{m.form, m.region, m.key}, m.types, i.rows.fields))
	if err != nil {
		return err
	}
	i.done = imported{Mapping: string(mapped), Host: i.host, End: i.rows.last.end, LeftOut: map[string]int{}}
	var before imported
	text, err := os.ReadFile(i.memo)
	switch {
	case again || errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err := json.Unmarshal(text, &before); err != nil || before.Mapping != i.done.Mapping {
		fmt.Fprintln(i.notes, "leadgate: an earlier import read this file in another way; beginning with the first row")
		return nil
	}
	if before.Host != "" && before.Host != i.host { // perhaps staging, before production
		fmt.Fprintf(i.notes, "leadgate: an earlier import sent this file to %s; beginning with the first row\n", before.Host)
		return nil
	}
	if err := i.hashTo(before.End); err != nil || hex.EncodeToString(i.content.Sum(nil)) != before.Content {
		fmt.Fprintln(i.notes, "leadgate: the file has changed since the last import; beginning with the first row")
		i.content, i.hashed = sha256.New(), 0
		return nil
	}
	if before.LeftOut == nil {
		before.LeftOut = map[string]int{}
	}
	i.done, i.goesOn = before, true
	i.rows.skipTo(i.file, before.Rows, before.End)
	fmt.Fprintf(i.notes, "leadgate: %s imported before, continuing after that; --again starts over\n", count(before.Rows, "row"))
	return nil
}

func (i *importing) hashTo(end int64) error {
	n, err := io.Copy(i.content, io.NewSectionReader(i.file, i.hashed, end-i.hashed))
	i.hashed += n
	if err == nil && i.hashed != end {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (i *importing) run(ctx context.Context) error {
	i.bar, i.pace = newProgress(i.notes, "import"), pace{i.file.size, time.Now(), i.done.Rows, i.done.End}
	var stopped error
	for result, err := range i.client.SubmitAll(ctx, i.leads()) {
		if err != nil {
			stopped = err
			break
		}
		r := i.sent[result.Lead]
		delete(i.sent, result.Lead)
		r.done, r.replayed = true, result.Replayed
		if stopped = unknownForm(result.Err); stopped != nil {
			break
		}
		if result.Err != nil {
			r.reason = result.Err.Error()
		}
		if stopped = i.settle(); stopped != nil {
			break
		}
	}
	stopped = errors.Join(stopped, i.failed)
	i.bar.done()
	if misused := (usageError{}); errors.As(stopped, &misused) {
		return errors.Join(stopped, i.closeRejects()) // keep the progress of an earlier import
	}
	err := errors.Join(i.settleAll(), i.closeRejects())
	rows := count(i.done.Rows, "row")
	if i.goesOn {
		rows += ", those imported before included"
	}
	fmt.Fprintf(lines{i.notes}, "%s: %d new, %d known already, %d refused.%s\n", rows, i.done.Accepted, i.done.Replayed, i.done.Refused, leftOutWords(i.done.LeftOut))
	switch {
	case errors.Is(stopped, context.Canceled):
		return errors.Join(fmt.Errorf("stopped after row %d; the same command continues there", i.done.Rows), err)
	case stopped != nil:
		return errors.Join(fmt.Errorf("stopped after row %d; the same command continues there: %w", i.done.Rows, i.explain(stopped)), err)
	case i.done.Refused > 0 && err == nil:
		return fmt.Errorf("%s refused: %s says why; correct it there and import that file", count(i.done.Refused, "row"), i.rejectsPath)
	}
	return err
}

// unknownForm returns a usage error if the form does not exist, since then every row would be refused.
func unknownForm(refused *leadgate.Error) error {
	if refused == nil {
		return nil
	}
	for _, v := range refused.Violations {
		if v.Rule == "form.known" {
			return usageError{fmt.Errorf("--form: %s; nothing was imported", v.Message)}
		}
	}
	return nil
}

// leads reads the file as fast as the gateway accepts leads.
func (i *importing) leads() iter.Seq[leadgate.Submission] {
	return func(yield func(leadgate.Submission) bool) {
		for {
			r, err := i.rows.next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					i.failed = err
				}
				return
			}
			i.waiting = append(i.waiting, r)
			if r.reason != "" {
				r.done = true
				continue
			}
			i.sent[r.lead] = r
			if !yield(leadgate.Submission{Lead: r.lead, Key: r.key}) {
				return
			}
		}
	}
}

// settle counts the leading rows that are done, and saves the progress from time to time. If the import is interrupted, the rows
// after these are read again.
func (i *importing) settle() error {
	for len(i.waiting) > 0 && i.waiting[0].done {
		r := i.waiting[0]
		switch {
		case r.reason != "":
			if err := i.refuse(r); err != nil {
				return err
			}
			i.done.Refused++
		case r.replayed:
			i.done.Replayed++
		default:
			i.done.Accepted++
		}
		i.waiting = i.waiting[1:]
		i.done.Rows, i.done.End = r.number, r.end
		for _, heading := range r.left {
			i.done.LeftOut[heading]++
		}
	}
	if now := time.Now(); i.bar.due(now) {
		i.bar.draw(i.pace.words(i.done, now))
	}
	if time.Since(i.saved) < saveEvery {
		return nil
	}
	return i.save()
}

func (i *importing) settleAll() error {
	return errors.Join(i.settle(), i.save())
}

// save saves the progress, after writing the refused rows.
func (i *importing) save() error {
	if i.rejects != nil {
		i.rejects.Flush()
		if _, err := i.refused.WriteTo(i.rejectsFile); err != nil {
			return err
		}
	}
	if err := i.hashTo(i.done.End); err != nil {
		return err
	}
	i.saved = time.Now()
	i.done.Content, i.done.UpdatedAt = hex.EncodeToString(i.content.Sum(nil)), i.saved.UTC().Truncate(time.Second)
	text, err := json.MarshalIndent(i.done, "", "  ")
	if err != nil {
		return err
	}
	// Renamed into place, so that a crash leaves either the old file or the new one.
	if err := os.WriteFile(i.memo+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(i.memo+".new", i.memo)
}

// refuse adds a row to the rejects file, which is written in save. Like the input, it contains personal data. An import that
// continues appends to the file; any other starts anew.
func (i *importing) refuse(r *row) error {
	if i.rejects == nil {
		flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
		if i.goesOn {
			flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
		}
		file, err := os.OpenFile(i.rejectsPath, flags, 0o600)
		if err != nil {
			return err
		}
		i.rejectsFile, i.rejects = file, csv.NewWriter(&i.refused)
		if info, err := file.Stat(); err == nil && info.Size() == 0 {
			header := append([]string{}, i.rows.header...)
			if at := slices.Index(header, reasonColumn); at < 0 {
				header = append(header, reasonColumn)
			}
			if err := i.rejects.Write(header); err != nil {
				return err
			}
		}
	}
	cells := append([]string{}, r.cells...)
	if at := slices.Index(i.rows.header, reasonColumn); at >= 0 && at < len(cells) {
		cells[at] = r.reason
		return i.rejects.Write(cells)
	}
	for len(cells) < len(i.rows.header) {
		cells = append(cells, "")
	}
	return i.rejects.Write(append(cells, r.reason))
}

func (i *importing) closeRejects() error {
	if i.rejects == nil {
		return nil
	}
	return i.rejectsFile.Close()
}

// pace computes an import's progress, speed and remaining time.
type pace struct {
	size      int64 // of the file
	start     time.Time
	firstRow  int
	firstByte int64
}

func (p *pace) words(done imported, now time.Time) (part float64, words string) {
	part = 1
	if p.size > 0 {
		part = float64(done.End) / float64(p.size)
	}
	words = fmt.Sprintf("%d rows", done.Rows)
	if seconds := now.Sub(p.start).Seconds(); seconds > 0 && done.End > p.firstByte {
		left := time.Duration(float64(p.size-done.End) / (float64(done.End-p.firstByte) / seconds) * float64(time.Second))
		words += fmt.Sprintf("  %.0f/s  %s left", float64(done.Rows-p.firstRow)/seconds, short(left))
	}
	if done.Refused > 0 {
		words += fmt.Sprintf("  %d refused", done.Refused)
	}
	return part, words
}

// count formats a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
