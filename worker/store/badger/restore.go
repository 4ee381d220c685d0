package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
)

// RestoredReason is the prefix of the reason of a delivery that is held because it was restored.
const RestoredReason = "RESTORED"

const restoredDetail = RestoredReason + ": it was unfinished when the backup was made, and may have been delivered since; retry it once that is clear"

// notRestored are the namespaces of State that concern what was running when the backup was made.
var notRestored = []string{"operations"}

// Restored is the result of Restore.
type Restored struct {
	// Time is when the last of the backups was made.
	Time time.Time
	// Leads and Deliveries are the numbers restored.
	Leads, Deliveries int64
	// Held is how many unfinished deliveries were held.
	Held int64
	// Listed is how many leads the erasure list names; Erased is how many of them were in the backups.
	Listed int64
	Erased int64
	// LeftOut names records that are missing because they could not be read; they were backed up in that state.
	LeftOut []string
}

// Restore makes a store in a data directory that has none, from a full backup and the incremental ones that follow it, in order.
// Everything is verified; on error nothing is left behind. The result is a new store: events and backups of the old one do not
// continue in it. Unfinished deliveries become HELD. Before the store is put in place, it erases the leads in the given erasure
// list and in the one already in the directory, to which it adds the former.
func Restore(ctx context.Context, o Options, backups []io.Reader, erasures io.Reader, progress func(entries int64)) (_ Restored, err error) {
	o.setDefaults()
	unmake, err := makeDir(o.Dir)
	if err != nil {
		return Restored{}, err
	}
	defer func() {
		if err != nil {
			unmake()
		}
	}()
	unlock, err := lockDir(o.Dir)
	if err != nil {
		return Restored{}, explainOpen(o.Dir, err)
	}
	r := newRestoration(o)
	r.progress = progress
	given, err := r.readErased(o.Dir, erasures)
	if err == nil {
		err = r.run(ctx, backups)
	}
	if err == nil { // another backup, restored with the new directory's list, may contain leads that this one lacks
		err = writeErasures(o.Dir, given)
	}
	return r.restored, errors.Join(err, unlock())
}

// readErased reads which leads to erase: those in the data directory's list, and those given in addition, which it returns.
func (r *restoration) readErased(dir string, erasures io.Reader) (given []listed, err error) {
	text, err := readErasures(dir)
	if err != nil {
		return nil, err
	}
	if r.erased, err = readListed(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, erasureList), err)
	}
	known := map[string]bool{}
	for _, l := range r.erased {
		known[l.LeadID] = true
	}
	if erasures != nil {
		lines, err := readListed(erasures)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if !known[l.LeadID] {
				if l.Time.IsZero() {
					l.Time = r.o.Now().UTC()
				}
				known[l.LeadID], given = true, append(given, l)
			}
		}
	}
	r.erased = append(r.erased, given...)
	r.restored.Listed = int64(len(known))
	return given, nil
}

// makeDir creates a data directory and its missing parents. Unmake removes those again, unless they contain something.
func makeDir(dir string) (unmake func(), err error) {
	var missing []string // innermost first
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append(missing, d)
	}
	unmake = func() {
		for _, d := range missing {
			_ = os.Remove(d)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		unmake()
		return nil, fmt.Errorf("data directory %s cannot be made: %w", dir, cause(err))
	}
	return unmake, nil
}

// restoration is a Restore in progress.
type restoration struct {
	o         Options // of the directory in which the database is built
	place     string  // its final place
	db        *badgerdb.DB
	space     space // on the target disk
	unchecked int   // bytes written since the disk was last checked
	progress  func(int64)
	header    *storev1.BackupHeader // of the last backup read
	entries   int64
	states    map[string]bool // keys of State read so far
	erased    []listed        // leads to erase
	restored  Restored
	salvaging bool // restoring from the remains of a damaged store
}

func newRestoration(o Options) *restoration {
	r := &restoration{o: o, place: filepath.Join(o.Dir, databaseDir), states: map[string]bool{}}
	r.o.Dir, r.o.Ballast = filepath.Join(o.Dir, compactedDir), false
	r.space = space{dir: o.Dir, min: o.MinFree, free: o.Free}
	return r
}

// How many bytes are written between checks of the disk.
const unlooked = 4 << 20

// wrote counts written bytes, and fails when the disk is nearly full: a full one would kill the process.
func (r *restoration) wrote(bytes int) error {
	if r.unchecked += bytes; r.unchecked < unlooked {
		return nil
	}
	r.unchecked = 0
	return r.space.check()
}

