package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// allLeads reads all pages and returns the lead IDs.
func (r *rig) allLeads(q store.LeadQuery, limit int) []string {
	r.t.Helper()
	var ids []string
	for token := ""; ; {
		page, next, err := r.Leads(r.ctx, q, limit, token)
		if err != nil {
			r.t.Fatal(err)
		}
		if len(page) > limit {
			r.t.Fatalf("a page of %d, limit %d", len(page), limit)
		}
		for _, record := range page {
			ids = append(ids, record.GetLeadId())
		}
		if token = next; next == "" {
			return ids
		}
	}
}

// allDeliveries reads all pages and returns the deliveries.
func (r *rig) allDeliveries(q store.DeliveryQuery, limit int) []*leadgatev1.Delivery {
	r.t.Helper()
	var all []*leadgatev1.Delivery
	for token := ""; ; {
		page, next, err := r.Deliveries(r.ctx, q, limit, token)
		if err != nil {
			r.t.Fatal(err)
		}
		if len(page) > limit {
			r.t.Fatalf("a page of %d, limit %d", len(page), limit)
		}
		all = append(all, page...)
		if token = next; next == "" {
			return all
		}
	}
}

func pageSuite() suite {
	// shop accepts five leads, a minute apart: two from Ada, one from Bob through another form, and two held ones.
	shop := func(r *rig) (ids []string) {
		leads := []*store.Acceptance{
			r.lead("ada@example.com"), r.lead("bob@example.com", "crm", "archive"), r.lead("ada@example.com"),
			r.heldLead("", leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE), r.heldLead("ada@example.com", leadgatev1.HoldReason_HOLD_REASON_KEY_REUSED),
		}
		leads[1].Record.Lead.Source.Form = "newsletter"
		for _, a := range leads {
			a.Record.LeadId, a.Record.CreateTime = r.newLeadID(), r.now()
			r.accept(a)
			ids = append(ids, a.Record.GetLeadId())
			r.clock.advance(time.Minute)
		}
		return ids
	}

	return suite{
		"LeadsAreFilteredNewestFirst": func(t *testing.T, r *rig) {
			start := r.clock.time()
			ids := shop(r)
			for what, c := range map[string]struct {
				q    store.LeadQuery
				want []int
			}{
				"everything":   {store.LeadQuery{}, []int{4, 3, 2, 1, 0}},
				"held":         {store.LeadQuery{State: leadgatev1.LeadState_LEAD_STATE_HELD}, []int{4, 3}},
				"by reason":    {store.LeadQuery{Reason: leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE}, []int{3}},
				"by form":      {store.LeadQuery{Form: "newsletter"}, []int{1}},
				"by person":    {store.LeadQuery{Email: "ada@example.com"}, []int{4, 2, 0}},
				"since":        {store.LeadQuery{Since: start.Add(3 * time.Minute)}, []int{4, 3}},
				"until":        {store.LeadQuery{Until: start.Add(2 * time.Minute)}, []int{1, 0}},
				"between":      {store.LeadQuery{Since: start.Add(time.Minute), Until: start.Add(3 * time.Minute)}, []int{2, 1}},
				"all together": {store.LeadQuery{State: leadgatev1.LeadState_LEAD_STATE_OPEN, Form: "contact", Email: "ada@example.com", Since: start.Add(1)}, []int{2}},
				"nothing":      {store.LeadQuery{Form: "no-such"}, nil},
				"since 1970":   {store.LeadQuery{Since: time.Unix(0, 0)}, []int{4, 3, 2, 1, 0}},
				"form and old": {store.LeadQuery{Form: "contact", Since: time.Unix(0, 0).Add(-time.Hour)}, []int{4, 3, 2, 0}},
				"until 1969":   {store.LeadQuery{Until: time.Unix(-1, 0)}, nil},
			} {
				for _, limit := range []int{1, 2, 100} {
					if got, want := r.allLeads(c.q, limit), pick(ids, c.want); !slices.Equal(got, want) {
						t.Errorf("%s, %d a page: %v, want %v", what, limit, got, want)
					}
				}
			}
		},

		"DeliveriesAreFilteredNewestLeadFirst": func(t *testing.T, r *rig) {
			start := r.clock.time()
			leads := shop(r)
			ids := []string{leads[0] + ".crm", leads[1] + ".archive", leads[1] + ".crm", leads[2] + ".crm"}
			r.pass(dead, ids[0], ids[2])
			for what, c := range map[string]struct {
				q    store.DeliveryQuery
				want []int
			}{
				"dead":               {store.DeliveryQuery{State: dead}, []int{2, 0}},
				"by destination":     {store.DeliveryQuery{Destination: "archive"}, []int{1}},
				"by form":            {store.DeliveryQuery{Form: "contact"}, []int{3, 0}},
				"since":              {store.DeliveryQuery{Since: start.Add(2 * time.Minute)}, []int{3}},
				"until":              {store.DeliveryQuery{Until: start.Add(time.Minute)}, []int{0}},
				"dead by form":       {store.DeliveryQuery{State: dead, Form: "newsletter"}, []int{2}},
				"destination, until": {store.DeliveryQuery{Destination: "crm", Until: start.Add(2 * time.Minute)}, []int{2, 0}},
				"waiting, since":     {store.DeliveryQuery{State: pending, Since: start.Add(time.Minute)}, []int{3, 1}},
				"form and until":     {store.DeliveryQuery{Form: "contact", Until: start.Add(time.Minute)}, []int{0}},
				"lead and state":     {store.DeliveryQuery{LeadID: leads[1], State: pending}, []int{1}},
				"lead and since":     {store.DeliveryQuery{LeadID: leads[0], Since: start.Add(1)}, nil},
				"a lead unheard":     {store.DeliveryQuery{LeadID: r.newLeadID()}, nil},
				"a lead nonsense":    {store.DeliveryQuery{LeadID: "nonsense"}, nil},
				"since 1970":         {store.DeliveryQuery{Since: time.Unix(0, 0)}, []int{3, 2, 1, 0}},
				"dead since 1970":    {store.DeliveryQuery{State: dead, Since: time.Unix(0, 0)}, []int{2, 0}},
				"dead until 1969":    {store.DeliveryQuery{State: dead, Until: time.Unix(-1, 0)}, nil},
			} {
				for _, limit := range []int{1, 100} {
					var got []string
					for _, d := range r.allDeliveries(c.q, limit) {
						got = append(got, d.GetDeliveryId())
						if len(d.GetAttempts()) != 0 {
							t.Errorf("%s: attempts are listed", what)
						}
					}
					if want := pick(ids, c.want); !slices.Equal(got, want) {
						t.Errorf("%s, %d a page: %v, want %v", what, limit, got, want)
					}
				}
			}
			var order []string
			for _, d := range r.allDeliveries(store.DeliveryQuery{}, 3) {
				order = append(order, d.GetLeadId())
			}
			if want := pick(leads, []int{2, 1, 1, 0}); !slices.Equal(order, want) {
				t.Errorf("leads come as %v, want %v", order, want)
			}
		},

		"PagesGoOnWhereTheyEndedThoughMoreIsAccepted": func(t *testing.T, r *rig) {
			ids := shop(r)
			page, next, err := r.Leads(r.ctx, store.LeadQuery{}, 2, "")
			if err != nil || len(page) != 2 || next == "" {
				t.Fatalf("%v, %q, %v", page, next, err)
			}
			r.acceptFrom("eve@example.com")
			r.reopen()
			page, next, err = r.Leads(r.ctx, store.LeadQuery{}, 10, next)
			if err != nil || len(page) != 3 || page[0].GetLeadId() != ids[2] || next != "" {
				t.Errorf("%v, %q, %v", page, next, err)
			}
		},

		"PagesGoOnThoughWhatComesNextIsGone": func(t *testing.T, r *rig) {
			shop(r)
			var lead []string
			for range 4 {
				lead = append(lead, r.accept(r.heldLead("", leadgatev1.HoldReason_HOLD_REASON_SPAM))[0].LeadID)
			}
			spam := store.LeadQuery{Reason: leadgatev1.HoldReason_HOLD_REASON_SPAM}
			page, next, err := r.Leads(r.ctx, spam, 1, "")
			if err != nil || len(page) != 1 || next == "" {
				t.Fatal(page, next, err)
			}
			r.amend(r.amendment(lead[2], discarded))
			r.erase(lead[1])
			var rest []string
			for token := next; token != ""; {
				if page, token, err = r.Leads(r.ctx, spam, 1, token); err != nil {
					t.Fatal(err)
				}
				for _, record := range page {
					rest = append(rest, record.GetLeadId())
				}
			}
			if !slices.Equal(rest, lead[:1]) {
				t.Errorf("leads go on with %v, want %v", rest, lead[:1])
			}
		},

		"WhatMovedOnIsListedOnce": func(t *testing.T, r *rig) {
			const n = 1200
			r.begin(r.claim(r.acceptFrom("")...)...) // the oldest stays where it is
			var leads []*store.Acceptance
			for range n {
				leads = append(leads, r.lead(""))
			}
			r.accept(leads...)
			var want []string
			for _, a := range slices.Backward(leads) {
				want = append(want, a.Record.GetLeadId()+".crm")
			}
			for _, state := range []leadgatev1.DeliveryState{retryWait, delivered} {
				r.settle(state, r.begin(r.claimUpTo("crm", n).Items...)...)
				for _, q := range []store.DeliveryQuery{{}, {Destination: "crm"}, {State: state}, {Form: "contact"}} {
					var got []string
					for _, d := range r.allDeliveries(q, n) {
						if d.GetState() != inFlight {
							got = append(got, d.GetDeliveryId())
						}
					}
					if !slices.Equal(got, want) {
						t.Errorf("%v: %d are listed, want %d in order", q, len(got), n)
					}
				}
			}
		},

		"ATokenIsGoodForItsOwnQueryOnly": func(t *testing.T, r *rig) {
			ids := shop(r)
			since := r.clock.time().Add(-time.Hour)
			_, ofLeads, err := r.Leads(r.ctx, store.LeadQuery{Since: since}, 1, "")
			if err != nil {
				t.Fatal(err)
			}
			_, ofDeliveries, err := r.Deliveries(r.ctx, store.DeliveryQuery{}, 1, "")
			if err != nil {
				t.Fatal(err)
			}
			_, ofOne, err := r.Deliveries(r.ctx, store.DeliveryQuery{LeadID: ids[1]}, 1, "")
			if err != nil {
				t.Fatal(err)
			}
			for what, c := range map[string]struct {
				q     store.LeadQuery
				token string
			}{
				"nonsense":             {store.LeadQuery{}, "nonsense"},
				"not base64":           {store.LeadQuery{}, "%%%"},
				"another query's":      {store.LeadQuery{Since: since, Form: "contact"}, ofLeads},
				"half of it":           {store.LeadQuery{Since: since}, ofLeads[:8]},
				"that of the delivery": {store.LeadQuery{}, ofDeliveries},
			} {
				if _, _, err := r.Leads(r.ctx, c.q, 1, c.token); !errors.Is(err, store.ErrPageToken) {
					t.Errorf("leads with %s: %v", what, err)
				}
			}
			for what, token := range map[string]string{"that of the leads": ofLeads, "another query's": ofOne, "nonsense": "nonsense"} {
				for _, q := range []store.DeliveryQuery{{}, {State: dead}, {Destination: "crm"}, {Form: "contact"}} {
					if _, _, err := r.Deliveries(r.ctx, q, 1, token); !errors.Is(err, store.ErrPageToken) {
						t.Errorf("deliveries of %+v with %s: %v", q, what, err)
					}
				}
			}
			sameTime := since.In(time.FixedZone("elsewhere", 3600))
			if _, _, err := r.Leads(r.ctx, store.LeadQuery{Since: sameTime}, 1, ofLeads); err != nil {
				t.Errorf("the same query in other words: %v", err)
			}
		},
	}
}

func pick(ids []string, which []int) []string {
	var picked []string
	for _, i := range which {
		picked = append(picked, ids[i])
	}
	return picked
}
