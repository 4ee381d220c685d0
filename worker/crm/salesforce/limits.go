package salesforce

import (
	"regexp"
	"strconv"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

// usage matches how many calls of the last 24 hours were used, and how many there are: api-usage=18/15000. More may follow.
var usage = regexp.MustCompile(`(?:^|[;, ])api-usage=(\d+)/(\d+)`)

// report passes on what an answer says about the organisation's quota, which all its integrations share.
func (d *destination) report(answer *crm.Answer) {
	found := usage.FindStringSubmatch(answer.Header.Get("Sforce-Limit-Info"))
	if found == nil || d.env.Report == nil {
		return
	}
	used, err := strconv.Atoi(found[1])
	limit, err2 := strconv.Atoi(found[2])
	if err != nil || err2 != nil || limit <= 0 {
		return
	}
	d.env.Report(crm.Quota{Window: 24 * time.Hour, Limit: limit, Remaining: max(0, limit-used)})
}
