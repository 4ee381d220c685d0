package leadgate

import (
	"context"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Accepted is a lead that the gateway keeps.
type Accepted struct {
	// LeadID is the lead's identifier.
	LeadID string
	// Replayed says that the gateway had it before, under the same key.
	Replayed bool
}

type submission struct{ key string }

// SubmitOption changes one submission.
type SubmitOption func(*submission)

// WithKey sets the idempotency key: 1 to 255 printable ASCII characters that stand for the reason of the lead, such as an
// order's number. Without it each call has a new one, which protects it against lost answers only.
func WithKey(key string) SubmitOption { return func(s *submission) { s.key = key } }

func newSubmission(options []SubmitOption) submission {
	var s submission
	for _, option := range options {
		option(&s)
	}
	if s.key == "" {
		s.key = NewKey()
	}
	return s
}

// Submit submits a lead. The rules of lead.proto hold as sent: phone in E.164, country in ISO 3166-1 alpha-2. Errors: [*Error]
// for what the gateway answered, that of ctx, or that of the connection.
func (c *Client) Submit(ctx context.Context, lead *leadgatev1.Lead, options ...SubmitOption) (Accepted, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	answer, err := c.leads.SubmitLead(ctx, &leadgatev1.SubmitLeadRequest{Lead: lead, IdempotencyKey: newSubmission(options).key})
	if err != nil {
		return Accepted{}, errorOf(err)
	}
	return Accepted{answer.GetLeadId(), answer.GetReplayed()}, nil
}

// Field is a field of a form, under the form's own name.
type Field struct {
	Name   string
	Values []string
}

// SubmitForm submits what came through a form, as a page would: the form's configuration maps and cleans it. Errors are those
// of Submit; violations name the form's fields.
func (c *Client) SubmitForm(ctx context.Context, form string, fields []Field, options ...SubmitOption) (Accepted, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	request := &leadgatev1.SubmitFormRequest{Form: form, Submission: &leadgatev1.Submission{}, IdempotencyKey: newSubmission(options).key}
	for _, field := range fields {
		request.Submission.Fields = append(request.Submission.Fields, &leadgatev1.Submission_Field{Name: field.Name, Values: field.Values})
	}
	answer, err := c.leads.SubmitForm(ctx, request)
	if err != nil {
		return Accepted{}, errorOf(err)
	}
	return Accepted{answer.GetLeadId(), answer.GetReplayed()}, nil
}
