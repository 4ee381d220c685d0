package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	badgerdb "github.com/dgraph-io/badger/v4"
	badgeropt "github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
)

// Damage is something wrong with a file, or with a record in a file of the database.
type Damage struct {
	File, What string
}

// Examined is the result of Examine.
type Examined struct {
	Tables, Logs int
	Damages      []Damage
}

// Examine reads every file of a data directory and every record in them, and returns what is damaged. It changes nothing. No
// store may have the directory open.
func Examine(o Options) (Examined, error) {
	o.setDefaults()
	if _, err := os.Stat(filepath.Join(o.Dir, databaseDir)); err != nil {
		return Examined{}, fmt.Errorf("%s is no data directory of leadgate: %w", o.Dir, cause(err))
	}
	unlock, err := lockDir(o.Dir)
	if err != nil {
		return Examined{}, explainOpen(o.Dir, err)
	}
	found, err := examine(o)
	return found, errors.Join(err, unlock())
}

func examine(o Options) (Examined, error) {
	unreadable := map[string]uint64{} // versions of records, by key
	found, err := walkFiles(o, func(kv *pb.KV) error {
		if key := string(kv.GetKey()); kv.GetMeta()[0]&metaDelete == 0 && check(kv.GetKey(), kv.GetValue()) != nil {
			unreadable[key] = max(unreadable[key], kv.GetVersion())
		}
		return nil
	})
	if err != nil || len(unreadable) == 0 {
		return found, err
	}
	if _, err := walkFiles(o, func(kv *pb.KV) error {
		if version, ok := unreadable[string(kv.GetKey())]; ok && kv.GetVersion() > version { // it has been replaced or removed since
			delete(unreadable, string(kv.GetKey()))
		}
		return nil
	}); err != nil {
		return found, err
	}
	for _, key := range slices.Sorted(maps.Keys(unreadable)) {
		found.Damages = append(found.Damages, Damage{filepath.Join(o.Dir, databaseDir), nameOf([]byte(key)) + " cannot be read"})
	}
	return found, nil
}

// Salvage makes a new store in an empty directory from what can be read of a damaged one, which it does not change. As after
// Restore, unfinished deliveries are held, because their outcome is uncertain, and leads in the damaged store's erasure list are
// erased.
func Salvage(ctx context.Context, o Options, to Options) (_ Examined, _ Restored, err error) {
	o.setDefaults()
	to.setDefaults()
	unmake, err := makeDir(to.Dir)
	if err != nil {
		return Examined{}, Restored{}, err
	}
	var unlocks []func() error
	defer func() {
		for _, unlock := range unlocks {
			_ = unlock()
		}
		if err != nil {
			unmake()
		}
	}()
	for _, dir := range []string{o.Dir, to.Dir} {
		unlock, err := lockDir(dir)
		if err != nil {
			return Examined{}, Restored{}, explainOpen(dir, err)
		}
		unlocks = append(unlocks, unlock)
	}
	list, err := readErasures(o.Dir)
	if err != nil {
		return Examined{}, Restored{}, err
	}
	r := newRestoration(to)
	r.salvaging = true
	var wrong error
	r.erased, wrong = readListed(bytes.NewReader(list)) // older versions of damaged leads may be left
	var found Examined
	err = r.build(ctx, func() (err error) {
		loader := r.db.NewKVLoader(16)
		if found, err = walkFiles(o, func(kv *pb.KV) error {
			return errors.Join(r.wrote(len(kv.GetKey())+len(kv.GetValue())), loader.Set(kv))
		}); err != nil {
			return err
		}
		if wrong != nil {
			found.Damages = append(found.Damages, Damage{filepath.Join(o.Dir, erasureList), wrong.Error()})
		}
		if err := loader.Finish(); err != nil {
			return err
		}
		if err := errors.Join(r.db.Close(), r.open()); err != nil { // reopened to continue after the newest version
			return err
		}
		return r.rebuild(ctx)
	})
	if err == nil && len(r.erased) > 0 { // backups may still contain leads that the new store lacks
		err = appendErasures(to.Dir, list)
	}
	return found, r.restored, err
}

