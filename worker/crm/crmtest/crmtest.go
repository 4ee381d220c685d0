// Package crmtest is the conformance suite of [crm.Destination]: what every destination must do, whatever its CRM. The worker
// relies on all of it.
package crmtest

import (
	"fmt"
	"net/http"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
)

// SecretReference is the reference to the secret in the destination's configuration.
const SecretReference = "${env:CRM_SECRET}"

// Harness is what a kind of destination provides for the suite.
type Harness struct {
	// Open returns a destination that calls the CRM at a base URL, such as http://127.0.0.1:4000, with the secret that
	// SecretReference refers to.
	Open func(base string, env crm.Environment) (crm.Destination, error)
	// CRM returns a CRM that can receive leads and checks the secret.
	CRM func(secret string) CRM
	// TokenPath is the path of the token endpoint; empty if there is none. The CRM always answers there itself: these tests are
	// about leads, not tokens.
	TokenPath string
	// Schema says whether the kind can read the CRM's properties. They must include those in Mapped.
	Schema bool
	// Mapped is the mapping of the leads: at least properties for the e-mail address and the first name.
	Mapped map[string]string
}

// propertyOf returns the property that a field is mapped to; empty if there is none.
func (h Harness) propertyOf(field string) string {
	for property, from := range h.Mapped {
		if from == field {
			return property
		}
	}
	return ""
}

// CRM is a CRM that a destination calls.
type CRM interface {
	http.Handler
	// RecordID returns the identifier of a person's record; empty if there is none.
	RecordID(email string) string
	// Records returns the number of records.
	Records() int
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, part := range []func(*testing.T, Harness){runDeliveries, runFailures, runAnswers, runSecrets, runSchema} {
		part(t, h)
	}
}

// upsert is the mode of all deliveries in the suite.
const upsert = leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT

// people returns items for n leads of n people, mapped and encoded as the worker does it.
func (b *bench) people(n int) []crm.Item {
	b.t.Helper()
	compiled, err := mapping.Compile(b.harness.Mapped)
	if err != nil {
		b.t.Fatal(err)
	}
	items := make([]crm.Item, n)
	for i := range items {
		email := fmt.Sprintf("person-%d@example.com", i)
		properties, _ := compiled.Map(&leadgatev1.LeadRecord{Lead: &leadgatev1.Lead{
			Email: email, FirstName: "Ada", LastName: "Lovelace & Söhne",
		}})
		payload, err := b.destination.Encode(properties)
		if err != nil {
			b.t.Fatal(err)
		}
		items[i] = crm.Item{IdempotencyValue: fmt.Sprintf("lead-%d.crm-1", i), Email: email, Payload: payload}
	}
	return items
}

// full returns as many people as fit into a call, but at most five, to keep the suite fast.
func (b *bench) full() []crm.Item { return b.people(min(5, b.destination.Traits().MaxBatch)) }

func (b *bench) deliver(items []crm.Item) []crm.Outcome {
	b.t.Helper()
	outcomes := b.destination.Deliver(b.t.Context(), items, upsert)
	b.expectEach(items, outcomes)
	return outcomes
}

// expectEach checks what must hold for all outcomes.
func (b *bench) expectEach(items []crm.Item, outcomes []crm.Outcome) {
	b.t.Helper()
	if len(outcomes) != len(items) {
		b.t.Fatalf("%d outcomes for %d leads", len(outcomes), len(items))
	}
	for i, outcome := range outcomes {
		b.expectSane(outcome)
		if outcome.Kind == crm.Split && len(items) == 1 {
			b.t.Errorf("a lead alone cannot be split: %+v", outcome)
		}
		for _, item := range items {
			if containsFold(outcome.Reason, item.Email) || containsFold(outcome.Reason, "Lovelace") {
				b.t.Errorf("the reason of lead %d tells who somebody is: %q", i, outcome.Reason)
			}
		}
	}
}

// expectKind checks that all outcomes are of one kind.
func (b *bench) expectKind(items []crm.Item, outcomes []crm.Outcome, want crm.OutcomeKind) {
	b.t.Helper()
	b.expectEach(items, outcomes)
	for i, outcome := range outcomes {
		if outcome.Kind != want {
			b.t.Errorf("lead %d ended as %s, want %s: %+v", i, kindName(outcome.Kind), kindName(want), outcome)
		}
	}
}

func kindName(kind crm.OutcomeKind) string {
	names := []string{"Unknown", "Delivered", "Retry", "RateLimited", "Refused", "CredentialsRefused", "Split", "Undecided"}
	return names[kind]
}
