package leadgate

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Accepted is the answer for a lead that the gateway has stored.
type Accepted struct {
	// LeadID is the lead's identifier.
	LeadID string
	// Replayed reports whether the gateway already had the lead, under the same key.
	Replayed bool
	// Suggestions are probable corrections to what a form's visitor wrote: ask the visitor. The submission was accepted unchanged.
	Suggestions []Suggestion
}

// Suggestion is a probable correction of one value.
type Suggestion struct {
	// Field is the form's own name of the field.
	Field string
	// DidYouMean is the probable value, such as ada@gmail.com for ada@gmial.com.
	DidYouMean string
}

type submission struct {
	key     string
	visitor Visitor
}

// SubmitOption configures one submission.
type SubmitOption func(*submission)

// WithKey sets the idempotency key: 1 to 255 printable ASCII characters that identify the reason for the lead, such as an order
// number. Without it each call generates a key, which protects only against lost answers.
func WithKey(key string) SubmitOption { return func(s *submission) { s.key = key } }

// Visitor describes who filled in a form that your own server passes on. Leave unknown fields empty.
type Visitor struct {
	// Address is the visitor's IP address. The gateway accepts it only from callers whose API key has the role submit.
	Address string
	// UserAgent is the browser's User-Agent header.
	UserAgent string
	// Page is the URL of the page with the form, including campaign parameters.
	Page string
}

// WithVisitor sets who filled in a form.
func WithVisitor(visitor Visitor) SubmitOption {
	return func(s *submission) { s.visitor = visitor }
}

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

// Submit submits a lead, in the format that lead.proto requires: phone in E.164, country in ISO 3166-1 alpha-2. It returns an
// [*Error] for a refusal, and otherwise the error of ctx or of the connection.
func (c *Client) Submit(ctx context.Context, lead *leadgatev1.Lead, options ...SubmitOption) (Accepted, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	answer, err := repeat(ctx, &leadgatev1.SubmitLeadRequest{Lead: lead, IdempotencyKey: newSubmission(options).key}, c.leads.SubmitLead)
	if err != nil {
		return Accepted{}, err
	}
	return Accepted{LeadID: answer.GetLeadId(), Replayed: answer.GetReplayed()}, nil
}

// repeat makes a call until its answer is final, at most attempts times and within the deadline of ctx.
func repeat[Request proto.Message, Answer any](ctx context.Context, r Request, call func(context.Context, Request, ...grpc.CallOption) (Answer, error)) (Answer, error) {
	for attempt := 1; ; attempt++ {
		answer, err := call(ctx, r)
		if err == nil {
			return answer, nil
		}
		if never := unsendable(r); never != nil {
			return answer, never
		}
		err = errorOf(err)
		if attempt == attempts || !passing(err) || pause(ctx, attempt, err) != nil {
			return answer, err
		}
	}
}

// Field is a form field, under the form's own name.
type Field struct {
	Name   string
	Values []string
}

// SubmitForm submits a form's fields as its page would: the form's configuration maps and cleans them. Pass [WithVisitor] to say
// who filled it in. A client without an API key counts as a single visitor, whose submissions the gateway rate-limits. Errors are
// as for [Client.Submit]; violations name the form's fields.
func (c *Client) SubmitForm(ctx context.Context, form string, fields []Field, options ...SubmitOption) (Accepted, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	s := newSubmission(options)
	request := &leadgatev1.SubmitFormRequest{Form: form, IdempotencyKey: s.key, Submission: &leadgatev1.Submission{
		Address: s.visitor.Address, UserAgent: s.visitor.UserAgent, PageUrl: s.visitor.Page,
	}}
	for _, field := range fields {
		request.Submission.Fields = append(request.Submission.Fields, &leadgatev1.Submission_Field{Name: field.Name, Values: field.Values})
	}
	answer, err := repeat(ctx, request, c.leads.SubmitForm)
	if err != nil {
		return Accepted{}, err
	}
	accepted := Accepted{LeadID: answer.GetLeadId(), Replayed: answer.GetReplayed()}
	for _, suggestion := range answer.GetSuggestions() {
		accepted.Suggestions = append(accepted.Suggestions, Suggestion{suggestion.GetField(), suggestion.GetDidYouMean()})
	}
	return accepted, nil
}
