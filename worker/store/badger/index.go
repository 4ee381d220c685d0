package badger

import (
	"slices"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// peopleOf returns the keyed hashes of a lead's addresses.
func (s *Store) peopleOf(r *leadgatev1.LeadRecord) [][]byte {
	addresses := store.Addresses(r)
	people := make([][]byte, len(addresses))
	for i, address := range addresses {
		people[i] = s.hasher.Hash(address)
	}
	return people
}

// holdReasons returns the distinct reasons why a lead is held; none if it is not.
func holdReasons(r *leadgatev1.LeadRecord) []leadgatev1.HoldReason {
	if r.GetState() != leadgatev1.LeadState_LEAD_STATE_HELD {
		return nil
	}
	var reasons []leadgatev1.HoldReason
	for _, h := range r.GetHolds() {
		if reason := h.GetReason(); reason != 0 && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// indexOf returns the index keys of a lead.
func indexOf(r *leadgatev1.LeadRecord, lead leadKey, people [][]byte) [][]byte {
	keys := make([][]byte, 0, 2)
	for _, person := range people {
		keys = append(keys, keyOfPerson(person, lead))
	}
	if form := r.GetLead().GetSource().GetForm(); form != "" {
		keys = append(keys, keyOfForm(form, lead))
	}
	if state := r.GetState(); state != leadgatev1.LeadState_LEAD_STATE_OPEN {
		keys = append(keys, keyOfAside(state, 0, lead))
		for _, reason := range holdReasons(r) {
			keys = append(keys, keyOfAside(state, reason, lead))
		}
	}
	return keys
}

// reindex updates the indexes and counts after a lead record changed. Whoever changes a lead record calls it.
func (c *change) reindex(s *Store, lead leadKey, was, is *leadgatev1.LeadRecord) {
	before, after := indexOf(was, lead, s.peopleOf(was)), indexOf(is, lead, s.peopleOf(is))
	for _, key := range before {
		if !containsKey(after, key) {
			c.delete(key)
		}
	}
	for _, key := range after {
		if !containsKey(before, key) {
			c.set(key, nil)
		}
	}
	c.countLead(was, -1)
	c.countLead(is, 1)
}

func containsKey(keys [][]byte, key []byte) bool {
	return slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == string(key) })
}
