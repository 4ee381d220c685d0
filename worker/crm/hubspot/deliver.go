package hubspot

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

// A property that HubSpot would not take is left out and the contact sent again, that many times; HubSpot does not name all
// of them at once.
const maxRounds = 4

// emailProperty is what contacts are told apart by.
const emailProperty = "email"

// contact is a lead on its way to HubSpot.
type contact struct {
	// trace is what HubSpot names the contact by in its answer: the lead, so that an answer to another call names nobody. Only if
	// every input of a batch has one of its own are there answers for each.
	trace      string
	key        string // property that it is known by; empty if it has none
	properties map[string]string
	outcome    crm.Outcome
	faults     []fault // what is wrong with properties, if the outcome is Refused
	// What a call found: that there is none, or that there is one already, whose identifier existing is, if HubSpot said.
	missing, conflict bool
	existing          string
	// second says that the address is a second one of the contact that existing identifies.
	second bool
	// stranger is the identifier of the contact that HubSpot answered about, asked about this one alone, if it says that it has
	// another address.
	stranger string
	// What was left out so far, and why the first was.
	dropped []string
	why     crm.Outcome
}

// Deliver implements crm.Destination.
func (d *destination) Deliver(ctx context.Context, batch []crm.Item, mode leadgatev1.DeliveryMode) []crm.Outcome {
	contacts := make([]*contact, len(batch))
	var known, nameless []*contact
	for i, item := range batch {
		c := newContact(i, item, d.key)
		contacts[i] = c
		switch {
		case c.outcome.Kind == crm.Refused:
		case c.key == "":
			nameless = append(nameless, c)
		default:
			known = append(known, c)
		}
	}
	if mode == leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS && len(known) > 0 {
		known = d.keepBlanks(ctx, known)
	}
	for _, group := range byKey(known) {
		d.inRounds(group, func(group []*contact) {
			if d.patches {
				d.patch(ctx, group[0])
			} else {
				d.write(ctx, group)
			}
		})
	}
	for i, c := range nameless {
		if before := slices.IndexFunc(contacts, (*contact).halts); before >= 0 {
			stopped := contacts[before].outcome
			for _, rest := range nameless[i:] {
				rest.outcome = crm.Outcome{Kind: stopped.Kind, Reason: stopped.Reason, Status: stopped.Status, After: stopped.After}
			}
			break
		}
		d.inRounds([]*contact{c}, func(group []*contact) { d.create(ctx, group[0]) })
	}
	outcomes := make([]crm.Outcome, len(contacts))
	for i, c := range contacts {
		outcomes[i] = c.told()
	}
	return outcomes
}

// newContact reads what Encode wrote. What a lead is known by is always among the properties, whatever the mapping says.
func newContact(i int, item crm.Item, key string) *contact {
	c := &contact{trace: item.LeadID()}
	if c.trace == "" {
		c.trace = strconv.Itoa(i)
	}
	if err := json.Unmarshal(item.Payload, &c.properties); err != nil || c.properties == nil {
		c.outcome = crm.Outcome{Kind: crm.Refused, Reason: "not sent: what was stored for it is not an object of HubSpot properties"}
		return c
	}
	email := strings.TrimSpace(c.properties[emailProperty])
	if email == "" {
		email = item.Email
	}
	if email != "" {
		c.properties[emailProperty] = email
		c.key = emailProperty
	}
	if key != "" && c.properties[key] != "" {
		c.key = key
	}
	return c
}

// id is what the contact is known by.
func (c *contact) id() string { return c.properties[c.key] }

// isAt reports whether a value of the property that the contact is known by is its own.
func (c *contact) isAt(value string) bool {
	return value != "" && strings.EqualFold(strings.TrimSpace(value), strings.TrimSpace(c.id()))
}

