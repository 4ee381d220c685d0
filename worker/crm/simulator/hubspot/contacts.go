package hubspot

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxContacts bounds what an account holds; the oldest contact makes room for a new one.
	maxContacts = 100_000
	// firstID is the identifier of the first contact.
	firstID = 501
)

// contact is a record of the account. Its properties are never changed, only replaced.
type contact struct {
	id         string
	properties map[string]string
	created    time.Time
	updated    time.Time
}

// contacts are the records of an account, by identifier and by their unique properties. Not safe for concurrent use.
type contacts struct {
	byID   map[string]*contact
	unique map[uniqueKey]*contact
	order  []*contact // oldest first
	nextID int
}

type uniqueKey struct{ property, value string }

func newContacts() *contacts {
	return &contacts{byID: map[string]*contact{}, unique: map[uniqueKey]*contact{}, nextID: firstID}
}

// keys are what no two contacts have in common: addresses, in any case and also those of merged contacts, and the properties
// that the schema has as unique.
func keys(properties map[string]string, s *schema) []uniqueKey {
	var found []uniqueKey
	add := func(property, value string) {
		if value = normal(value); value != "" {
			found = append(found, uniqueKey{property, value})
		}
	}
	add("email", properties["email"])
	for more := range strings.SplitSeq(properties["hs_additional_emails"], ";") {
		add("email", more)
	}
	for name, value := range properties {
		if name != "email" && s.isUnique(name) {
			add(name, value)
		}
	}
	return found
}

func normal(value string) string { return strings.ToLower(strings.TrimSpace(value)) }

// find returns the contact with an identifier or, if a property is named, with that unique property; nil if there is none.
func (c *contacts) find(property, value string) *contact {
	if property == "" || property == "hs_object_id" {
		return c.byID[value]
	}
	return c.unique[uniqueKey{property, normal(value)}]
}

// holder returns another contact that has one of the keys; nil if there is none.
func (c *contacts) holder(keys []uniqueKey, self *contact) *contact {
	for _, key := range keys {
		if other := c.unique[key]; other != nil && other != self {
			return other
		}
	}
	return nil
}

// put writes properties to a contact, a new one if it is nil. An empty value clears.
func (c *contacts) put(old *contact, changes map[string]string, s *schema, now time.Time) *contact {
	at := now.UTC().Truncate(time.Millisecond)
	properties := map[string]string{}
	written := old
	if old == nil {
		written = &contact{id: strconv.Itoa(c.nextID), created: at}
		c.nextID++
		if len(c.order) == maxContacts {
			c.remove(c.order[0], s)
		}
		c.order = append(c.order, written)
		c.byID[written.id] = written
		properties["createdate"], properties["hs_object_id"] = at.Format(timeFormat), written.id
	} else {
		maps.Copy(properties, old.properties)
		c.forget(old, s)
	}
	for name, value := range changes {
		if value == "" {
			delete(properties, name)
			continue
		}
		properties[name] = value
	}
	if email := normal(properties["email"]); email != "" {
		properties["email"] = email
		if more := strings.Split(properties["hs_additional_emails"], ";"); old != nil && slices.Contains(more, email) { // they change places
			more[slices.Index(more, email)] = old.properties["email"]
			properties["hs_additional_emails"] = strings.Join(more, ";")
		}
	}
	properties["lastmodifieddate"] = at.Format(timeFormat)
	written.properties, written.updated = properties, at
	for _, key := range keys(properties, s) {
		c.unique[key] = written
	}
	return written
}

func (c *contacts) remove(gone *contact, s *schema) {
	c.forget(gone, s)
	delete(c.byID, gone.id)
	c.order = slices.DeleteFunc(c.order, func(other *contact) bool { return other == gone })
}

// forget takes a contact out of the unique properties.
func (c *contacts) forget(gone *contact, s *schema) {
	for _, key := range keys(gone.properties, s) {
		if c.unique[key] == gone {
			delete(c.unique, key)
		}
	}
}

// list returns the contacts as the debug address shows them.
func (c *contacts) list() any {
	type shown struct {
		ID         string            `json:"id"`
		Properties map[string]string `json:"properties"`
	}
	all := make([]shown, len(c.order))
	for i, contact := range c.order {
		all[i] = shown{contact.id, contact.properties}
	}
	return all
}
