package badger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
)

// What Badger writes before it is in a table stands in *.mem files, one entry after the other (badger 4.9.6, memtable.go):
//
//	header of the file: key id (8), initialisation vector (12)
//	entry: meta, user meta, length of key, length of value, expiry (varints); key with version; value; CRC-32C (4, big endian)
//
// Badger takes a wrong checksum for the end of what was written when the process was killed, and drops the rest. That is right
// at the end of the file and wrong in the middle, where entries that were acknowledged stand behind: so leadgate looks first.
const (
	logHeader   = 20
	metaDelete  = 1 << 0
	metaFinal   = 1 << 7 // the end of a transaction: its key is Badger's own
	versionSize = 8
)

// logEntry is an entry of a *.mem file. Key and value are parts of the file.
type logEntry struct {
	meta    byte
	key     []byte // without version
	version uint64
	value   []byte
	size    int
}

// walked is what walkLog found.
type walked struct {
	encrypted bool
	// damagedAt is where entries stop, if others stand behind; 0 if none do.
	damagedAt int
	// behind are how many stand there.
	behind int
}

// walkLog calls fn for every entry of a *.mem file that is whole, those behind a damage too.
func walkLog(path string, fn func(logEntry) error) (walked, error) {
	b, err := os.ReadFile(path)
	if err != nil || len(b) < logHeader {
		return walked{}, err
	}
	if binary.BigEndian.Uint64(b) != 0 {
		return walked{encrypted: true}, nil
	}
	w := walked{}
	for at := logHeader; at < len(b); {
		e, ok := parseEntry(b[at:])
		if ok {
			if w.damagedAt > 0 {
				w.behind++
			}
			if err := fn(e); err != nil {
				return w, err
			}
			at += e.size
			continue
		}
		next := nextEntry(b, at+1)
		if next < 0 {
			return w, nil
		}
		if w.damagedAt == 0 {
			w.damagedAt = at
		}
		at = next
	}
	return w, nil
}

// nextEntry finds the next whole entry; -1 if there is none. What follows the end of what was written is zeros.
func nextEntry(b []byte, from int) int {
	end := len(bytes.TrimRight(b, "\x00"))
	for at := from; at < end; at++ {
		if _, ok := parseEntry(b[at:]); ok {
			return at
		}
	}
	return -1
}

// parseEntry reads one entry. Leadgate uses neither user meta nor expiry.
func parseEntry(b []byte) (e logEntry, ok bool) {
	if len(b) < 6 || b[1] != 0 {
		return e, false
	}
	at := 2
	var lengths [3]uint64
	for i := range lengths {
		n, size := binary.Uvarint(b[at:])
		if size <= 0 {
			return e, false
		}
		lengths[i], at = n, at+size
	}
	keySize, valueSize := lengths[0], lengths[1]
	if keySize <= versionSize || keySize > maxKey+versionSize || valueSize > uint64(len(b)) || lengths[2] != 0 {
		return e, false
	}
	end := uint64(at) + keySize + valueSize
	if end+crc32.Size > uint64(len(b)) {
		return e, false
	}
	if crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return e, false
	}
	key := b[at : uint64(at)+keySize]
	return logEntry{
		meta: b[0], key: key[:keySize-versionSize], version: ^binary.BigEndian.Uint64(key[keySize-versionSize:]),
		value: b[uint64(at)+keySize : end], size: int(end) + crc32.Size,
	}, true
}

// checkLogs refuses logs that Badger would cut off in the middle.
func checkLogs(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, databaseDir, "*.mem"))
	if err != nil {
		return err
	}
	slices.Sort(logs)
	for _, path := range logs {
		w, err := walkLog(path, func(logEntry) error { return nil })
		if err != nil {
			return err
		}
		if w.damagedAt > 0 {
			return fmt.Errorf("%s is damaged at byte %d, and %d entries stand behind, which were acknowledged: see leadgate doctor --data-dir %s, and save them with --salvage NEW_DIR",
				path, w.damagedAt, w.behind, dir)
		}
	}
	return nil
}
