package hubspot

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxContacts is how many contacts an account holds; after that, a new one replaces the oldest.
	maxContacts = 100_000
	// firstID is the identifier of the first contact.
	firstID = 501
)

// contact is a contact of the account. Its properties are never modified, only replaced.
type contact struct {
	id         string
	properties map[string]string
	created    time.Time
	updated    time.Time
}

// contacts are the contacts of an account, by identifier and by unique properties. They are not safe for concurrent use.
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

// keys returns the values that only one contact can have: addresses, in any case and including those of merged contacts, and
// properties that are unique in the schema.
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

// find returns the contact with an identifier or, if a property is given, with that unique property; nil if there is none.
func (c *contacts) find(property, value string) *contact {
	if property == "" || property == "hs_object_id" {
		return c.byID[value]
	}
	return c.unique[uniqueKey{property, normal(value)}]
}

// holder returns a contact other than self that has one of the keys; nil if there is none.
func (c *contacts) holder(keys []uniqueKey, self *contact) *contact {
	for _, key := range keys {
		if other := c.unique[key]; other != nil && other != self {
			return other
		}
	}
	return nil
}

// put writes properties to a contact, or to a new one if old is nil. An empty value clears the property.
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
		if more := strings.Split(properties["hs_additional_emails"], ";"); old != nil && slices.Contains(more, email) { // they swap
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

// forget removes a contact from the index of unique properties.
func (c *contacts) forget(gone *contact, s *schema) {
	for _, key := range keys(gone.properties, s) {
		if c.unique[key] == gone {
			delete(c.unique, key)
		}
	}
}

// list returns the contacts for the debug URL.
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
