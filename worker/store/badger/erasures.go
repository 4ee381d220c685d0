package badger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// erasureList is the file beside the database that lists the erased leads, one JSON object per line. A backup contains the
// erasures before it; this file, kept elsewhere, supplies the later ones. It contains no personal data.
const erasureList = "erasures.ndjson"

// listed is a line of the erasure list. Log lines of the stage erased have the same field names, so they can be used as well.
type listed struct {
	Time   time.Time `json:"time"`
	Stage  string    `json:"stage"`
	LeadID string    `json:"lead_id"`
}

const stageErased = "erased"

// writeErasures appends to the erasure list of a data directory, if there is anything to append.
func writeErasures(dir string, lines []listed) error {
	if len(lines) == 0 {
		return nil
	}
	var text bytes.Buffer
	for _, l := range lines {
		line, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	return appendErasures(dir, text.Bytes())
}

// appendErasures appends lines to the erasure list of a data directory.
func appendErasures(dir string, lines []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, erasureList), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	last := []byte{'\n'}
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
	}
	if last[0] != '\n' { // a line was cut off
		lines = append([]byte{'\n'}, lines...)
	}
	_, err = f.Write(lines)
	giveTo(dir, f.Name())
	return errors.Join(err, f.Sync())
}

// completeErasures adds erasures to the list that only the database has, because of a crash between the two writes.
func (s *Store) completeErasures() error {
	text, err := readErasures(s.dir)
	if err != nil {
		return err
	}
	lines, err := readListed(bytes.NewReader(text))
	if err != nil && s.log != nil { // the database is authoritative
		s.log.Warn("store: passed over in " + filepath.Join(s.dir, erasureList) + ": " + err.Error())
	}
	known := map[string]bool{}
	for _, l := range lines {
		known[l.LeadID] = true
	}
	var missing []listed
	err = s.db.View(func(txn *badgerdb.Txn) error {
		return each(txn, []byte{prefixErasure}, func(key, value []byte) error {
			e := &storev1.Erasure{}
			s.leaveOut(key, proto.Unmarshal(value, e)) // the key contains the lead
			if id := leadKey(key[1:]).String(); !known[id] {
				missing = append(missing, listed{time.Unix(0, e.GetTime()).UTC(), stageErased, id})
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return writeErasures(s.dir, missing)
}

// readErasures returns the erasure list of a data directory; nil if there is none.
func readErasures(dir string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, erasureList))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// readListed reads an erasure list. Its lines are its own, log lines (only those of the stage erased count), or lead IDs. Lines
// cut off by a crash, or zeroed by a power loss, are skipped. The error names the first invalid line; the valid ones are returned
// nevertheless.
func readListed(list io.Reader) (lines []listed, err error) {
	text, wrong := bufio.NewReader(list), 0
	refuse := func(n int, why error) {
		if wrong++; wrong == 1 {
			err = fmt.Errorf("line %d of the erasure list: %w", n, why)
		}
	}
	for n, more := 1, true; more; n++ {
		line, end := text.ReadBytes('\n')
		if end != nil && !errors.Is(end, io.EOF) {
			return lines, end
		}
		more = end == nil
		if line = bytes.Trim(line, "\x00 \t\r\n"); len(line) == 0 {
			continue
		}
		var l struct { // like listed; log collectors may format the time differently
			Time   json.RawMessage `json:"time"`
			Stage  string          `json:"stage"`
			LeadID string          `json:"lead_id"`
		}
		if at := bytes.IndexByte(line, '{'); at > 0 { // journalctl and syslog put time and host first
			line = line[at:]
		}
		if line[0] != '{' {
			l.Stage, l.LeadID = stageErased, string(line)
		} else if why := json.Unmarshal(line, &l); errors.As(why, new(*json.SyntaxError)) {
			continue // cut off
		} else if why != nil {
			refuse(n, why)
			continue
		}
		if l.Stage != stageErased {
			continue
		}
		if _, why := parseLead(l.LeadID); why != nil {
			refuse(n, why)
			continue
		}
		erased := listed{Stage: stageErased, LeadID: l.LeadID}
		_ = json.Unmarshal(l.Time, &erased.Time) // zero if unknown
		lines = append(lines, erased)
	}
	if wrong > 1 {
		err = fmt.Errorf("%w; %d further lines are no erasures either", err, wrong-1)
	}
	return lines, err
}

// How many listed leads are erased in one call.
const eraseStep = 100

// eraseListed erases leads that were erased before, according to an erasure list or to the database itself.
func (s *Store) eraseListed(ctx context.Context, lines []listed) (erased int64, err error) {
	var leads []string
	for _, l := range lines {
		leads = append(leads, l.LeadID)
	}
	if err := s.view(ctx, func(txn *badgerdb.Txn) error {
		return each(txn, []byte{prefixErasure}, func(key, _ []byte) error {
			leads = append(leads, leadKey(key[1:]).String())
			return nil
		})
	}); err != nil {
		return 0, err
	}
	for step := range slices.Chunk(leads, eraseStep) {
		erasures := make([]*store.Erasure, len(step))
		for i, leadID := range step {
			erasures[i] = &store.Erasure{LeadID: leadID, Events: []*leadgatev1.Event{{
				Time: timestamppb.New(s.now()),
				Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_ERASED, LeadId: leadID, Detail: "it was erased before the backup was restored"}},
			}}}
		}
		results, err := s.Erase(ctx, erasures...)
		if err != nil {
			return erased, err
		}
		for _, result := range results {
			switch {
			case errors.Is(result.Err, store.ErrNotFound): // accepted after the backup, or removed since
			case result.Err != nil:
				return erased, result.Err
			case !result.Already:
				erased++
			}
		}
	}
	return erased, nil
}
