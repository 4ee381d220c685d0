package hubspot

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// emailProperty is what identifies contacts by default.
const emailProperty = "email"

// contact is a lead that is being delivered to HubSpot. All its values are strings.
type contact struct {
	*draft.Draft
	// trace identifies the contact in HubSpot's answer. It is the lead's identifier, so that it cannot match the answer to another
	// call. HubSpot reports on each contact only if every input of the batch has a distinct trace.
	trace string
	key   string // property that identifies it; empty if none does
	// Results of a call: HubSpot has no such contact, or there is a conflict with an existing one, whose identifier is existing if
	// HubSpot named it.
	missing, conflict bool
	existing          string
	// second means that the address is a secondary address of the contact existing.
	second bool
	// stranger is the identifier of the contact in HubSpot's answer if that has another address, although this contact was sent
	// alone.
	stranger string
}

// Deliver implements crm.Destination.
func (d *destination) Deliver(ctx context.Context, batch []crm.Item, mode leadgatev1.DeliveryMode) []crm.Outcome {
	contacts := make([]*contact, len(batch))
	var known, nameless []*contact
	for i, item := range batch {
		c := newContact(i, item, d.key)
		contacts[i] = c
		switch {
		case c.Outcome.Kind == crm.Refused:
		case c.key == "":
			nameless = append(nameless, c)
		default:
			known = append(known, c)
		}
	}
	if mode == leadgatev1.DeliveryMode_DELIVERY_MODE_FILL_BLANKS {
		known = d.keepBlanks(ctx, known)
	}
	for _, group := range byKey(known) {
		if draft.Withhold(group, contacts...) {
			continue
		}
		inRounds(group, func(group []*contact) {
			if d.patches {
				d.patch(ctx, group[0])
			} else {
				d.write(ctx, group)
			}
		})
	}
	draft.EachUntilHalted(nameless, func(c *contact) {
		inRounds([]*contact{c}, func(group []*contact) { d.createOnce(ctx, group[0]) })
	}, contacts...)
	return draft.Told(contacts)
}

// newContact decodes what Encode wrote. It adds the e-mail address even if the mapping leaves it out.
func newContact(i int, item crm.Item, key string) *contact {
	c := &contact{Draft: draft.Read(item), trace: item.LeadID()}
	if c.trace == "" {
		c.trace = strconv.Itoa(i)
	}
	for _, value := range c.Values {
		if _, isText := value.(string); !isText {
			c.Fail(crm.Outcome{Kind: crm.Refused, Reason: "not sent: what was stored for it was not made for HubSpot"})
		}
	}
	if c.Outcome.Kind == crm.Refused {
		return c
	}
	email := cmp.Or(c.Text(emailProperty), item.Email)
	if email != "" {
		c.Values[emailProperty] = email
		c.key = emailProperty
	}
	if key != "" && c.Text(key) != "" {
		c.key = key
	}
	return c
}

// id returns the value that identifies the contact.
func (c *contact) id() string { return c.Text(c.key) }

// isAt reports whether a value of the key property identifies this contact.
func (c *contact) isAt(value string) bool {
	return value != "" && strings.EqualFold(strings.TrimSpace(value), c.id())
}

// byKey groups contacts by key property, because HubSpot allows only one per call.
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

// inRounds sends contacts with the same key property, leaving out properties that HubSpot refuses, except the key and the address.
func inRounds(contacts []*contact, send func([]*contact)) {
	if len(contacts) > 0 {
		draft.InRounds(contacts, nil, []string{emailProperty, contacts[0].key}, send)
	}
}

func (d *destination) upsert(ctx context.Context, contacts []*contact) {
	type input struct {
		IDProperty string         `json:"idProperty"`
		ID         string         `json:"id"`
		Trace      string         `json:"objectWriteTraceId"`
		Properties map[string]any `json:"properties"`
	}
	inputs := make([]input, len(contacts))
	for i, c := range contacts {
		inputs[i] = input{c.key, c.id(), c.trace, c.Values}
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
	body := map[string]any{"properties": c.Values, "associations": []any{}}
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

// post is send with method POST.
func (d *destination) post(ctx context.Context, path string, body any, contacts []*contact) *crm.Answer {
	return d.send(ctx, http.MethodPost, path, body, contacts)
}

// send makes a call for contacts. If there is no answer, it sets their outcomes and returns nil.
func (d *destination) send(ctx context.Context, method, path string, body any, contacts []*contact) *crm.Answer {
	answer, failure := d.call(ctx, method, path, body)
	if failure != nil {
		draft.FailAll(contacts, *failure)
		return nil
	}
	return answer
}
