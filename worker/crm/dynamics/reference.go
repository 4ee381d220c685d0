package dynamics

import (
	"regexp"
	"strings"

	"github.com/leadgate/leadgate/worker/crm/draft"
)

// bindSuffix ends the name of a property that refers to another record by its path, as in "campaignid@odata.bind": "/campaigns(…)".
// The name is that of the navigation property, which is case-sensitive: it is lower case for built-in columns, and as it was
// created for others.
const bindSuffix = "@odata.bind"

// readAs returns the name under which a column is read.
func readAs(column string) string {
	if name, is := strings.CutSuffix(column, bindSuffix); is {
		return "_" + strings.ToLower(name) + "_value"
	}
	return column
}

// writtenAs returns the sent column that Dynamics calls by a name; empty if there is none.
func writtenAs(name string, lead *draft.Draft) string {
	for column := range lead.Values {
		if column == name || column == name+bindSuffix || readAs(column) == name {
			return column
		}
	}
	return ""
}

var nobodyPattern = regexp.MustCompile(`With Id = ([0-9a-fA-F-]{36}) Does Not Exist`)

// referring returns the sent column that refers to a record that does not exist; empty if it is the lead's own record that is
// missing.
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
