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

// Badger first writes to *.mem files, one entry after the other (badger 4.9.6, memtable.go):
//
//	header of the file: key id (8), initialisation vector (12)
//	entry: meta, user meta, length of key, length of value, expiry (varints); key with version; value; CRC-32C (4, big endian)
//
// If the key id is not 0, key with version and value are encrypted together by AES-CTR, with that key, and with the file's vector
// and the entry's offset in the file (4, big endian) as the counter. The checksum covers the encrypted bytes, so that damage is
// found without the key.
//
// Badger takes a wrong checksum for the end of what was written when the process was killed, and drops the rest. That is right at
// the end of the file, and wrong in the middle, where acknowledged entries follow: so leadgate checks first. If the power failed
// during a commit, which therefore was not acknowledged, a page of it may be missing although later ones were written. The page
// is zeros, and only entries of that commit follow, with a version one more than the previous commit's. If that is not known,
// because the only file begins with the damage, the commit may have been acknowledged.
const (
	logHeader   = 20
	metaDelete  = 1 << 0
	metaFinal   = 1 << 7 // the end of a transaction: its key is Badger's own
	versionSize = 8
	pageSize    = 4 << 10
	// The memory that an entry takes besides key and value: a node of Badger's skip list (20 bytes, usually two levels of 4,
	// aligned to 8), and the prefix of a value.
	nodeSize = 40
)

// logEntry is an entry of a *.mem file.
type logEntry struct {
	meta    byte
	key     []byte // without version
	version uint64
	value   []byte
}

// walked is the result of walkLog.
type walked struct {
	// damagedAt is the offset of the first damage that entries follow; 0 if there is none.
	damagedAt int
	// behind is how many entries follow it.
	behind int
	// torn means that they may all belong to the commit that was being written when the power failed.
	torn bool
	// committed is the version of the last complete commit before any damage.
	committed uint64
	// content is about how much memory all entries take, in bytes.
	content int64
	// unreadable is why entries could not be decrypted; nil if they could.
	unreadable error
}

// walkLog calls fn for every complete entry of a *.mem file, including those after a damage. Committed is the version of the last
// commit in the previous file; 0 if there is none.
func walkLog(path string, committed uint64, keys decryption, fn func(logEntry) error) (walked, error) {
	w := walked{torn: true, committed: committed}
	b, err := os.ReadFile(path)
	if err != nil || len(b) < logHeader {
		return w, err
	}
	decrypt := func([]byte, int) {}
	if id := binary.BigEndian.Uint64(b); id != 0 {
		if decrypt, w.unreadable = keys.ofLog(id, b[8:logHeader]); w.unreadable != nil {
			fn, w.torn = nil, false
		}
	}
	for at := logHeader; at < len(b); {
		raw, ok := parseEntry(b[at:])
		if !ok {
			next := nextEntry(b, at+1)
			if next < 0 {
				break
			}
			if w.damagedAt == 0 {
				w.damagedAt = at
			}
			w.torn = w.torn && lacksPage(b, at, next)
			at = next
			continue
		}
		w.content += int64(len(raw.content) + nodeSize)
		if fn != nil {
			decrypt(raw.content, at)
			e := raw.entry()
			if w.damagedAt > 0 && (w.committed == 0 || e.version != w.committed+1) {
				w.torn = false // an acknowledged commit is damaged, or may be
			}
			if e.meta&metaFinal > 0 && w.damagedAt == 0 {
				w.committed = e.version
			}
			if err := fn(e); err != nil {
				return w, err
			}
		}
		if w.damagedAt > 0 {
			w.behind++
		}
		at += raw.size
	}
	w.torn = w.torn && w.damagedAt > 0
	return w, nil
}

// lacksPage reports whether a page between from, where an entry should begin, and to, where the next one does, was not written:
// it is zeros, the first one at least after from. No entry begins with a zero.
func lacksPage(b []byte, from, to int) bool {
	for {
		end := (from/pageSize + 1) * pageSize
		if end > to {
			return false
		}
		if len(bytes.TrimLeft(b[from:end], "\x00")) == 0 {
			return true
		}
		from = end
	}
}

// nextEntry returns the offset of the next complete entry; -1 if there is none. After the last entry, the file is zeros.
func nextEntry(b []byte, from int) int {
	end := len(bytes.TrimRight(b, "\x00"))
	for at := from; at < end; at++ {
		if _, ok := parseEntry(b[at:]); ok {
			return at
		}
	}
	return -1
}

// rawEntry is an entry as written. Its content is a slice of the file.
type rawEntry struct {
	meta    byte
	content []byte // key with version, then value
	keySize int    // with version
	size    int
}

func (r rawEntry) entry() logEntry {
	key, value := r.content[:r.keySize], r.content[r.keySize:]
	end := r.keySize - versionSize
	return logEntry{meta: r.meta, key: key[:end], version: ^binary.BigEndian.Uint64(key[end:]), value: value}
}

// parseEntry parses one entry. Leadgate uses neither user meta nor expiry.
func parseEntry(b []byte) (r rawEntry, ok bool) {
	if len(b) < 6 || b[1] != 0 {
		return r, false
	}
	at := 2
	var lengths [3]uint64
	for i := range lengths {
		n, size := binary.Uvarint(b[at:])
		if size <= 0 {
			return r, false
		}
		lengths[i], at = n, at+size
	}
	keySize, valueSize := lengths[0], lengths[1]
	if keySize <= versionSize || keySize > maxKey+versionSize || valueSize > uint64(len(b)) || lengths[2] != 0 {
		return r, false
	}
	end := uint64(at) + keySize + valueSize
	if end+crc32.Size > uint64(len(b)) {
		return r, false
	}
	if crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return r, false
	}
	return rawEntry{meta: b[0], content: b[at:end], keySize: int(keySize), size: int(end) + crc32.Size}, true
}

// logsOf returns the logs of a database, the current one last.
func logsOf(dir string) ([]string, error) {
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	slices.Sort(logs)
	return logs, err
}

// checkLogs refuses logs that Badger would truncate in the middle. It returns about how much memory the content of the largest
// one takes.
func checkLogs(o Options, dir string) (content int64, err error) {
	logs, err := logsOf(dir)
	if err != nil || len(logs) == 0 {
		return 0, err
	}
	keys, err := newDecryption(o, dir, nil)
	if err != nil {
		return 0, err
	}
	defer keys.close()
	var w walked
	for i, path := range logs {
		if w, err = walkLog(path, w.committed, keys, func(logEntry) error { return nil }); err != nil {
			return 0, err
		}
		switch {
		case w.damagedAt == 0:
		case w.torn && i == len(logs)-1:
			if o.Logger != nil {
				o.Logger.Warn(fmt.Sprintf("store: %s is cut off at byte %d: a commit was being written when the power went, of which nobody was told", path, w.damagedAt))
			}
		default:
			return 0, fmt.Errorf("%s is damaged at byte %d, and %d entries stand behind, which were acknowledged: see leadgate doctor --data-dir %s, and save them with --salvage NEW_DIR",
				path, w.damagedAt, w.behind, filepath.Dir(dir))
		}
		content = max(content, w.content)
	}
	return content, nil
}
