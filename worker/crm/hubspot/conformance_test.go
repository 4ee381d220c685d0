package hubspot_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/hubspot"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	mapped := map[string]string{"email": "email", "firstname": "first_name", "lastname": "last_name"}
	for name, mode := range map[string]string{"Upsert": "", "Patch": "patch"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := crmtest.Harness{
				Open: func(base string, env crm.Environment) (crm.Destination, error) {
					return hubspot.New(&configv1.HubSpot{Token: crmtest.SecretReference, BaseUrl: base, Mode: mode}, env)
				},
				CRM: func(secret string) crmtest.CRM {
					return account{simulated.New(simulated.Options{Token: secret, TenSecondly: -1})}
				},
				Schema: true,
				Mapped: mapped,
			}
			crmtest.Run(t, h)
			crmtest.RunFaults(t, h, func(secret string, now func() time.Time) crmtest.Faulty {
				return account{simulated.New(simulated.Options{Token: secret, TenSecondly: -1, Now: now})}
			})
		})
	}
}

// account is a simulated HubSpot account.
type account struct{ *simulated.Simulator }

type contact struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"`
}

func (a account) contacts() []contact { return crmtest.Records[contact](a.Contacts()) }

func (a account) RecordID(email string) string {
	for _, c := range a.contacts() {
		if c.Properties["email"] == email {
			return c.ID
		}
	}
	return ""
}

func (a account) Records() int { return len(a.contacts()) }
