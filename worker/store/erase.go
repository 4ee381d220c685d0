package store

import (
	"slices"
	"strings"

	"golang.org/x/net/idna"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Bounds of what counts as an address in a submission: the longest address there is (RFC 5321), and how many are looked for.
const (
	maxAddress   = 254
	maxAddresses = 20
)

// Address is an e-mail address as leads are found by it: lower case, the domain in ASCII (xn--…), as forms' are kept.
func Address(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		if domain, err := idna.Lookup.ToASCII(text[at+1:]); err == nil {
			text = text[:at+1] + domain
		}
	}
	return text
}

// Addresses returns the e-mail addresses that a lead record names: the lead's own, then those that it had before it was amended;
// or, where it has none because it could not be mapped, those that stand in its submission. Finding and erasing a person goes
// by them. A lead of one person that mentions another is not the other's.
func Addresses(r *leadgatev1.LeadRecord) []string {
	var found []string
	for _, email := range append([]string{r.GetLead().GetEmail()}, r.GetFormerEmails()...) {
		if email != "" && !slices.Contains(found, email) {
			found = append(found, email)
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, field := range r.GetSubmission().GetFields() {
		for _, value := range field.GetValues() {
			if len(found) == maxAddresses {
				return found
			}
			if address := Address(value); isAddress(address) && !slices.Contains(found, address) {
				found = append(found, address)
			}
		}
	}
	return found
}

// isAddress tells roughly; what is not an address is found by nobody.
func isAddress(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && domain != "" && len(text) <= maxAddress && !strings.ContainsAny(text, " \t\r\n,;<>")
}

// Forget returns an event without what it says of the person: what happened, where and when, and no more. The event itself
// is not changed, as watchers may be reading it.
func Forget(event *leadgatev1.Event) *leadgatev1.Event {
	was := event.GetLead()
	if was == nil {
		return event
	}
	return &leadgatev1.Event{Id: event.GetId(), Time: event.GetTime(), Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: was.GetStage(), LeadId: was.GetLeadId(), Form: was.GetForm(), Destination: was.GetDestination(), DeliveryId: was.GetDeliveryId(),
		Attempt: was.GetAttempt(), Duration: was.GetDuration(), CrmStatus: was.GetCrmStatus(), NextAttemptTime: was.GetNextAttemptTime(),
	}}}
}

// ForgetRecord returns a lead record without its content.
func ForgetRecord(r *leadgatev1.LeadRecord) *leadgatev1.LeadRecord {
	forgotten := &leadgatev1.LeadRecord{
		LeadId: r.GetLeadId(), Sequence: r.GetSequence(), State: leadgatev1.LeadState_LEAD_STATE_ERASED, CreateTime: r.GetCreateTime(),
		ConfigRevision: r.GetConfigRevision(), LinkedLeadId: r.GetLinkedLeadId(),
	}
	if form := r.GetLead().GetSource().GetForm(); form != "" {
		forgotten.Lead = &leadgatev1.Lead{Source: &leadgatev1.Source{Form: form}}
	}
	return forgotten
}

// ForgetDelivery returns a delivery without what it says of the person. The CRM's record is kept, so that it can be erased
// there, unless it is named by one of the addresses.
func ForgetDelivery(d *leadgatev1.Delivery, addresses []string) *leadgatev1.Delivery {
	d = proto.CloneOf(d)
	d.Reason, d.LastError, d.DueTime, d.FailingFor = "", "", nil, nil
	for _, address := range addresses {
		for _, field := range []*string{&d.RecordId, &d.RecordUrl} {
			if strings.Contains(strings.ToLower(*field), address) {
				*field = ""
			}
		}
	}
	return d
}

// ForgetAttempt returns an attempt without what was sent and answered.
func ForgetAttempt(a *leadgatev1.Attempt) *leadgatev1.Attempt {
	a = proto.CloneOf(a)
	a.Payload, a.CrmBody, a.Error = "", "", ""
	return a
}
