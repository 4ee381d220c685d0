package journal

import (
	"fmt"
	"strconv"
	"strings"
)

// ID identifies an event. IDs sort in the order of publication: by Commit, then by Extra.
//
// The text form is STORE-COMMIT for an event that the store wrote, and STORE-COMMIT.EXTRA for one that is kept in memory only
// (a refused submission, a paused destination) and was published after commit COMMIT.
type ID struct {
	// Store names the store that the event belongs to. It contains no hyphen and no dot.
	Store string
	// Commit numbers the events that a store writes, in commit order, from 1 and without gaps.
	Commit uint64
	// Extra is 0 for an event that the store wrote. For others it increases, even across restarts, because it starts from the
	// process's start time in microseconds.
	Extra uint64
}

// String returns the text form.
func (id ID) String() string {
	if id.Extra == 0 {
		return id.Store + "-" + strconv.FormatUint(id.Commit, 10)
	}
	return id.Store + "-" + strconv.FormatUint(id.Commit, 10) + "." + strconv.FormatUint(id.Extra, 10)
}

// Less reports whether the event was published before the other, of the same store.
func (id ID) Less(other ID) bool {
	if id.Commit != other.Commit {
		return id.Commit < other.Commit
	}
	return id.Extra < other.Extra
}

// ParseID parses the text form.
func ParseID(text string) (ID, error) {
	id, ok := parseID(text)
	if !ok {
		return ID{}, fmt.Errorf("%q is not an event identifier", text)
	}
	return id, nil
}

func parseID(text string) (id ID, ok bool) {
	store, rest, ok := strings.Cut(text, "-")
	if !ok || store == "" {
		return ID{}, false
	}
	commit, extra, hasExtra := strings.Cut(rest, ".")
	id.Store = store
	var err error
	if id.Commit, err = strconv.ParseUint(commit, 10, 64); err != nil {
		return ID{}, false
	}
	if hasExtra {
		if id.Extra, err = strconv.ParseUint(extra, 10, 64); err != nil || id.Extra == 0 {
			return ID{}, false
		}
	}
	return id, true
}