// byKey returns contacts in groups that are known by the same property; HubSpot takes one for a call.
func byKey(contacts []*contact) [][]*contact {
	var groups [][]*contact
	for _, c := range contacts {
		i := slices.IndexFunc(groups, func(g []*contact) bool { return g[0].key == c.key })
		if i < 0 {
			groups = append(groups, []*contact{c})
			continue
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

// inRounds sends contacts, and once more those of which HubSpot would not take some property, without it: a property that
// was renamed or removed must not cost a lead.
func (d *destination) inRounds(contacts []*contact, send func([]*contact)) {
	for round := 1; len(contacts) > 0; round++ {
		send(contacts)
		if round == maxRounds {
			return
		}
		contacts = slices.DeleteFunc(slices.Clone(contacts), func(c *contact) bool { return !c.shed() })
	}
}

func (d *destination) upsert(ctx context.Context, contacts []*contact) {
	type input struct {
		IDProperty string            `json:"idProperty"`
		ID         string            `json:"id"`
		Trace      string            `json:"objectWriteTraceId"`
		Properties map[string]string `json:"properties"`
	}
	inputs := make([]input, len(contacts))
	for i, c := range contacts {
		inputs[i] = input{c.key, c.id(), c.trace, c.properties}
	}
	answer := d.post(ctx, d.path+upsertPath, map[string]any{"inputs": inputs}, contacts)
	if answer == nil {
		return
	}
	switch answer.Status {
	case http.StatusOK, http.StatusCreated, http.StatusMultiStatus:
		d.readBatch(answer, contacts)
	default:
		d.readFailure(answer, contacts)
	}
}

func (d *destination) create(ctx context.Context, c *contact) {
	body := map[string]any{"properties": c.properties, "associations": []any{}}
	answer := d.post(ctx, d.path, body, []*contact{c})
	if answer == nil {
		return
	}
	switch answer.Status {
	case http.StatusOK, http.StatusCreated:
		c.missing = false
		d.readRecord(answer, c)
	default:
		c.missing, c.conflict = false, answer.Status == http.StatusConflict && c.key != ""
		d.readFailure(answer, []*contact{c})
	}
}

// post makes a call for contacts. It returns nil if there is no answer; their outcomes then say why.
func (d *destination) post(ctx context.Context, path string, body any, contacts []*contact) *crm.Answer {
	encoded, err := marshal(body)
	if err != nil { // it was decoded from JSON before
		failAll(contacts, crm.Outcome{Kind: crm.Refused, Reason: "not sent: it cannot be written as JSON"})
		return nil
	}
	answer, failure := d.call(ctx, http.MethodPost, path, encoded)
	if failure != nil {
		failAll(contacts, *failure)
		return nil
	}
	return answer
}

func failAll(contacts []*contact, outcome crm.Outcome) {
	for _, c := range contacts {
		c.outcome, c.faults = outcome, nil
	}
}

// shed leaves out the properties that the contact was refused for, and reports whether it can go without them.
func (c *contact) shed() bool {
	if c.outcome.Kind != crm.Refused || len(c.faults) == 0 ||
		slices.ContainsFunc(c.faults, func(f fault) bool { return f.property == emailProperty || f.property == c.key }) {
		return false
	}
	if len(c.dropped) == 0 {
		c.why = c.outcome
	}
	for _, f := range c.faults {
		delete(c.properties, f.property)
		c.dropped = append(c.dropped, f.property)
	}
	return true
}

// halts reports whether nothing more is to be sent for now.
func (c *contact) halts() bool {
	kind := c.outcome.Kind
	return kind == crm.RateLimited || kind == crm.CredentialsRefused || c.outcome.After > 0
}

// told is the contact's outcome with what was left out.
func (c *contact) told() crm.Outcome {
	outcome := c.outcome
	if outcome.Kind == crm.Delivered && len(c.dropped) > 0 {
		outcome.Dropped, outcome.Reason, outcome.Property = c.dropped, c.why.Reason, c.why.Property
	}
	return outcome
}
