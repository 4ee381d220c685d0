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
	f, err := os.OpenFile(filepath.Join(s.dir, erasureList), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	var text bytes.Buffer
	last := []byte{'\n'}
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
	}
	if last[0] != '\n' { // a line was cut off
		text.WriteByte('\n')
	}
	for _, l := range lines {
		line, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text.Write(append(line, '\n'))
	}
	_, err = f.Write(text.Bytes())
	return errors.Join(err, f.Sync())
}

// completeErasures adds to the erasure list what the database knows and it does not: a crash came between the two.
func (s *Store) completeErasures() error {
	known := map[string]bool{}
	text, err := os.ReadFile(filepath.Join(s.dir, erasureList))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := eachListed(bytes.NewReader(text), func(leadID string) error {
		known[leadID] = true
		return nil
	}); err != nil {
		return fmt.Errorf("%s: %w", erasureList, err)
	}
	var missing []listed
	err = s.db.View(func(txn *badgerdb.Txn) error {
		return each(txn, []byte{prefixErasure}, func(key, value []byte) error {
			e := &storev1.Erasure{}
			if err := proto.Unmarshal(value, e); err != nil {
				return err
			}
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

// eachListed reads an erasure list: its own lines, log lines, of which only those of the stage erased count, or identifiers of
// leads. A last line that is cut off is passed over.
func eachListed(list io.Reader, fn func(leadID string) error) error {
	lines := bufio.NewScanner(list)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		l := listed{LeadID: string(line), Stage: stageErased}
		if line[0] == '{' {
			l = listed{}
			if err := json.Unmarshal(line, &l); err != nil {
				continue // cut off
			}
		}
		if l.Stage != stageErased {
			continue
		}
		if _, err := parseLead(l.LeadID); err != nil {
			return fmt.Errorf("line %d of the erasure list: %w", n, err)
		}
		if err := fn(l.LeadID); err != nil {
			return err
		}
	}
	return lines.Err()
}

// eraseListed erases the leads of an erasure list, or of the one in the directory if it is nil.
func (s *Store) eraseListed(ctx context.Context, list io.Reader) (erased int64, err error) {
	if list == nil {
		text, err := os.ReadFile(filepath.Join(s.dir, erasureList))
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		list = bytes.NewReader(text)
	}
	err = eachListed(list, func(leadID string) error {
		results, err := s.Erase(ctx, &store.Erasure{LeadID: leadID, Events: []*leadgatev1.Event{{
			Time: timestamppb.New(s.now()),
			Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_ERASED, LeadId: leadID, Detail: "it was erased before the backup was restored"}},
		}}})
		switch {
		case err != nil:
			return err
		case errors.Is(results[0].Err, store.ErrNotFound): // accepted after the backup
			return nil
		case results[0].Err != nil:
			return results[0].Err
		case !results[0].Already:
			erased++
		}
		return nil
	})
	return erased, err
}
