package observe

import (
	"context"
	"sync/atomic"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// How many leads' addresses are cached, so that the lines of one lead read it only once.
const maxRemembered = 1000

// fullData provides personal data for log lines. Events are masked, so the full data is read from the store. Except for shown, it
// is not safe for concurrent use.
type fullData struct {
	shown    atomic.Bool
	lead     func(ctx context.Context, leadID string) (*leadgatev1.LeadRecord, error)
	delivery func(ctx context.Context, deliveryID string) (*leadgatev1.Delivery, error)
	people   map[string]string // e-mail addresses by lead identifier
}

// mask masks e-mail addresses, unless personal data is shown.
func (f *fullData) mask(text string) string {
	if f.shown.Load() {
		return text
	}
	return maskEmails(text)
}

// person returns the lead's e-mail address if it is to be shown, and otherwise the masked person.
func (f *fullData) person(e *leadgatev1.LeadEvent) string {
	if !f.shown.Load() || e.GetPerson() == "" {
		return e.GetPerson()
	}
	if known, ok := f.people[e.GetLeadId()]; ok {
		return known
	}
	record, err := f.lead(context.Background(), e.GetLeadId())
	if err != nil || record.GetLead().GetEmail() == "" {
		return e.GetPerson() // refused, erased meanwhile, or the store is closed
	}
	if f.people == nil || len(f.people) >= maxRemembered {
		f.people = map[string]string{}
	}
	f.people[e.GetLeadId()] = record.GetLead().GetEmail()
	return record.GetLead().GetEmail()
}

// crmBody returns the CRM's answer, in full if it is to be shown.
func (f *fullData) crmBody(e *leadgatev1.LeadEvent) string {
	if !f.shown.Load() || e.GetCrmBody() == "" {
		return e.GetCrmBody()
	}
	delivery, err := f.delivery(context.Background(), e.GetDeliveryId())
	if err != nil {
		return e.GetCrmBody()
	}
	for _, attempt := range delivery.GetAttempts() {
		if attempt.GetNumber() == e.GetAttempt() && attempt.GetCrmBody() != "" {
			return attempt.GetCrmBody()
		}
	}
	return e.GetCrmBody()
}
