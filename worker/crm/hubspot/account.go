package hubspot

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// account is what is known of the HubSpot account behind the token.
type account struct {
	PortalID int64  `json:"portalId"`
	UIDomain string `json:"uiDomain"`
	OffsetMS int64  `json:"utcOffsetMilliseconds"` // of its time zone, east of Greenwich
}

// parseAccount returns nil for what is not an account's details.
func parseAccount(body []byte) *account {
	a := &account{}
	if json.Unmarshal(body, a) != nil || a.PortalID == 0 {
		return nil
	}
	a.UIDomain = cmp.Or(a.UIDomain, "app.hubspot.com")
	return a
}

// recordURL is where a person sees a contact. 0-1 is HubSpot's number for contacts.
func (a *account) recordURL(id string) string {
	return fmt.Sprintf("https://%s/contacts/%d/record/0-1/%s", a.UIDomain, a.PortalID, id)
}

// untilMidnight is how long the day still lasts where the account is.
func (a *account) untilMidnight(now time.Time) time.Duration {
	const day = 24 * time.Hour
	local := now.Add(time.Duration(a.OffsetMS) * time.Millisecond).UTC()
	return local.Truncate(day).Add(day).Sub(local)
}
