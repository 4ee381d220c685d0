// Package badger implements leadgate's store with an embedded Badger database: one directory, one process, no other service.
//
// All writes go through one goroutine, which merges waiting calls into one transaction and one disk sync (writer.go), and stages
// the next batch while the previous one is being written (pipeline.go). keys.go has the table of everything on disk.
package badger

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Options configure a store.
type Options struct {
	// Dir is the data directory, which is created if missing.
	Dir string
	// Now returns the current time; time.Now if nil.
	Now func() time.Time
	// Publish is called with written events, in commit order, once they are durable. It runs on the writer's goroutine, so it
	// must not block. Optional.
	Publish func([]*leadgatev1.Event)
	// Committed is called after each commit with the number of calls merged into it and its duration, disk sync included. Like
	// Publish, it must not block. Optional.
	Committed func(calls int, took time.Duration)
	// Logger receives what the store reports, and Badger's warnings and errors. Optional.
	Logger *slog.Logger
	// MinFree is how many bytes must be free on the disk for leads to be accepted. Below four fifths of it, nothing is written,
	// because Badger writes through mapped memory, and a full disk would kill the process. The default is 500 MiB: the largest
	// merge of tables, plus a quarter.
	MinFree uint64
	// Free returns how many bytes are free on the disk that holds dir; by default it asks the operating system.
	Free func(dir string) (uint64, error)
	// Ballast keeps a file of a quarter of MinFree, which is given up if leadgate has to start on a full disk.
	Ballast bool
	// QueueLength is how many calls may wait for the writer; 8192 if 0. Any more fail with ErrUnavailable.
	QueueLength int
	// SweepInterval is how often expired entries are removed; 1 minute if 0. They are invisible from their expiry on.
	SweepInterval time.Duration
	// EncryptionKey encrypts the database; see the function of the same name. Nil means no encryption.
	EncryptionKey []byte
	// PreviousKey is a key that the directory may still be encrypted with. Open then changes it to EncryptionKey.
	PreviousKey []byte
	// Uncompressed turns compression off, so that tests can search the files.
	Uncompressed bool
	// LargestLead is the size in bytes of the largest submission that is accepted; 64 KiB if 0. What is stored may be a few times
	// as large.
	LargestLead int
}

const (
	defaultMinFree       = merging / 4 * 5
	defaultQueueLength   = 8192
	defaultSweepInterval = time.Minute
	defaultLargestLead   = 64 << 10
	// How often free space is checked between commits, so that intake resumes without one.
	spaceInterval = time.Second
)

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Publish == nil {
		o.Publish = func([]*leadgatev1.Event) {}
	}
	if o.Committed == nil {
		o.Committed = func(int, time.Duration) {}
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if o.Free == nil {
		o.Free = freeBytes
	}
	if o.QueueLength == 0 {
		o.QueueLength = defaultQueueLength
	}
	if o.SweepInterval == 0 {
		o.SweepInterval = defaultSweepInterval
	}
	if o.LargestLead == 0 {
		o.LargestLead = defaultLargestLead
	}
}

// Store implements store.Store.
type Store struct {
	db      *badgerdb.DB
	now     func() time.Time
	publish func([]*leadgatev1.Event)
	told    func(calls int, took time.Duration)
	dir     string
	log     *slog.Logger // nil drops it
	options Options
	id      string
	hashKey []byte
	hasher  *store.Hasher // keyed with hashKey
	seed    maphash.Seed
	space   space

	writes  chan *write
	closing chan struct{} // closed by Close
	written chan struct{} // closed when the writer has ended
	stopped sync.WaitGroup
	closed  atomic.Bool
	close   func() error          // runs shut once
	unlock  func() error          // releases the directory
	reading sync.RWMutex          // read locked while reading, locked to close the database
	failed  atomic.Pointer[error] // why writes have ended: a commit failed, or a table is damaged

	leftOut sync.Map // keys of unreadable records that were reported

	last   last  // only the writer touches it
	behind marks // only the writer touches it

	lanesMu sync.Mutex
	lanes   map[string]*lane

	tokens atomic.Uint64 // of claims

	countsMu sync.Mutex
	counts   map[string]map[countKey]int64 // by destination; "" holds those of leads
}

var _ store.Store = (*Store)(nil)

var errClosing = fmt.Errorf("%w: it is closing", store.ErrUnavailable)

// Open opens the store in a directory and creates it if there is none. Its errors say what to do: the directory is not writable,
// another process uses it, its format is unknown, or the disk is nearly full.
func Open(o Options) (*Store, error) {
	o.setDefaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %s cannot be made: %w; choose another with --data-dir or data_dir: in the configuration", o.Dir, cause(err))
	}
	s := &Store{
		options: o,
		now:     o.Now, publish: o.Publish, told: o.Committed, dir: o.Dir, log: o.Logger,
		space:  space{dir: o.Dir, min: o.MinFree, free: o.Free, ballast: o.Ballast},
		writes: make(chan *write, o.QueueLength), closing: make(chan struct{}), written: make(chan struct{}),
		behind: marks{}, lanes: map[string]*lane{},
		counts: map[string]map[countKey]int64{}, seed: maphash.MakeSeed(),
	}
	s.close = sync.OnceValue(s.shut)
	var err error
	if s.unlock, err = lockDir(o.Dir); err != nil {
		return nil, explainOpen(o.Dir, err)
	}
	if err := s.open(o); err != nil {
		return nil, errors.Join(err, s.unlock())
	}
	s.stopped.Go(s.writer)
	s.stopped.Go(s.verifier)
	s.stopped.Go(func() { s.sweeper(o.SweepInterval) })
	return s, nil
}

