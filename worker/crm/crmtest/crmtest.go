// Package crmtest is what every destination has to do, whatever its CRM: the conformance suite of [crm.Destination]. The
// worker relies on each line of it.
package crmtest

import (
	"fmt"
	"net/http"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
)

// SecretReference is how the destination's configuration names its secret.
const SecretReference = "${env:CRM_SECRET}"

// Harness is what a kind of destination brings along.
type Harness struct {
	// Open makes a destination that calls the CRM at a base address, such as http://127.0.0.1:4000, with the secret that
	// SecretReference refers to.
	Open func(base string, env crm.Environment) (crm.Destination, error)
	// CRM makes a CRM, real enough to take leads. It is to check the secret.
	CRM func(secret string) CRM
	// TokenPath is where the destination gets access tokens; empty if it needs none. The CRM always answers there: these tests are
	// about what becomes of leads, not of tokens.
	TokenPath string
	// Schema says whether the kind can read the CRM's properties; those that Mapped names are then among them.
	Schema bool
	// Mapped is the configured mapping that leads go through: at least the properties of e-mail address and first name.
	Mapped map[string]string
}

// propertyOf is the mapped property of a field; empty if there is none.
func (h Harness) propertyOf(field string) string {
	for property, from := range h.Mapped {
		if from == field {
			return property
		}
	}
	return ""
}

// CRM is what a destination calls.
type CRM interface {
	http.Handler
	// RecordID returns the identifier of the person's record; empty if there is none.
	RecordID(email string) string
	// Records returns how many records there are.
	Records() int
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, part := range []func(*testing.T, Harness){runDeliveries, runFailures, runAnswers, runSecrets, runSchema} {
		part(t, h)
	}
}

// upsert is the mode of all deliveries of the suite.
const upsert = leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT

// people returns items for n leads of n people, made by way of mapping and Encode as the worker does.
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

// full returns as many people as a call can take, but not so many that the suite gets slow.
func (b *bench) full() []crm.Item { return b.people(min(5, b.destination.Traits().MaxBatch)) }

func (b *bench) deliver(items []crm.Item) []crm.Outcome {
	b.t.Helper()
	outcomes := b.destination.Deliver(b.t.Context(), items, upsert)
	b.expectEach(items, outcomes)
	return outcomes
}

// expectEach checks what holds for all outcomes.
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

// expectKind checks that all leads ended alike.
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
