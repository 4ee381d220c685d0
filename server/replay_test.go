package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// racing is a store that starts an attempt as soon as a replay has read the deliveries, and finishes it after the replay's change.
// Nothing else claims deliveries.
type racing struct {
	store.Store
	t      *testing.T
	begin  sync.Once
	settle sync.Once
	step   *store.Step
}

func (r *racing) Claim(context.Context, string, int) (store.Claims, error) {
	return store.Claims{}, nil
}

func (r *racing) LeadDeliveries(ctx context.Context, leadID string) ([]*leadgatev1.Delivery, error) {
	deliveries, err := r.Store.LeadDeliveries(ctx, leadID)
	r.begin.Do(func() {
		claims, err := r.Store.Claim(ctx, "crm", 1)
		if err != nil || len(claims.Items) != 1 {
			r.t.Errorf("claims are %v, %v", claims, err)
			return
		}
		d := claims.Items[0].Delivery
		d.AttemptCount, d.Revision = 1, 1
		r.step = &store.Step{Claim: claims.Items[0], Delivery: d, Attempt: &leadgatev1.Attempt{Number: 1, Revision: 1, Payload: "{}", StartTime: timestamppb.Now()}}
		if results, err := r.Begin(ctx, r.step); err != nil || results[0].Err != nil {
			r.t.Errorf("begin: %v, %v", results, err)
		}
	})
	return deliveries, err
}

func (r *racing) Amend(ctx context.Context, amendments ...*store.Amendment) ([]store.Amended, error) {
	amended, err := r.Store.Amend(ctx, amendments...)
	r.settle.Do(func() {
		r.step.Delivery.State = leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED
		if results, err := r.Settle(ctx, r.step); err != nil || results[0].Err != nil {
			r.t.Errorf("settle: %v, %v", results, err)
		}
	})
	return amended, err
}

func TestALeadThatIsSentWhileItIsReplayedIsSentAgain(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: twoLines, store: func(s store.Store) store.Store { return &racing{Store: s, t: t} }})
	a := h.post(contact, asForm, "email=ada@example.com&zz9=Engines").expect(t, 201)
	id := strings.TrimPrefix(a.header.Get("Location"), "/v1/leads/")
	h.reload(strings.Replace(twoLines, "contact: {}", "contact: { fields: { email: email, zz9: company } }", 1))
	h.post("/v1/leads:replay", asJSON, `{"filter":{"form":"contact"}}`).expect(t, 200, `"updated":"1"`)
	record, err := h.store.Lead(t.Context(), id)
	if err != nil || record.GetLead().GetCompany() != "Engines" {
		t.Errorf("the lead is %v, %v", record, err)
	}
	d, err := h.store.Delivery(t.Context(), id+".crm")
	if err != nil || d.GetState() != leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT {
		t.Errorf("the CRM has what the lead was, and the delivery is %v, %v", d, err)
	}
}

// Deliveries are held after a restored backup, and while their destination leads to another account. What is corrected meanwhile must
// reach them.
func TestAReplayReachesWhatIsHeld(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	a := h.post("/v1/forms/contact/submissions", asForm, "email=ada@example.com&telefon=(415)+555-0132").expect(t, 201)
	id := a.body["leadId"].(string)
	held, err := h.store.Hold(t.Context(), &store.Hold{DeliveryID: id + ".crm", Reason: "restored"})
	if err != nil || held[0].Err != nil {
		t.Fatal(err, held)
	}
	h.reload(strings.Replace(contactForm, "phone: phone,", "phone: phone, telefon: phone,", 1))
	replay := `{"filter":{"form":"contact"}`
	h.post("/v1/leads:replay", asJSON, replay+`,"dryRun":true}`).expect(t, 200, `"updated":"1"`, "+14155550132")
	h.post("/v1/leads:replay", asJSON, replay+`}`).expect(t, 200, `"updated":"1"`)
	h.send(http.MethodGet, "/v1/leads/"+id, "", "").expect(t, 200, `"phone":"+14155550132"`, leadgatev1.DeliveryState_DELIVERY_STATE_HELD.String())
	h.post("/v1/leads:replay", asJSON, replay+`}`).expect(t, 200, `"unchanged":"1"`)
}
