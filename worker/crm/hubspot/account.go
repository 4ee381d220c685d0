package hubspot

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// account is what is known about the HubSpot account of the token.
type account struct {
	PortalID int64  `json:"portalId"`
	UIDomain string `json:"uiDomain"`
	OffsetMS int64  `json:"utcOffsetMilliseconds"` // of its time zone, east of UTC
}

// parseAccount returns nil if body does not describe an account.
func parseAccount(body []byte) *account {
	a := &account{}
	if json.Unmarshal(body, a) != nil || a.PortalID == 0 {
		return nil
	}
	a.UIDomain = cmp.Or(a.UIDomain, "app.hubspot.com")
	return a
}

// recordURL returns where a person can see a contact. 0-1 is HubSpot's object type for contacts.
func (a *account) recordURL(id string) string {
	return fmt.Sprintf("https://%s/contacts/%d/record/0-1/%s", a.UIDomain, a.PortalID, id)
}

// untilMidnight returns the time to midnight in the account's time zone.
func (a *account) untilMidnight(now time.Time) time.Duration {
	const day = 24 * time.Hour
	local := now.Add(time.Duration(a.OffsetMS) * time.Millisecond).UTC()
	return local.Truncate(day).Add(day).Sub(local)
}
