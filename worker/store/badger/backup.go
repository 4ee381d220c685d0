package badger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/leadgate/leadgate/gen/go/leadgate/store/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// A backup is this line, then zstd-compressed frames: the length of a store.v1.BackupFrame (4), its CRC-32C (4), the frame
// itself. Indexes and counts of waiting deliveries are not included: Restore rebuilds them from leads and deliveries. That
// matters for incremental backups: Badger eventually forgets that a key was deleted, and a due delivery that came back would be
// sent again. Of chains, only the last delivered sequence is included, because its lead may be gone.
const backupMagic = "leadgate backup 1\n"

const (
	// About how many bytes of entries go in one frame.
	frameSize = 64 << 10
	// The largest frame. An entry is at most what a transaction can hold.
	maxFrame = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// backedUp lists the prefixes that a backup includes.
const backedUp = "!adklmnrst"

// Backup implements store.Store. It reads a snapshot, which keeps old versions on disk while it runs. It verifies the tables
// first, because Badger's iterators silently end at an unreadable block.
func (s *Store) Backup(ctx context.Context, since string, to io.Writer) (position string, err error) {
	header := &storev1.BackupHeader{Format: formatNumber, StoreId: s.id, Time: s.now().UnixNano()}
	if since != "" {
		id, version, ok := strings.Cut(since, ":")
		header.Since, err = strconv.ParseUint(version, 10, 64)
		if !ok || err != nil {
			return "", fmt.Errorf("%w: %q is not the position of a backup", store.ErrPosition, since)
		}
		if id != s.id {
			return "", fmt.Errorf("%w: the backup before is of another store, or of this one before it was restored: make a whole one", store.ErrPosition)
		}
	}
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		header.Version = txn.ReadTs()
		if header.Since > header.Version {
			return fmt.Errorf("%w: the backup before is newer than the store: make a whole one", store.ErrPosition)
		}
		if err := s.verifyFor(ctx, header.GetSince()); err != nil {
			return fmt.Errorf("the backup would lack what cannot be read: %w", err)
		}
		return writeBackup(ctx, txn, header, to)
	})
	return fmt.Sprintf("%s:%d", s.id, header.GetVersion()), err
}

// verifyFor verifies the tables that a backup reads.
func (s *Store) verifyFor(ctx context.Context, since uint64) error {
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	states := []byte{prefixState}
	tables := slices.DeleteFunc(s.db.Tables(), func(t badgerdb.TableInfo) bool {
		return t.MaxVersion <= since && (bytes.Compare(t.Left, after(states)) >= 0 || bytes.Compare(t.Right, states) < 0)
	})
	err := s.verify(tables, func(time.Duration) bool { return ctx.Err() == nil })
	if errors.As(err, &damaged{}) {
		s.stop(err)
	}
	return errors.Join(ctx.Err(), err)
}

func writeBackup(ctx context.Context, txn *badgerdb.Txn, header *storev1.BackupHeader, to io.Writer) error {
	if _, err := io.WriteString(to, backupMagic); err != nil {
		return err
	}
	compressed, err := zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	w := &frameWriter{to: compressed}
	err = w.frame(&storev1.BackupFrame{Kind: &storev1.BackupFrame_Header{Header: header}})
	for _, prefix := range []byte(backedUp) {
		since := header.GetSince()
		if prefix == prefixState { // small, so always complete: deleted values must not come back
			since = 0
		}
		if err == nil {
			err = w.line(ctx, txn, []byte{prefix}, since)
		}
	}
	if err == nil {
		err = w.frame(&storev1.BackupFrame{Kind: &storev1.BackupFrame_Trailer{Trailer: &storev1.BackupTrailer{Entries: w.written}}})
	}
	return errors.Join(err, compressed.Close())
}

type frameWriter struct {
	to      io.Writer
	entries []*storev1.BackupEntries_Entry
	size    int
	written int64
}

