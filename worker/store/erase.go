package store

import (
	"slices"
	"strings"

	"golang.org/x/net/idna"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// The limits for addresses in a submission: the longest address (RFC 5321) and how many are looked for.
const (
	maxAddress   = 254
	maxAddresses = 20
)

// Address normalises an e-mail address for lookups: lower case, with the domain in ASCII (xn--…), as it is stored.
func Address(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		if domain, err := idna.Lookup.ToASCII(text[at+1:]); err == nil {
			text = text[:at+1] + domain
		}
	}
	return text
}

// Addresses returns the e-mail addresses of a lead record: its own, then those it had before it was amended. If it has none,
// because it could not be mapped, they are the addresses in its submission. They decide whose lead it is when a person is looked
// up or erased. A lead of one person that mentions another is not the other's.
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

// isAddress is approximate: text that it rejects cannot be searched for.
func isAddress(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && domain != "" && len(text) <= maxAddress && !strings.ContainsAny(text, " \t\r\n,;<>")
}

// Forget returns a copy of an event without personal data: only what happened, where and when. The event itself may have readers
// and is not changed.
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

// ForgetDelivery returns a copy of a delivery without personal data. It keeps the CRM's record, so that it can be erased there,
// unless that contains one of the addresses.
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

// ForgetAttempt returns a copy of an attempt without payload and answer.
func ForgetAttempt(a *leadgatev1.Attempt) *leadgatev1.Attempt {
	a = proto.CloneOf(a)
	a.Payload, a.CrmBody, a.Error = "", "", ""
	return a
}
