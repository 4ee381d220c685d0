package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

// object is a contact in HubSpot's form.
type object struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
	CreatedAt  string             `json:"createdAt"`
	UpdatedAt  string             `json:"updatedAt"`
	Archived   bool               `json:"archived"`
	URL        string             `json:"url,omitempty"`
	New        *bool              `json:"new,omitempty"`
	Trace      string             `json:"objectWriteTraceId,omitempty"`
}

// written returns the answer to a write: the contact with all properties.
func written(c *contact) object {
	o := object{
		ID: c.id, Properties: map[string]*string{}, CreatedAt: c.created.Format(timeFormat), UpdatedAt: c.updated.Format(timeFormat),
		URL: fmt.Sprintf("https://app.hubspot.com/contacts/%d/record/0-1/%s", portalID, c.id),
	}
	for name, value := range c.properties {
		o.Properties[name] = &value
	}
	return o
}

// shown returns the answer to a read: the contact with some default properties and those asked for, null if empty.
func shown(c *contact, asked []string) object {
	o := written(c)
	o.Properties = map[string]*string{}
	for _, name := range append([]string{"createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"}, asked...) {
		o.Properties[name] = nil
		if value, ok := c.properties[name]; ok {
			o.Properties[name] = &value
		}
	}
	return o
}

// values are the properties in a request, all of them strings. Null clears a property, like an empty string.
type values map[string]*string

func (v values) plain() map[string]string {
	plain := map[string]string{}
	for name, value := range v {
		plain[name] = ""
		if value != nil {
			plain[name] = *value
		}
	}
	return plain
}

func (a *api) create(r *http.Request) (int, any) {
	var body struct {
		Properties   values            `json:"properties"`
		Associations []json.RawMessage `json:"associations"`
	}
	if status, body := decode(r, &body); body != nil {
		return status, body
	}
	if p := unwelcome(r, 0, 1, body); p != nil {
		return statusOf(p), *p
	}
	c, p := a.write(nil, body.Properties.plain())
	if p != nil {
		return statusOf(p), *p
	}
	simulator.Note(r.Context(), 1, 1)
	return http.StatusCreated, written(c)
}

func (a *api) get(r *http.Request) (int, any) {
	query := r.URL.Query()
	c := a.contacts.find(query.Get("idProperty"), r.PathValue("id"))
	if c == nil {
		return http.StatusNotFound, notFound
	}
	var asked []string
	for _, names := range query["properties"] {
		asked = append(asked, strings.Split(names, ",")...)
	}
	return http.StatusOK, shown(c, asked)
}

func (a *api) update(r *http.Request) (int, any) {
	var body struct {
		Properties values `json:"properties"`
	}
	if status, body := decode(r, &body); body != nil {
		return status, body
	}
	old := a.contacts.find(r.URL.Query().Get("idProperty"), r.PathValue("id"))
	if old == nil {
		return http.StatusNotFound, notFound
	}
	if p := unwelcome(r, 0, 1, body); p != nil {
		return statusOf(p), *p
	}
	c, p := a.write(old, body.Properties.plain())
	if p != nil {
		return statusOf(p), *p
	}
	simulator.Note(r.Context(), 1, 1)
	return http.StatusOK, written(c)
}

func (a *api) archive(r *http.Request) (int, any) {
	if c := a.contacts.find("", r.PathValue("id")); c != nil {
		a.contacts.remove(c, a.schema)
		simulator.Note(r.Context(), 1, 1)
	}
	return http.StatusNoContent, nil
}

// write writes properties to a contact, or to a new one if old is nil, unless there is a problem with them.
func (a *api) write(old *contact, properties map[string]string) (*contact, *problem) {
	if p := a.refusal(old, properties); p != nil {
		return nil, p
	}
	return a.contacts.put(old, properties, a.schema, a.options.Now()), nil
}

// refusal returns the problem with properties for a contact, or for a new one if old is nil; nil if there is none.
func (a *api) refusal(old *contact, properties map[string]string) *problem {
	if p := a.schema.validate(properties); p != nil {
		return p
	}
	if old == nil && !slices.ContainsFunc([]string{"email", "firstname", "lastname"}, func(name string) bool { return properties[name] != "" }) {
		p := invalid("At least one of email, firstname or lastname is needed to create a contact.")
		return &p
	}
	if holder := a.contacts.holder(keys(properties, a.schema), old); holder != nil {
		return &problem{
			Category: "CONFLICT", Message: "Contact already exists. Existing ID: " + holder.id,
			Context: map[string][]string{"existingId": {holder.id}},
		}
	}
	return nil
}

func statusOf(p *problem) int {
	if p.Category == "CONFLICT" {
		return http.StatusConflict
	}
	return http.StatusBadRequest
}

// decode decodes the body of a call. If that fails, it returns the answer.
func decode(r *http.Request, into any) (int, any) {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return http.StatusBadRequest, invalid("Invalid input JSON: " + err.Error())
	}
	return 0, nil
}
