package storetest

import (
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

func chainSuite() suite {
	return suite{
		"OnlyTheOldestWaitingDeliveryOfAPersonIsDue": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "bob@example.com", "ada@example.com", "ada@example.com", "bob@example.com")
			r.claim(ids[0], ids[1])
			r.claim()
		},

		"SettlingMakesTheNextOfThePersonDue": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "ada@example.com")
			for _, id := range ids {
				r.pass(delivered, id)
			}
			r.claim()
		},

		"ARetryKeepsItsPlaceBeforeWhatCameLater": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com")
			r.pass(retryWait, ids[0])
			r.pass(retryWait, ids[0])
			r.pass(delivered, ids[0])
			r.claim(ids[1])
		},

		"WhatComesWhileTheHeadIsInFlightWaits": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			steps := r.begin(r.claim(ids[0])...)
			ids = append(ids, r.acceptFrom("ada@example.com")...)
			r.claim()
			r.settle(delivered, steps...)
			r.claim(ids[1])
		},

		"WhatComesWhileTheHeadIsClaimedWaits": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claims := r.claim(ids[0])
			ids = append(ids, r.acceptFrom("ada@example.com")...)
			r.claim()
			r.settle(delivered, r.begin(claims...)...)
			r.claim(ids[1])
		},

		"WhatComesWhileTheHeadIsClaimedIsKnownWhenTheClaimIsGivenBack": func(t *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			claims := r.claim(ids[0])
			ids = append(ids, r.acceptFrom("ada@example.com")...)
			if err := r.Unclaim(r.ctx, claims...); err != nil {
				t.Fatal(err)
			}
			r.pass(delivered, ids[0])
			r.claim(ids[1])
		},

		"WhatComesWhileTheHeadIsInFlightIsKnownAfterARetryAndARestart": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			steps := r.begin(r.claim(ids[0])...)
			ids = append(ids, r.acceptFrom("ada@example.com")...)
			r.settle(retryWait, steps...)
			r.reopen()
			r.pass(retryWait, ids[0])
			r.pass(delivered, ids[0])
			r.claim(ids[1])
		},

		"WhoComesAgainAfterADeliveryAndARetryIsInOrder": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com")
			r.pass(retryWait, ids[0])
			r.pass(retryWait, ids[0])
			ids = append(ids, r.acceptFrom("ada@example.com")...)
			r.pass(delivered, ids[0])
			r.pass(delivered, ids[1])
			ids = append(ids, r.acceptFrom("ada@example.com")...)
			r.claim(ids[2])
		},

		"StatesThatDoNotWaitDoNotBlock": func(_ *testing.T, r *rig) {
			for _, state := range []leadgatev1.DeliveryState{dead, held, superseded, cancelled} {
				email := state.String() + "@example.com"
				ids := r.acceptFrom(email, email)
				r.pass(state, ids[0])
				r.pass(delivered, ids[1])
				r.expectState(ids[0], state)
			}
		},

		"LeadsWithoutAnAddressDoNotWaitForEachOther": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("", "", "")
			r.claim(ids...)
		},

		"DestinationsDoNotWaitForEachOther": func(t *testing.T, r *rig) {
			a, b := r.lead("ada@example.com", "crm", "archive"), r.lead("ada@example.com", "crm", "archive")
			r.accept(a, b)
			r.settle(dead, r.begin(r.claimUpTo("crm", 10).Items...)...)
			if got := claimed(r.claimUpTo("crm", 10).Items); len(got) != 1 || got[0] != b.Record.GetLeadId()+".crm" {
				t.Errorf("crm: %v", got)
			}
			if got := claimed(r.claimUpTo("archive", 10).Items); len(got) != 1 || got[0] != a.Record.GetLeadId()+".archive" {
				t.Errorf("archive: %v", got)
			}
		},

		"OrderSurvivesARestart": func(_ *testing.T, r *rig) {
			ids := r.acceptFrom("ada@example.com", "ada@example.com", "ada@example.com")
			for _, id := range ids {
				r.reopen()
				r.pass(retryWait, id)
				r.reopen()
				r.pass(delivered, id)
			}
		},

		"ManyAcceptedInOneCallKeepTheirOrder": func(_ *testing.T, r *rig) {
			var leads []*store.Acceptance
			for range 20 {
				leads = append(leads, r.lead("ada@example.com"), r.lead("bob@example.com"))
			}
			r.accept(leads...)
			for i := 0; i < len(leads); i += 2 {
				r.pass(delivered, leads[i].Record.GetLeadId()+".crm", leads[i+1].Record.GetLeadId()+".crm")
			}
		},
	}
}
