package zoho_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/zoho"
	"github.com/leadgate/leadgate/worker/crm/zoho"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, module := range []string{"Leads", "Contacts"} {
		t.Run(module, func(t *testing.T) {
			t.Parallel()
			h := crmtest.Harness{
				Open: func(base string, env crm.Environment) (crm.Destination, error) {
					return zoho.New(&configv1.Zoho{AccountsUrl: base, ClientId: "c", ClientSecret: "s", RefreshToken: crmtest.SecretReference, Module: module}, env)
				},
				TokenPath: "/oauth/v2/token",
				CRM: func(secret string) crmtest.CRM {
					return account{simulated.New(simulated.Options{RefreshToken: secret, Credits: -1})}
				},
				Schema: true,
				Mapped: map[string]string{"Email": "email", "First_Name": "first_name", "Last_Name": "last_name"},
			}
			crmtest.Run(t, h)
			if module != "Leads" {
				return // faults do not depend on this
			}
			crmtest.RunFaults(t, h, func(secret string, now func() time.Time) crmtest.Faulty {
				return account{simulated.New(simulated.Options{RefreshToken: secret, Credits: -1, Now: now})}
			})
		})
	}
}

// account is a simulated account.
type account struct{ *simulated.Simulator }

type record struct {
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties"`
}

func (a account) records() []record { return crmtest.Records[record](a.Contacts()) }

func (a account) RecordID(email string) string {
	for _, r := range a.records() {
		if r.Properties["Email"] == email {
			return r.ID
		}
	}
	return ""
}

func (a account) Records() int { return len(a.records()) }
