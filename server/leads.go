package server

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/spelling"
	"github.com/leadgate/leadgate/worker/store"
)

const (
	// defaultPage is how many leads a page has by default.
	defaultPage = 100
	// backendScope is the scope of idempotency keys of callers without an API key.
	backendScope = "api"
)

// leads implements LeadService; forms.go takes what pages send. The interceptors have checked requests against their rules.
type leads struct {
	leadgatev1.UnimplementedLeadServiceServer
	*Server
}

// SubmitLead implements LeadServiceServer.
func (s *leads) SubmitLead(ctx context.Context, r *leadgatev1.SubmitLeadRequest) (*leadgatev1.SubmitLeadResponse, error) {
	a, err := s.arrival(callOf(ctx), r)
	if err != nil {
		return nil, err
	}
	leadID, replayed, err := s.accept(ctx, a)
	if err != nil {
		return nil, err
	}
	return &leadgatev1.SubmitLeadResponse{LeadId: leadID, Replayed: &replayed}, nil
}

// arrival reads a backend's lead, which was checked against its rules.
func (s *leads) arrival(c *call, r *leadgatev1.SubmitLeadRequest) (*arrival, error) {
	h := s.house()
	key, err := agreedKey(c.key, r.GetIdempotencyKey())
	if err != nil {
		return nil, err
	}
	a := &arrival{call: c, house: h, lead: r.GetLead(), form: r.GetLead().GetSource().GetForm(), scope: backendScope, key: key}
	if c.apiKey != "" {
		a.scope = c.apiKey
	}
	if a.destinations = h.snapshot.Config.GetLeads().GetDestinations(); a.form != "" {
		form := h.forms[a.form]
		if form == nil {
			return nil, violated("the lead", []violation{{"lead.source.form", "form.known", h.noForm(a.form)}})
		}
		c.form = a.form
		if refusing := s.decide(form, a); refusing != nil {
			return nil, violated("the lead", []violation{refusing.violation()})
		}
	}
	if key != "" {
		a.payload = leadPayload(a.lead)
	}
	return a, nil
}

// leadPayload returns what makes two leads under one key the same: the fields that are set, by name. A list or nested message is one
// field; each custom field is one of its own.
func leadPayload(lead *leadgatev1.Lead) []store.Field {
	payload := make([]store.Field, 0, 16) // most leads have fewer
	add := func(name string, value []byte) { payload = append(payload, store.Field{Name: name, Value: value}) }
	// It cannot fail: the message is valid UTF-8.
	encode := func(m proto.Message) []byte {
		encoded, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		return encoded
	}
	lead.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		name := string(field.Name())
		switch {
		case field.IsMap(): // custom
			value.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				add(name+"."+key.String(), encode(value.Message().Interface()))
				return true
			})
		case field.Kind() == protoreflect.StringKind && !field.IsList():
			add(name, []byte(value.String()))
		default:
			one := lead.ProtoReflect().New() // a lead with this field alone
			one.Set(field, value)
			add(name, encode(one.Interface()))
		}
		return true
	})
	return payload
}

// GetLead implements LeadServiceServer.
func (s *leads) GetLead(ctx context.Context, r *leadgatev1.GetLeadRequest) (*leadgatev1.GetLeadResponse, error) {
	record, err := s.store.Lead(ctx, r.GetLeadId())
	if err != nil {
		return nil, worker.StatusOf(err, "lead")
	}
	deliveries, err := s.store.LeadDeliveries(ctx, r.GetLeadId())
	if err != nil {
		return nil, worker.StatusOf(err, "lead")
	}
	timeline, err := s.store.Timeline(ctx, r.GetLeadId())
	if err != nil {
		return nil, worker.StatusOf(err, "lead")
	}
	return &leadgatev1.GetLeadResponse{Record: record, Deliveries: deliveries, Timeline: timeline}, nil
}

// ListLeads implements LeadServiceServer.
func (s *leads) ListLeads(ctx context.Context, r *leadgatev1.ListLeadsRequest) (*leadgatev1.ListLeadsResponse, error) {
	size := int(r.GetPageSize())
	if size == 0 {
		size = defaultPage
	}
	q := store.LeadQuery{State: r.GetState(), Reason: r.GetReason(), Form: r.GetForm(), Email: store.Address(r.GetEmail())}
	if r.GetSince() != nil {
		q.Since = r.GetSince().AsTime()
	}
	if r.GetUntil() != nil {
		q.Until = r.GetUntil().AsTime()
	}
	page, next, err := s.store.Leads(ctx, q, size, r.GetPageToken())
	if err != nil {
		return nil, worker.StatusOf(err, "lead")
	}
	answer := &leadgatev1.ListLeadsResponse{Leads: page, NextPageToken: next}
	if r.GetWithDeliveries() {
		ids := make([]string, len(page))
		for i, record := range page {
			ids[i] = record.GetLeadId()
		}
		if answer.Deliveries, err = s.store.DeliveriesOf(ctx, ids...); err != nil {
			return nil, worker.StatusOf(err, "lead")
		}
	}
	return answer, nil
}

// formUnknown tells a backend or an operator which form was probably meant. Pages are not told the names of other forms.
func (s *Server) formUnknown(name string) error {
	return worker.Failure(nil, codes.NotFound, &errdetails.ErrorInfo{Reason: "FORM_NOT_FOUND"}, s.house().noForm(name))
}

// noForm says that there is no form of that name, and which was probably meant.
func (h *house) noForm(name string) string {
	if near := spelling.Nearest(name, slices.Sorted(maps.Keys(h.forms))); near != "" {
		return fmt.Sprintf("there is no form %q; did you mean %q?", name, near)
	}
	return fmt.Sprintf(unknownForm, name)
}

// formNotFound tells a page that its form does not exist.
func formNotFound(name string) error {
	return worker.Failure(nil, codes.NotFound, &errdetails.ErrorInfo{Reason: "FORM_NOT_FOUND"}, fmt.Sprintf(unknownForm, name))
}

const unknownForm = "there is no form %q; forms are named under forms in the configuration"
