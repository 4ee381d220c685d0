package journal

import (
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

// ring keeps the newest size entries. Positions count all that were ever added, from 0; places rise with them.
type ring struct {
	size    int
	entries []entry // grows up to size, then is written round and round
	next    uint64  // position of the entry to come
	lost    place   // place of the newest entry that is not kept any more; zero if none was lost
	// newest is the position of the newest kept entry of each lead, so that whoever follows one lead need not look at all.
	newest map[string]uint64
}

// first is the position of the oldest entry kept; next if there is none.
func (r *ring) first() uint64 { return r.next - uint64(len(r.entries)) }

func (r *ring) at(position uint64) entry { return r.entries[position%uint64(r.size)] }

func (r *ring) add(e entry) {
	if len(r.entries) < r.size {
		r.entries = append(r.entries, e)
	} else {
		oldest := &r.entries[r.next%uint64(r.size)]
		r.lost = oldest.place
		if id := oldest.event.GetLead().GetLeadId(); id != "" && r.newest[id] == r.first() {
			delete(r.newest, id)
		}
		*oldest = e
	}
	if id := e.event.GetLead().GetLeadId(); id != "" {
		if r.newest == nil {
			r.newest = map[string]uint64{}
		}
		r.newest[id] = r.next
	}
	r.next++
}

// has says whether there is an entry of a lead at a position or behind it.
func (r *ring) has(lead string, position uint64) bool {
	newest, ok := r.newest[lead]
	return ok && newest >= position
}

// forget takes what is said of the person out of the events of leads.
func (r *ring) forget(leads map[string]bool) {
	for i, e := range r.entries {
		if id := e.event.GetLead().GetLeadId(); id != "" && leads[id] {
			r.entries[i].event = store.Forget(e.event)
		}
	}
}

// after is the position of the oldest kept entry whose place is behind p.
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
