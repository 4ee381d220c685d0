package mapping

import (
	"fmt"
	"strings"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// consentPrefix begins the name of a part of a consent: consents.newsletter.granted.
const consentPrefix = "consents."

// parseConsent parses PURPOSE.PART. The purpose may contain dots.
func parseConsent(path string) (field, error) {
	dot := strings.LastIndexByte(path, '.')
	if dot <= 0 {
		return field{}, fmt.Errorf("%q: name a purpose and a part of it, such as consents.newsletter.granted", consentPrefix+path)
	}
	f := field{purpose: path[:dot], part: path[dot+1:]}
	switch f.part {
	case "granted", "text", "text_version", "time", "page_url", "ip":
		return f, nil
	}
	return field{}, fmt.Errorf("%q: a consent has granted, text, text_version, time, page_url and ip", consentPrefix+path)
}

// ofConsent returns the part of the last consent for the purpose; nil if the lead has none, which is not the same as a refusal.
func (f field) ofConsent(lead *leadgatev1.Lead) any {
	var found *leadgatev1.Consent
	for _, c := range lead.GetConsents() {
		if c.GetPurpose() == f.purpose {
			found = c
		}
	}
	if found == nil {
		return nil
	}
	switch f.part {
	case "granted":
		return found.GetGranted()
	case "text":
		return text(found.GetText())
	case "text_version":
		return text(found.GetTextVersion())
	case "page_url":
		return text(found.GetPageUrl())
	case "ip":
		return text(found.GetIp())
	}
	if found.GetTime() == nil {
		return nil
	}
	return found.GetTime().AsTime().Format(time.RFC3339)
}
