package journal

import (
	"fmt"
	"strconv"
	"strings"
)

// ID identifies an event. IDs order events as they were published: by Commit, then by Extra.
//
// Its text is STORE-COMMIT for an event that the store wrote, and STORE-COMMIT.EXTRA for one that lives in memory only
// (a refused submission, a paused destination) and was published after commit COMMIT.
type ID struct {
	// Store names the store that the events belong to; its text contains no hyphen and no dot.
	Store string
	// Commit numbers the events that a store writes, from 1, without gaps, in commit order.
	Commit uint64
	// Extra is 0 for an event that the store wrote. For others it rises from one to the next, across restarts too,
	// because it starts from the time of the start in microseconds.
	Extra uint64
}

// String returns the text of the ID.
func (id ID) String() string {
	if id.Extra == 0 {
		return id.Store + "-" + strconv.FormatUint(id.Commit, 10)
	}
	return id.Store + "-" + strconv.FormatUint(id.Commit, 10) + "." + strconv.FormatUint(id.Extra, 10)
}

// Less reports whether the event was published before the other. Both must be of one store.
func (id ID) Less(other ID) bool {
	if id.Commit != other.Commit {
		return id.Commit < other.Commit
	}
	return id.Extra < other.Extra
}

// ParseID reads the text of an ID.
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