// line writes the latest version of every key with a prefix that changed after since. A deletion counts as a change.
func (w *frameWriter) line(ctx context.Context, txn *badgerdb.Txn, prefix []byte, since uint64) error {
	it := txn.NewIterator(badgerdb.IteratorOptions{
		Prefix: prefix, PrefetchValues: true, PrefetchSize: 100, AllVersions: since > 0, SinceTs: since,
	})
	defer it.Close()
	var last []byte
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		if since > 0 {
			if slices.Equal(item.Key(), last) { // an older version
				continue
			}
			last = item.KeyCopy(last)
		}
		entry := &storev1.BackupEntries_Entry{Key: item.KeyCopy(nil), Deleted: item.IsDeletedOrExpired()}
		if !entry.GetDeleted() {
			var err error
			if entry.Value, err = item.ValueCopy(nil); err != nil {
				return fmt.Errorf("read what is under %q: %w", entry.GetKey()[:1], err)
			}
			if prefix[0] == prefixChain {
				if delivered, err := onlyDelivered(entry.GetValue()); err == nil { // otherwise Restore leaves it out
					entry.Value = delivered
				}
				if entry.Deleted = len(entry.GetValue()) == 0; entry.GetDeleted() && since == 0 {
					continue
				}
			}
		}
		w.entries, w.size = append(w.entries, entry), w.size+len(entry.GetKey())+len(entry.GetValue())
		if w.size >= frameSize {
			if err := errors.Join(ctx.Err(), w.flush()); err != nil {
				return err
			}
		}
	}
	return w.flush()
}

// onlyDelivered returns a chain with only its last delivered sequence; empty if there is none.
func onlyDelivered(value []byte) ([]byte, error) {
	chain := &storev1.Chain{}
	if err := proto.Unmarshal(value, chain); err != nil {
		return nil, err
	}
	return proto.Marshal(&storev1.Chain{Delivered: chain.GetDelivered()})
}

func (w *frameWriter) flush() error {
	if len(w.entries) == 0 {
		return nil
	}
	w.written += int64(len(w.entries))
	err := w.frame(&storev1.BackupFrame{Kind: &storev1.BackupFrame_Entries{Entries: &storev1.BackupEntries{Entries: w.entries}}})
	w.entries, w.size = w.entries[:0], 0
	return err
}

func (w *frameWriter) frame(f *storev1.BackupFrame) error {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 8), f)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-8))
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	_, err = w.to.Write(b)
	return err
}

// readBackup reads a backup and calls header first, then entry for each key. It fails unless the backup is complete.
func readBackup(from io.Reader, header func(*storev1.BackupHeader) error, entry func(*storev1.BackupEntries_Entry) error) error {
	magic := make([]byte, len(backupMagic))
	if _, err := io.ReadFull(from, magic); err != nil || string(magic) != backupMagic {
		return errors.New("it is not a backup of leadgate")
	}
	plain, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer plain.Close()
	r := bufio.NewReader(plain)
	var read int64
	for first := true; ; first = false {
		f, err := readFrame(r)
		if err != nil {
			return fmt.Errorf("it is damaged or cut off after %d entries: %w", read, err)
		}
		switch kind := f.GetKind().(type) {
		case *storev1.BackupFrame_Header:
			if !first {
				return errors.New("it has two headers")
			}
			if err := header(kind.Header); err != nil {
				return err
			}
		case *storev1.BackupFrame_Entries:
			for _, e := range kind.Entries.GetEntries() {
				read++
				if err := entry(e); err != nil {
					return err
				}
			}
		case *storev1.BackupFrame_Trailer:
			if kind.Trailer.GetEntries() != read {
				return fmt.Errorf("it has %d entries and should have %d", read, kind.Trailer.GetEntries())
			}
			return nil
		}
	}
}

func readFrame(r io.Reader) (*storev1.BackupFrame, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, unexpected(err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, unexpected(err)
	}
	if crc32.Checksum(b, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return nil, errors.New("a checksum is wrong")
	}
	f := &storev1.BackupFrame{}
	return f, proto.Unmarshal(b, f)
}

// unexpected turns the end of a file into io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// BackupPosition returns the position of a backup, which Store.Backup takes as since. It reads only the beginning.
func BackupPosition(backup io.Reader) (position string, err error) {
	err = readBackup(backup, func(h *storev1.BackupHeader) error {
		position = fmt.Sprintf("%s:%d", h.GetStoreId(), h.GetVersion())
		return errEnough
	}, nil)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return position, err
}

var errEnough = errors.New("enough")

// Size implements store.Store.
func (s *Store) Size() int64 {
	if s.closed.Load() {
		return 0
	}
	tables, values := s.db.Size()
	return tables + values
}
