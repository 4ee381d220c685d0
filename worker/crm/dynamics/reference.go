package dynamics

import (
	"regexp"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/draft"
)

// bindSuffix is behind the name of a property that refers to another record by its path, as in
// "campaignid@odata.bind": "/campaigns(…)". The name is that of the navigation property, whose case matters: columns that
// Dynamics comes with have lower case, others the case that they were made with.
const bindSuffix = "@odata.bind"

// readAs is the name that a column is read under.
func readAs(column string) string {
	if name, is := strings.CutSuffix(column, bindSuffix); is {
		return "_" + strings.ToLower(name) + "_value"
	}
	return column
}

// writtenAs is the sent column that Dynamics calls by a name; empty if none was.
func writtenAs(name string, lead *draft.Draft) string {
	for column := range lead.Values {
		if column == name || column == name+bindSuffix || readAs(column) == name {
			return column
		}
	}
	return ""
}

var nobodyPattern = regexp.MustCompile(`With Id = ([0-9a-fA-F-]{36}) Does Not Exist`)

// referring is the sent column that refers to a record which is not there; empty if it is the lead's own record that is missing.
func (p problem) referring(lead *draft.Draft) string {
	found := nobodyPattern.FindStringSubmatch(p.Message)
	if found == nil {
		return ""
	}
	for column := range lead.Values {
		if strings.HasSuffix(column, bindSuffix) && strings.Contains(strings.ToLower(lead.Text(column)), strings.ToLower(found[1])) {
			return column
		}
	}
	return ""
}
