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

// RestoredReason begins the reason of a delivery that is held because it was restored.
const RestoredReason = "RESTORED"

const restoredDetail = RestoredReason + ": it was unfinished when the backup was made, and may have been delivered since; retry it once that is clear"

// notRestored are the namespaces of State that belong to what was under way when the backup was made.
var notRestored = []string{"operations"}

// Restored says what Restore did.
type Restored struct {
	// Time is when the last of the backups was made.
	Time time.Time
	// Leads and Deliveries are how many there are now.
	Leads, Deliveries int64
	// Held are the deliveries that were unfinished.
	Held int64
	// Listed are the leads that the erasure list names, Erased those of them that were in the backups.
	Listed int64
	Erased int64
	// LeftOut names what could not be read, though it was backed up as it was, and is not there.
	LeftOut []string
}

// Restore makes the store in a data directory that has none from a whole backup and those that add to it, in their order.
// Everything is verified first to last; on error nothing is left behind. The new store is another one: events and backups of
// the old one do not go on in it. Deliveries that were unfinished are HELD. Leads that the erasure list names are erased before
// the store is in place: a list that is given, and one that lies in the directory, to which the former is added.
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
	if err == nil { // another backup, which is restored by the list of the new directory, may have leads that this one has not
		err = writeErasures(o.Dir, given)
	}
	return r.restored, errors.Join(err, unlock())
}

// readErased reads what is to be erased: what the list in the data directory names, and what is given beside that.
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

// makeDir makes a data directory, with those above it that are missing. Unmake removes those again, unless something is in them.
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

// restoration is a Restore under way.
type restoration struct {
	o         Options // of the directory in which it is made
	place     string  // where the database goes then
	db        *badgerdb.DB
	space     space // on its disk
	unchecked int   // bytes written since that was looked at
	progress  func(int64)
	header    *storev1.BackupHeader // of the backup read last
	entries   int64
	states    map[string]bool // the keys of State that were read so far
	erased    []listed        // leads that are to be erased
	restored  Restored
	salvaging bool // from what is left of a damaged store
}

func newRestoration(o Options) *restoration {
	r := &restoration{o: o, place: filepath.Join(o.Dir, databaseDir), states: map[string]bool{}}
	r.o.Dir, r.o.Ballast = filepath.Join(o.Dir, compactedDir), false
	r.space = space{dir: o.Dir, min: o.MinFree, free: o.Free}
	return r
}

// How many bytes may be written before the disk is looked at again.
const unlooked = 4 << 20

// wrote counts what is written, and fails when the disk runs low: a full one would kill the process.
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
		r.db = db // else the one before, which is closed, is closed once more
	}
	return err
}

// build has a database filled, erases what is to be erased, and puts it in its place if all that went well.
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

// erase opens the store that was built and erases what is to be erased. That is added to the erasure list of the directory when
// the store is opened there.
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
	for key := range r.states { // each backup has all that there are
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

// follows checks that a backup adds to what was read.
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
