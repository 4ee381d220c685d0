package pipedrive

import (
	"strings"
	"sync"
)

// maxMemory is how many persons are remembered; after that, all are forgotten.
const maxMemory = 10_000

// memory maps addresses and phone numbers to persons seen before, because a search costs a large part of the day's quota. It is
// safe for concurrent use.
type memory struct {
	mu  sync.Mutex
	ids map[string]int64
}

func newMemory() *memory { return &memory{ids: map[string]int64{}} }

func (m *memory) get(term string) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ids[strings.ToLower(term)]
}

// put remembers a person; an id of 0 forgets it.
func (m *memory) put(term string, id int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.ids) >= maxMemory {
		clear(m.ids)
	}
	if id == 0 {
		delete(m.ids, strings.ToLower(term))
		return
	}
	m.ids[strings.ToLower(term)] = id
}