// open opens the database. If loading fails, it closes it again.
func (s *Store) open(o Options) error {
	if err := s.space.makeRoom(); err != nil {
		return fmt.Errorf("data directory %s: %w: %w; free some space first", o.Dir, store.ErrUnavailable, err)
	}
	err := finishCompaction(o.Dir)
	if err == nil {
		err = rotate(o)
	}
	if err == nil {
		s.db, err = openDatabase(o, filepath.Join(o.Dir, databaseDir))
	}
	if err != nil {
		return explainOpen(o.Dir, err)
	}
	if err := s.load(); err != nil {
		if errors.Is(err, proto.Error) {
			err = fmt.Errorf("%w; see leadgate doctor --data-dir %s", err, o.Dir)
		}
		return errors.Join(fmt.Errorf("data directory %s: %w", o.Dir, err), s.db.Close())
	}
	s.space.loadBallast()
	_ = s.space.check() // remembered
	return nil
}

// load reads what must be in memory, recovers deliveries that were in flight, and writes the meta record of a new store.
func (s *Store) load() error {
	meta, err := s.loadMeta()
	if err != nil {
		return err
	}
	s.id, s.hashKey = meta.GetStoreId(), meta.GetHashKey()
	s.hasher = store.NewHasher(s.hashKey)
	var seed [8]byte
	_, _ = rand.Read(seed[:6]) // never fails; a random start keeps tokens of an earlier run from being taken for ours
	for _, b := range seed[:6] {
		s.tokens.Store(s.tokens.Load()<<8 | uint64(b))
	}
	if err := s.loadLast(); err != nil {
		return err
	}
	if err := s.loadCounts(); err != nil {
		return err
	}
	if err := s.completeErasures(); err != nil {
		return err
	}
	if err := s.catchUp(); err != nil {
		return fmt.Errorf("follow a clock that was set back: %w", err)
	}
	if err := s.recover(); err != nil {
		return fmt.Errorf("recover what was in flight: %w", err)
	}
	return nil
}

func (s *Store) loadMeta() (*storev1.Meta, error) {
	meta := &storev1.Meta{}
	err := s.db.View(func(txn *badgerdb.Txn) error { return get(txn, keyMeta, meta) })
	switch {
	case errors.Is(err, store.ErrNotFound):
		meta = newMeta()
		value, err := proto.Marshal(meta)
		if err != nil {
			return nil, err
		}
		if s.log != nil { // whoever expected another has the wrong directory, or a disk that is not mounted
			s.log.Info("store: data directory " + absolute(s.dir) + " had none; a new one was made")
		}
		return meta, s.db.Update(func(txn *badgerdb.Txn) error {
			return txn.Set(keyMeta, value)
		})
	case err != nil:
		return nil, err
	case meta.GetFormat() > formatNumber:
		return nil, fmt.Errorf("it has format %d, this leadgate knows formats up to %d: use the newer leadgate that wrote it", meta.GetFormat(), formatNumber)
	case meta.GetFormat() < formatNumber:
		return nil, fmt.Errorf("it has format %d, which this leadgate cannot read: use the older leadgate that wrote it", meta.GetFormat())
	}
	return meta, nil
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

func newMeta() *storev1.Meta {
	var random [5 + 32]byte
	_, _ = rand.Read(random[:]) // never fails
	return &storev1.Meta{
		Format:  formatNumber,
		StoreId: strings.ToLower(base32.StdEncoding.EncodeToString(random[:5])),
		HashKey: random[5:],
	}
}

func explainOpen(dir string, err error) error {
	switch {
	case errors.Is(err, errLocked), strings.Contains(err.Error(), "Cannot acquire directory lock"):
		holder := "another process"
		if pid, err := os.ReadFile(filepath.Join(dir, databaseDir, "LOCK")); err == nil && len(pid) > 1 {
			holder = "process " + strings.TrimSpace(string(pid))
		}
		return fmt.Errorf("data directory %s is in use by %s: stop that leadgate, or give this one its own with --data-dir", dir, holder)
	case errors.Is(err, errWrongKey):
		return fmt.Errorf("data directory %s: %w: set store.encryption_key to the key it was written with, or put that into store.previous_encryption_key; to encrypt what was not, or to end encryption, run leadgate compact with the new configuration", dir, err)
	case errors.Is(err, fs.ErrPermission), strings.Contains(err.Error(), "permission denied"), strings.Contains(err.Error(), "read-only"):
		return fmt.Errorf("data directory %s cannot be written: %w; give its user the right, or choose another with --data-dir", dir, err)
	}
	return fmt.Errorf("open data directory %s: %w", dir, err)
}

// cause strips the path from an error whose message names it already.
func cause(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// ID implements store.Store.
func (s *Store) ID() string { return s.id }

// HashKey implements store.Store.
func (s *Store) HashKey() []byte { return s.hashKey }

// Writable implements store.Store.
func (s *Store) Writable() error {
	if s.closed.Load() {
		return errClosing
	}
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	return s.space.last()
}

// Close implements store.Store.
func (s *Store) Close() error { return s.close() }

func (s *Store) shut() error {
	s.closed.Store(true)
	close(s.closing)
	s.stopped.Wait()
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := errors.Join(s.db.Close(), s.unlock()); err != nil {
		return fmt.Errorf("close data directory %s: %w", s.dir, err)
	}
	return nil
}

// badgerLog passes Badger's warnings and errors on.
type badgerLog struct{ to *slog.Logger }

func (l badgerLog) Errorf(format string, args ...any) {
	if l.to != nil {
		l.to.Error("store: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

func (l badgerLog) Warningf(format string, args ...any) {
	if l.to != nil {
		l.to.Warn("store: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

func (badgerLog) Infof(string, ...any)  {}
func (badgerLog) Debugf(string, ...any) {}
