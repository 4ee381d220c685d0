package observe

import (
	"context"
	"sync/atomic"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// How many leads' addresses are remembered, so that the lines of one lead read it once.
const maxRemembered = 1000

// fullData knows what log lines show of a lead's own data. Events are masked, so what is to be shown in full is read from the
// store. It belongs to one goroutine, but for shown.
type fullData struct {
	shown    atomic.Bool
	lead     func(ctx context.Context, leadID string) (*leadgatev1.LeadRecord, error)
	delivery func(ctx context.Context, deliveryID string) (*leadgatev1.Delivery, error)
	people   map[string]string // e-mail addresses by lead
}

// mask masks e-mail addresses, unless they are to be shown.
func (f *fullData) mask(text string) string {
	if f.shown.Load() {
		return text
	}
	return maskEmails(text)
}

// person is who a lead is.
func (f *fullData) person(e *leadgatev1.LeadEvent) string {
	if !f.shown.Load() || e.GetPerson() == "" {
		return e.GetPerson()
	}
	if known, ok := f.people[e.GetLeadId()]; ok {
		return known
	}
	record, err := f.lead(context.Background(), e.GetLeadId())
	if err != nil || record.GetLead().GetEmail() == "" {
		return e.GetPerson() // refused, erased meanwhile, or the store is closing
	}
	if f.people == nil || len(f.people) >= maxRemembered {
		f.people = map[string]string{}
	}
	f.people[e.GetLeadId()] = record.GetLead().GetEmail()
	return record.GetLead().GetEmail()
}

// crmBody is what the CRM answered.
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
