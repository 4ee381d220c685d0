package badger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/ristretto/v2/z"
)

// Names in a data directory.
const (
	databaseDir  = "badger"
	compactedDir = "badger.compacted" // being written by Compact; a data directory being made by Restore and Salvage
	replacedDir  = "badger.replaced"  // what Compact has replaced, until it is removed
)

// Compacted is the result of Compact.
type Compacted struct {
	// Before and After are the sizes on disk in bytes.
	Before, After int64
	// Keys is the number of keys.
	Keys int64
}

// Compact rewrites the database in a data directory with only the latest version of everything, so that no file contains erased
// or deleted data any longer. No store may have the directory open. Meanwhile the disk holds both copies; a crash at any moment
// leaves one of them intact. Progress, if not nil, receives the bytes written and the approximate total. Compact verifies
// everything first and changes nothing in a damaged store, where it would lose what follows the damage.
func Compact(o Options, progress func(written, about int64)) (Compacted, error) {
	o.setDefaults()
	unlock, err := lockDir(o.Dir)
	if err != nil {
		return Compacted{}, explainOpen(o.Dir, err)
	}
	result, err := compact(o, progress)
	return result, errors.Join(err, unlock())
}

func compact(o Options, progress func(written, about int64)) (result Compacted, err error) {
	if err := finishCompaction(o.Dir); err != nil {
		return Compacted{}, err
	}
	from, to := filepath.Join(o.Dir, databaseDir), filepath.Join(o.Dir, compactedDir)
	if _, err := os.Stat(from); err != nil {
		return Compacted{}, fmt.Errorf("%s is no data directory of leadgate: %w", o.Dir, cause(err))
	}
	asItIs, err := readable(o, from)
	if err != nil {
		return Compacted{}, explainOpen(o.Dir, err)
	}
	if err := checkFiles(asItIs); err != nil {
		return Compacted{}, err
	}
	source, err := openDatabase(asItIs, from)
	if err != nil {
		return Compacted{}, explainOpen(o.Dir, err)
	}
	if result.Before, err = sizeOf(from); err == nil {
		err = roomFor(o, result.Before)
	}
	if err == nil {
		result.Keys, err = rewrite(o, source, to, result.Before, progress)
	}
	if err = errors.Join(err, source.Close()); err != nil {
		return Compacted{}, errors.Join(fmt.Errorf("data directory %s: %w", o.Dir, err), os.RemoveAll(to))
	}
	giveTo(o.Dir, to)
	if err := os.Rename(from, filepath.Join(o.Dir, replacedDir)); err != nil {
		return Compacted{}, err
	}
	if err := errors.Join(os.Rename(to, from), syncDir(o.Dir)); err != nil {
		return Compacted{}, err
	}
	if err := finishCompaction(o.Dir); err != nil {
		return Compacted{}, err
	}
	result.After, err = sizeOf(from)
	return result, err
}

// checkFiles refuses a damaged database, because Badger's iterators silently end at an unreadable block.
func checkFiles(o Options) error {
	found, err := walkFiles(o, nil)
	if err != nil || len(found.Damages) == 0 {
		return err
	}
	return fmt.Errorf("%s is damaged: %s; save what can be read with leadgate doctor --data-dir %s --salvage NEW_DIR", found.Damages[0].File, found.Damages[0].What, o.Dir)
}

// roomFor fails if the disk has no room for a copy.
func roomFor(o Options, bytes int64) error {
	free, err := o.Free(o.Dir)
	if err != nil {
		return err
	}
	if need := uint64(bytes) + o.MinFree; free < need {
		return fmt.Errorf("the disk has %d MiB left, and compacting needs %d MiB for a while; free some space first", free>>20, need>>20)
	}
	return nil
}

// rewrite writes the latest version of every key into a new database.
func rewrite(o Options, source *badgerdb.DB, to string, about int64, progress func(written, about int64)) (keys int64, err error) {
	if err := os.RemoveAll(to); err != nil {
		return 0, err
	}
	target, err := openDatabase(o, to)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	writer := target.NewStreamWriter()
	if err := writer.Prepare(); err != nil {
		return 0, err
	}
	var written int64
	stream := source.NewStream()
	stream.NumGo = 2
	stream.Send = func(buf *z.Buffer) error {
		written += int64(buf.LenNoPadding())
		err := buf.SliceIterate(func([]byte) error {
			keys++
			return nil
		})
		if err != nil {
			return err
		}
		if progress != nil {
			progress(written, max(written, about))
		}
		return writer.Write(buf)
	}
	if err := stream.Orchestrate(context.Background()); err != nil {
		writer.Cancel()
		return 0, err
	}
	if err := writer.Flush(); err != nil {
		return 0, err
	}
	for _, db := range []*badgerdb.DB{source, target} {
		if n, err := countKeys(db); err != nil || n != keys {
			return 0, errors.Join(err, fmt.Errorf("%d of %d keys were copied; it stays as it was", min(n, keys), max(n, keys)))
		}
	}
	return keys, nil
}

func countKeys(db *badgerdb.DB) (n int64, err error) {
	err = db.View(func(txn *badgerdb.Txn) error {
		it := txn.NewIterator(badgerdb.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			n++
		}
		return nil
	})
	return n, err
}

// finishCompaction cleans up after an interrupted Compact. It removes the unfinished copy, and restores the original unless its
// replacement is in place.
func finishCompaction(dir string) error {
	database, replaced := filepath.Join(dir, databaseDir), filepath.Join(dir, replacedDir)
	_, errDatabase := os.Stat(database)
	_, errReplaced := os.Stat(replaced)
	if errors.Is(errDatabase, fs.ErrNotExist) && errReplaced == nil {
		if err := os.Rename(replaced, database); err != nil {
			return err
		}
		errDatabase = nil
	}
	for _, name := range []string{compactedDir, replacedDir} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if errDatabase != nil {
		return nil // there is nothing yet
	}
	return syncDir(dir)
}

// sizeOf returns how many bytes the files of a directory occupy on disk. Badger's files are sparse.
func sizeOf(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		size += bytesOnDisk(info)
		return nil
	})
	return size, err
}
