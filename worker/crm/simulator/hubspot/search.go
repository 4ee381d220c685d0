package hubspot

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// filter is one condition of a search.
type filter struct {
	Property string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Value    string   `json:"value"`
	Values   []string `json:"values"`
}

// search returns contacts that match all filters of one of the groups, oldest first. It does not find a new contact until SearchLag
// has passed.
func (a *api) search(r *http.Request) (int, any) {
	var body struct {
		FilterGroups []struct {
			Filters []filter `json:"filters"`
		} `json:"filterGroups"`
		Properties []string `json:"properties"`
		Limit      int      `json:"limit"`
		After      string   `json:"after"`
	}
	if status, body := decode(r, &body); body != nil {
		return status, body
	}
	indexed := a.options.Now().Add(-a.options.SearchLag)
	found := []object{}
	for _, c := range a.contacts.order {
		matches := len(body.FilterGroups) == 0
		for _, group := range body.FilterGroups {
			matches = matches || !slices.ContainsFunc(group.Filters, func(f filter) bool { return !f.matches(c) })
		}
		if matches && !c.created.After(indexed) {
			found = append(found, shown(c, body.Properties))
		}
	}
	total := len(found)
	from, err := strconv.Atoi(body.After)
	if body.After != "" && (err != nil || from < 0) {
		return http.StatusBadRequest, invalid("after is not a place in the results")
	}
	if body.Limit <= 0 {
		body.Limit = 10
	}
	from = min(from, total)
	to := min(from+min(body.Limit, 200), total)
	answer := map[string]any{"total": total, "results": found[from:to]}
	if to < total {
		answer["paging"] = map[string]any{"next": map[string]string{"after": strconv.Itoa(to)}}
	}
	return http.StatusOK, answer
}

func (f filter) matches(c *contact) bool {
	value, has := c.properties[f.Property]
	value = strings.ToLower(value)
	switch f.Operator {
	case "EQ":
		return has && value == strings.ToLower(f.Value)
	case "NEQ":
		return value != strings.ToLower(f.Value)
	case "IN":
		return has && slices.ContainsFunc(f.Values, func(one string) bool { return value == strings.ToLower(one) })
	case "GTE": // for dates
		at, err := time.Parse(timeFormat, c.properties[f.Property])
		since, err2 := strconv.ParseInt(f.Value, 10, 64)
		return err == nil && err2 == nil && at.UnixMilli() >= since
	case "HAS_PROPERTY":
		return has
	case "NOT_HAS_PROPERTY":
		return !has
	case "CONTAINS_TOKEN":
		return strings.Contains(value, strings.ToLower(strings.Trim(f.Value, "*")))
	}
	return false
}