// walkFiles reads all files. If fn is not nil, it is called with every version of every entry that backups include.
func walkFiles(o Options, fn func(*pb.KV) error) (found Examined, err error) {
	keep := func(key []byte, version uint64, value []byte, meta byte) error {
		if fn == nil || len(key) == 0 || !slices.Contains([]byte(backedUp), key[0]) || string(key[:min(len(key), 8)]) == "!badger!" {
			return nil
		}
		return fn(&pb.KV{Key: slices.Clone(key), Value: slices.Clone(value), Version: version, Meta: []byte{meta & metaDelete}})
	}
	dir := filepath.Join(o.Dir, databaseDir)
	listed, damage := checkManifest(o, dir)
	if damage != "" {
		found.Damages = append(found.Damages, Damage{filepath.Join(dir, badgerdb.ManifestFilename), damage})
	}
	keys, err := newDecryption(o, dir, listed)
	if err != nil {
		return found, explainOpen(o.Dir, err)
	}
	defer keys.close()
	logs, err := logsOf(dir)
	if err != nil {
		return found, err
	}
	var w walked
	for i, path := range logs {
		found.Logs++
		w, err = walkLog(path, w.committed, keys, func(e logEntry) error {
			if e.meta&metaFinal > 0 {
				return nil
			}
			return keep(e.key, e.version, e.value, e.meta)
		})
		switch {
		case err != nil:
			return found, err
		case w.unreadable != nil:
			found.Damages = append(found.Damages, Damage{path, w.unreadable.Error()})
		case w.damagedAt > 0 && (!w.torn || i < len(logs)-1):
			found.Damages = append(found.Damages, Damage{path, fmt.Sprintf("damaged at byte %d; %d entries stand behind", w.damagedAt, w.behind)})
		}
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return found, err
	}
	for _, path := range tables {
		found.Tables++
		content, err := os.ReadFile(path)
		var damage string
		if err != nil {
			damage = cause(err).Error()
		} else if damage, err = walkTable(path, content, keys, keep); err != nil {
			return found, err
		}
		id, _ := table.ParseFileID(path)
		if _, ok := listed[id]; damage != "" && (ok || listed == nil) { // an unlisted table was still being written
			found.Damages = append(found.Damages, Damage{path, damage})
		}
	}
	return found, nil
}

// checkManifest returns the listed tables, nil if the list is unreadable, and what is wrong with it; empty if nothing is.
func checkManifest(o Options, dir string) (listed map[uint64]badgerdb.TableManifest, damage string) {
	f, err := os.Open(filepath.Join(dir, badgerdb.ManifestFilename))
	if err != nil {
		return nil, cause(err).Error()
	}
	defer f.Close()
	manifest, _, err := badgerdb.ReplayManifestFile(f, 0, tuned(o))
	if err != nil {
		return nil, err.Error()
	}
	for id := range manifest.Tables {
		if _, err := os.Stat(table.NewFilename(id, dir)); err != nil {
			return manifest.Tables, fmt.Sprintf("table %06d.sst is missing", id)
		}
	}
	return manifest.Tables, ""
}

// walkTable reads a table's content block by block and returns what is damaged; empty if nothing is. It tries each compression,
// because a table does not record its own. The content is a copy: Badger truncates tables that it no longer needs, and reading a
// mapped one would fail with SIGBUS.
func walkTable(path string, content []byte, keys decryption, fn func(key []byte, version uint64, value []byte, meta byte) error) (damage string, err error) {
	id, _ := table.ParseFileID(path)
	for _, compression := range []badgeropt.CompressionType{badgeropt.Snappy, badgeropt.None} {
		options := table.Options{ReadOnly: true, Compression: compression, ChkMode: badgeropt.OnBlockRead, BlockSize: 4 << 10}
		for _, way := range keys.ofTable(id, options) {
			var read int
			read, damage, err = walkTableAs(id, content, way, fn)
			if err != nil || read > 0 && damage == "" || read > 0 && compression == badgeropt.Snappy {
				return damage, err
			}
		}
	}
	return damage, err
}

func walkTableAs(id uint64, content []byte, options table.Options, fn func(key []byte, version uint64, value []byte, meta byte) error) (read int, damage string, err error) {
	defer func() { // Badger panics on what it cannot decode
		if fault := recover(); fault != nil {
			damage = fmt.Sprintf("it cannot be read: %v", fault)
		}
	}()
	t, err := table.OpenInMemoryTable(content, id, &options)
	if err != nil {
		return 0, err.Error(), nil
	}
	blocks := t.KeySplits(math.MaxInt32, nil)
	it := t.NewIterator(0)
	defer func() { _ = it.Close() }()
	lost := 0
	visit := func(until []byte) error {
		for ; it.Valid() && (until == nil || y.CompareKeys(it.Key(), until) < 0); it.Next() {
			value := it.Value()
			read++
			if err := fn(y.ParseKey(it.Key()), y.ParseTs(it.Key()), value.Value, value.Meta); err != nil {
				return err
			}
		}
		return nil
	}
	for i, first := range blocks {
		var until []byte
		if i+1 < len(blocks) {
			until = []byte(blocks[i+1])
		}
		if it.Seek([]byte(first)); !it.Valid() {
			lost++
			continue
		}
		if err := visit(until); err != nil {
			return read, "", err
		}
	}
	switch {
	case lost > 0:
		damage = fmt.Sprintf("%d of about %d blocks cannot be read", lost, len(blocks))
	case uint32(read) < t.KeyCount():
		damage = fmt.Sprintf("%d of %d entries can be read", read, t.KeyCount())
	}
	return read, damage, nil
}
