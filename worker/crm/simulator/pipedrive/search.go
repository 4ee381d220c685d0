package pipedrive

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// index is the index of search: the persons with an address or phone number, in lower case. It learns of changes only after a lag.
// It is not safe for concurrent use.
type index struct {
	lag     time.Duration
	entries map[string][]*indexed
}

type indexed struct {
	person *simulator.Record
	list   string // emails or phones
	since  time.Time
	until  time.Time // zero while the person has it
}

func newIndex(lag time.Duration) *index { return &index{lag, map[string][]*indexed{}} }

// addressLists are the members of a person that are searched.
var addressLists = []string{"emails", "phones"}

// put adds a person's addresses and phone numbers to the index.
func (x *index) put(person *simulator.Record, now time.Time) {
	for _, list := range addressLists {
		for _, value := range addresses(person.Values[list]) {
			key := strings.ToLower(value)
			known := func(e *indexed) bool { return e.person == person && e.list == list && e.until.IsZero() }
			if !slices.ContainsFunc(x.entries[key], known) {
				x.entries[key] = append(x.entries[key], &indexed{person: person, list: list, since: now})
			}
		}
	}
}

// drop removes from the index what a person had, except what it keeps.
func (x *index) drop(person *simulator.Record, had, keeps map[string]any, now time.Time) {
	for _, list := range addressLists {
		kept := addresses(keeps[list])
		for _, value := range addresses(had[list]) {
			if slices.Contains(kept, value) {
				continue
			}
			for _, e := range x.entries[strings.ToLower(value)] {
				if e.person == person && e.list == list && e.until.IsZero() {
					e.until = now
				}
			}
		}
	}
}

// find returns the persons that search finds by a value in a list, oldest first.
func (x *index) find(list, value string, now time.Time) []*simulator.Record {
	var found []*simulator.Record
	for _, e := range x.entries[strings.ToLower(value)] {
		gone := !e.until.IsZero() && now.Sub(e.until) >= x.lag
		if e.list == list && now.Sub(e.since) >= x.lag && !gone {
			found = append(found, e.person)
		}
	}
	return found
}

func (a *api) search(r *http.Request, _ map[string]any) (int, any) {
	list := "emails"
	if r.URL.Query().Get("fields") == "phone" {
		list = "phones"
	}
	items := []map[string]any{}
	for _, person := range a.index.find(list, r.URL.Query().Get("term"), a.options.Now()) {
		id, _ := strconv.Atoi(person.ID)
		items = append(items, map[string]any{"result_score": 1.0, "item": map[string]any{"id": id, "type": "person", "name": person.Values["name"], "emails": addresses(person.Values["emails"])}})
	}
	return http.StatusOK, map[string]any{"items": items}
}

// addresses returns the values of a list of addresses or phone numbers.
func addresses(list any) []string {
	var values []string
	items, _ := list.([]any)
	for _, item := range items {
		entry, _ := item.(map[string]any)
		if value, _ := entry["value"].(string); value != "" {
			values = append(values, value)
		}
	}
	return values
}
