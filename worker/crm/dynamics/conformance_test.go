package dynamics_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/dynamics"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/dynamics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]*configv1.Dynamics{
		"by look-up": {}, "by key": {Key: "new_gatewaykey"}, "contacts": {Table: "contacts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := crmtest.Harness{
				Open: func(base string, env crm.Environment) (crm.Destination, error) {
					return dynamics.New(&configv1.Dynamics{
						Url: base, LoginUrl: base, Tenant: "t", ClientId: "c", ClientSecret: crmtest.SecretReference, Key: cfg.GetKey(), Table: cfg.GetTable(),
					}, env)
				},
				TokenPath: "/t/oauth2/v2.0/token",
				CRM: func(secret string) crmtest.CRM {
					return environment{simulated.New(simulated.Options{ClientSecret: secret, Requests: -1})}
				},
				Schema: true,
				Mapped: map[string]string{"emailaddress1": "email", "firstname": "first_name", "lastname": "last_name"},
			}
			crmtest.Run(t, h)
			if cfg.GetTable() != "" {
				return // faults do not depend on this
			}
			crmtest.RunFaults(t, h, func(secret string, now func() time.Time) crmtest.Faulty {
				return environment{simulated.New(simulated.Options{ClientSecret: secret, Requests: -1, Now: now})}
			})
		})
	}
}

// environment is a simulated environment.
type environment struct{ *simulated.Simulator }

type record struct {
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties"`
}

func (e environment) records() []record { return crmtest.Records[record](e.Contacts()) }

func (e environment) RecordID(email string) string {
	for _, r := range e.records() {
		if r.Properties["emailaddress1"] == email {
			return r.ID
		}
	}
	return ""
}

func (e environment) Records() int { return len(e.records()) }
