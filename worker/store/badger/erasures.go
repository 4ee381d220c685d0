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

// erasureList is the file beside the database that names the leads that were erased, one JSON object a line. A backup knows
// the erasures before it; this file, kept elsewhere, knows those after it. It has no personal data.
const erasureList = "erasures.ndjson"

// listed is a line of the erasure list. Log lines of the stage erased have the same names, so that they will do as well.
type listed struct {
	Time   time.Time `json:"time"`
	Stage  string    `json:"stage"`
	LeadID string    `json:"lead_id"`
}

const stageErased = "erased"

// writeErasures adds to the erasure list.
func (s *Store) writeErasures(lines []listed) error {
	var text bytes.Buffer
	for _, l := range lines {
		line, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	return appendErasures(s.dir, text.Bytes())
}

// appendErasures adds lines to the erasure list of a data directory.
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
	return errors.Join(err, f.Sync())
}

// completeErasures adds to the erasure list what the database knows and it does not: a crash came between the two.
func (s *Store) completeErasures() error {
	text, err := readErasures(s.dir)
	if err != nil {
		return err
	}
	leads, err := readListed(bytes.NewReader(text))
	if err != nil && s.log != nil { // the database knows better
		s.log.Warn("store: passed over in " + filepath.Join(s.dir, erasureList) + ": " + err.Error())
	}
	known := map[string]bool{}
	for _, leadID := range leads {
		known[leadID] = true
	}
	var missing []listed
	err = s.db.View(func(txn *badgerdb.Txn) error {
		return each(txn, []byte{prefixErasure}, func(key, value []byte) error {
			e := &storev1.Erasure{}
			s.leaveOut(key, proto.Unmarshal(value, e)) // the key says which lead
			if id := leadKey(key[1:]).String(); !known[id] {
				missing = append(missing, listed{time.Unix(0, e.GetTime()).UTC(), stageErased, id})
			}
			return nil
		})
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	return s.writeErasures(missing)
}

// readErasures reads the erasure list of a data directory; nothing if there is none.
func readErasures(dir string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, erasureList))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// readListed reads an erasure list: its own lines, log lines, of which only those of the stage erased count, or identifiers of
// leads. A line that was cut off, by a crash or with zeros by the loss of power, is passed over. The error names lines that
// are none of these; the leads are those of all others.
func readListed(list io.Reader) (leads []string, err error) {
	lines := bufio.NewReader(list)
	for n, more := 1, true; more; n++ {
		line, end := lines.ReadBytes('\n')
		if end != nil && !errors.Is(end, io.EOF) {
			return leads, end
		}
		more = end == nil
		if line = bytes.Trim(line, "\x00 \t\r\n"); len(line) == 0 {
			continue
		}
		var l struct { // of listed, without the time: who collects logs may write it otherwise
			Stage  string `json:"stage"`
			LeadID string `json:"lead_id"`
		}
		if line[0] != '{' {
			l.Stage, l.LeadID = stageErased, string(line)
		} else if wrong := json.Unmarshal(line, &l); errors.As(wrong, new(*json.SyntaxError)) {
			continue // cut off
		} else if wrong != nil {
			err = errors.Join(err, fmt.Errorf("line %d of the erasure list: %w", n, wrong))
			continue
		}
		if l.Stage != stageErased {
			continue
		}
		if _, wrong := parseLead(l.LeadID); wrong != nil {
			err = errors.Join(err, fmt.Errorf("line %d of the erasure list: %w", n, wrong))
			continue
		}
		leads = append(leads, l.LeadID)
	}
	return leads, err
}

// How many listed leads are erased in one step.
const eraseStep = 100

// eraseListed erases leads that were erased before, as an erasure list says or the database itself.
func (s *Store) eraseListed(ctx context.Context, leads []string) (erased int64, err error) {
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
