package hubspot

import (
	"fmt"
	"net/http"
	"strings"
)

func (a *api) listProperties(r *http.Request) (int, any) {
	properties := a.schema.list(r.URL.Query().Get("archived") == "true")
	if properties == nil {
		properties = []*property{}
	}
	return http.StatusOK, map[string]any{"results": copies(properties)}
}

// copies returns copies for the answer, which is written after the lock is released.
func copies(properties []*property) []property {
	all := make([]property, len(properties))
	for i, p := range properties {
		all[i] = *p
	}
	return all
}

func (a *api) getProperty(r *http.Request) (int, any) {
	p := a.schema.get(r.PathValue("name"))
	if p == nil {
		return http.StatusNotFound, notFound
	}
	return http.StatusOK, *p
}

func (a *api) createProperty(r *http.Request) (int, any) {
	var p property
	if status, body := decode(r, &p); body != nil {
		return status, body
	}
	p.Name = strings.ToLower(p.Name)
	switch {
	case p.Name == "" || p.Label == "" || p.Type == "" || p.FieldType == "" || p.GroupName == "":
		return http.StatusBadRequest, invalid("Invalid input JSON: name, label, type, fieldType and groupName are required")
	case a.schema.get(p.Name) != nil:
		return http.StatusConflict, problem{
			Category: "OBJECT_ALREADY_EXISTS", Message: fmt.Sprintf("A property named '%s' already exists.", p.Name),
		}
	}
	p.Archived = false
	a.schema.add(&p)
	return http.StatusCreated, p
}

// archiveProperty archives a property, like an administrator. The contacts keep its values.
func (a *api) archiveProperty(r *http.Request) (int, any) {
	p := a.schema.get(r.PathValue("name"))
	if p == nil {
		return http.StatusNotFound, notFound
	}
	p.Archived = true
	return http.StatusNoContent, nil
}