func (r *restoration) run(ctx context.Context, backups []io.Reader) error {
	return r.build(ctx, func() error {
		for i, backup := range backups {
			if err := r.read(ctx, backup); err != nil {
				name := fmt.Sprintf("backup %d of %d", i+1, len(backups))
				if file, ok := backup.(interface{ Name() string }); ok {
					name = file.Name()
				}
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return r.rebuild(ctx)
	})
}

func (r *restoration) open() error {
	db, err := openDatabase(r.o, filepath.Join(r.o.Dir, databaseDir))
	if err == nil {
		r.db = db // otherwise the old one, which is closed, would be closed again
	}
	return err
}

// build calls fill, erases listed leads, and moves the database to its final place if everything succeeded.
func (r *restoration) build(ctx context.Context, fill func() error) error {
	dir := filepath.Dir(r.place)
	if _, err := os.Stat(r.place); err == nil {
		return fmt.Errorf("data directory %s has a store already: restore into an empty one, with --data-dir", dir)
	}
	if err := os.RemoveAll(r.o.Dir); err != nil {
		return err
	}
	if err := r.wrote(unlooked); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return explainOpen(dir, err)
	}
	err := errors.Join(fill(), r.db.Close())
	if err == nil {
		err = r.erase(ctx)
	}
	if err == nil {
		giveTo(dir, r.o.Dir)
		err = os.Rename(filepath.Join(r.o.Dir, databaseDir), r.place)
	}
	if err = errors.Join(err, os.RemoveAll(r.o.Dir)); err != nil {
		return err
	}
	return syncDir(dir)
}

// erase opens the new store and erases the listed leads. They are added to the directory's erasure list when the store is opened
// there.
func (r *restoration) erase(ctx context.Context) error {
	s, err := Open(r.o)
	if err != nil {
		return err
	}
	r.restored.Erased, err = s.eraseListed(ctx, r.erased)
	return errors.Join(err, s.Close())
}

// read writes the entries of one backup.
func (r *restoration) read(ctx context.Context, backup io.Reader) error {
	batch := r.db.NewWriteBatch()
	defer batch.Cancel()
	for key := range r.states { // each backup contains them all
		if err := batch.Delete([]byte(key)); err != nil {
			return err
		}
	}
	clear(r.states)
	err := readBackup(backup, r.follows, func(e *storev1.BackupEntries_Entry) error {
		r.entries++
		if r.entries%1000 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if r.progress != nil {
				r.progress(r.entries)
			}
		}
		if err := r.wrote(len(e.GetKey()) + len(e.GetValue())); err != nil {
			return err
		}
		if len(e.GetKey()) == 0 || !strings.ContainsRune(backedUp, rune(e.GetKey()[0])) {
			return fmt.Errorf("a key %q that no backup has", e.GetKey())
		}
		if e.GetDeleted() {
			return batch.Delete(e.GetKey())
		}
		if e.GetKey()[0] == prefixState {
			if namespace, _, _ := strings.Cut(string(e.GetKey()[1:]), "\x00"); slices.Contains(notRestored, namespace) {
				return nil
			}
			r.states[string(e.GetKey())] = true
		}
		return batch.Set(e.GetKey(), e.GetValue())
	})
	if err != nil {
		return err
	}
	return batch.Flush()
}

// follows checks that a backup continues the ones read before.
func (r *restoration) follows(h *storev1.BackupHeader) error {
	switch before := r.header; {
	case h.GetFormat() > formatNumber:
		return fmt.Errorf("it has format %d, this leadgate knows formats up to %d: use the newer leadgate that wrote it", h.GetFormat(), formatNumber)
	case h.GetFormat() < formatNumber:
		return fmt.Errorf("it has format %d, which this leadgate cannot read: use the older leadgate that wrote it", h.GetFormat())
	case before == nil && h.GetSince() != 0:
		return errors.New("it adds to another backup: name the whole one first, then those that add to it, oldest first")
	case before != nil && h.GetSince() == 0:
		return errors.New("it is a whole backup: name it alone, or first")
	case before != nil && (h.GetStoreId() != before.GetStoreId() || h.GetSince() != before.GetVersion()):
		return errors.New("it does not add to the one before it: name them in the order in which they were made, without a gap")
	}
	r.header = h
	r.restored.Time = time.Unix(0, h.GetTime())
	return nil
}
