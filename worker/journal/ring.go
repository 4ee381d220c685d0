package journal

import (
	"hash/maphash"
	"sort"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// place is an ID without its store.
type place struct{ commit, extra uint64 }

func (p place) less(other place) bool {
	return p.commit < other.commit || p.commit == other.commit && p.extra < other.extra
}

type entry struct {
	place place
	event *leadgatev1.Event
}

// ring keeps the newest size entries. Positions number all entries ever added, from 0; places increase with them.
type ring struct {
	size    int
	entries []entry // grows to size, then the oldest is overwritten
	next    uint64  // position of the next entry
	lost    place   // place of the newest entry that was overwritten; zero if none was
	// newest holds, for each hash of a lead, the position after the newest entry of a lead with that hash, so that whoever
	// follows one lead can skip the search. A collision only costs a search.
	newest [1 << 14]uint64
	seed   maphash.Seed
}

func newRing(size int) ring { return ring{size: size, seed: maphash.MakeSeed()} }

// first returns the position of the oldest entry; next if there is none.
func (r *ring) first() uint64 { return r.next - uint64(len(r.entries)) }

func (r *ring) at(position uint64) entry { return r.entries[position%uint64(r.size)] }

func (r *ring) add(e entry) {
	if len(r.entries) < r.size {
		r.entries = append(r.entries, e)
	} else {
		oldest := &r.entries[r.next%uint64(r.size)]
		r.lost = oldest.place
		*oldest = e
	}
	r.next++
	if id := e.event.GetLead().GetLeadId(); id != "" {
		*r.newestOf(id) = r.next
	}
}

func (r *ring) newestOf(lead string) *uint64 {
	return &r.newest[maphash.String(r.seed, lead)%uint64(len(r.newest))]
}

// has reports whether there may be an entry of a lead at or after a position.
func (r *ring) has(lead string, position uint64) bool { return *r.newestOf(lead) > position }

// forget removes personal data from the events of the given leads.
func (r *ring) forget(leads map[string]bool) {
	for i, e := range r.entries {
		if id := e.event.GetLead().GetLeadId(); id != "" && leads[id] {
			r.entries[i].event = store.Forget(e.event)
		}
	}
}

// after returns the position of the oldest entry whose place is greater than p.
func (r *ring) after(p place) uint64 {
	first := r.first()
	return first + uint64(sort.Search(len(r.entries), func(i int) bool { return p.less(r.at(first + uint64(i)).place) }))
}

// copy returns the entries, oldest first.
func (r *ring) copy() []entry {
	entries := make([]entry, 0, len(r.entries))
	for at := r.first(); at < r.next; at++ {
		entries = append(entries, r.at(at))
	}
	return entries
}
