package leadgate

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// Accepted is a lead that the gateway keeps.
type Accepted struct {
	// LeadID is the lead's identifier.
	LeadID string
	// Replayed says that the gateway had it before, under the same key.
	Replayed bool
	// Suggestions are what the visitor of a form probably meant: ask them. The submission was taken as it came.
	Suggestions []Suggestion
}

// Suggestion is what a visitor probably meant.
type Suggestion struct {
	// Field is the form's own name of the field.
	Field string
	// DidYouMean is the value that is probably right, such as ada@gmail.com for ada@gmial.com.
	DidYouMean string
}

type submission struct {
	key     string
	visitor Visitor
}

// SubmitOption changes one submission.
type SubmitOption func(*submission)

// WithKey sets the idempotency key: 1 to 255 printable ASCII characters that stand for the reason of the lead, such as an
// order's number. Without it each call has a new one, which protects it against lost answers only.
func WithKey(key string) SubmitOption { return func(s *submission) { s.key = key } }

// Visitor is who filled in a form that your own server passes on. What is empty is not known.
type Visitor struct {
	// Address is the visitor's IP address. The gateway believes it of callers whose API key has the role submit.
	Address string
	// UserAgent is what the browser says of itself.
	UserAgent string
	// Page is the address of the page that held the form, with the campaign's parameters.
	Page string
}

// WithVisitor says who filled in a form.
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

// Submit submits a lead. The rules of lead.proto hold as sent: phone in E.164, country in ISO 3166-1 alpha-2. Errors: [*Error]
// for what the gateway answered, that of ctx, or that of the connection.
func (c *Client) Submit(ctx context.Context, lead *leadgatev1.Lead, options ...SubmitOption) (Accepted, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	answer, err := repeat(ctx, &leadgatev1.SubmitLeadRequest{Lead: lead, IdempotencyKey: newSubmission(options).key}, c.leads.SubmitLead)
	if err != nil {
		return Accepted{}, err
	}
	return Accepted{LeadID: answer.GetLeadId(), Replayed: answer.GetReplayed()}, nil
}

// repeat makes a call until there is an answer that will not change, but for so many attempts, within the call's deadline.
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

// Field is a field of a form, under the form's own name.
type Field struct {
	Name   string
	Values []string
}

// SubmitForm submits what came through a form, as a page would: the form's configuration maps and cleans it. Say who filled it in
// with [WithVisitor]. A client without an API key counts as one visitor, of whom the gateway takes so many submissions only.
// Errors are those of Submit; violations name the form's fields.
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
