package salesforce_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/salesforce"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/salesforce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cfg     *configv1.Salesforce
		options simulated.Options
	}{
		"leads by e-mail":                 {&configv1.Salesforce{}, simulated.Options{}},
		"leads by e-mail, not in a batch": {&configv1.Salesforce{}, simulated.Options{NoEmailKey: true}},
		"leads by an external id":         {&configv1.Salesforce{ExternalId: "Gateway_Key__c"}, simulated.Options{}},
		"contacts, an old version":        {&configv1.Salesforce{Object: "Contact", ApiVersion: "45.0"}, simulated.Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := crmtest.Harness{
				Open: func(base string, env crm.Environment) (crm.Destination, error) {
					cfg := &configv1.Salesforce{
						Url: base, Object: test.cfg.GetObject(), ExternalId: test.cfg.GetExternalId(), ApiVersion: test.cfg.GetApiVersion(),
						Auth: &configv1.Salesforce_ClientCredentials{ClientCredentials: &configv1.SalesforceClientCredentials{
							ClientId: "client", ClientSecret: crmtest.SecretReference,
						}},
					}
					return salesforce.New(cfg, env)
				},
				TokenPath: "/services/oauth2/token",
				CRM: func(secret string) crmtest.CRM {
					options := test.options
					options.ClientSecret, options.Daily = secret, -1
					return organisation{simulated.New(options)}
				},
				Schema: true,
				Mapped: map[string]string{"Email": "email", "FirstName": "first_name", "LastName": "last_name"},
			}
			crmtest.Run(t, h)
			if test.options.NoEmailKey || test.cfg.GetObject() != "" {
				return // faults do not depend on this
			}
			crmtest.RunFaults(t, h, func(secret string, now func() time.Time) crmtest.Faulty {
				options := test.options
				options.ClientSecret, options.Daily, options.Now, options.SessionLife = secret, -1, now, time.Hour
				return organisation{simulated.New(options)}
			})
		})
	}
}

// organisation is a simulated organisation.
type organisation struct{ *simulated.Simulator }

type record struct {
	ID         string         `json:"id"`
	Object     string         `json:"object"`
	Properties map[string]any `json:"properties"`
}

func (o organisation) records() []record { return crmtest.Records[record](o.Contacts()) }

func (o organisation) RecordID(email string) string {
	for _, r := range o.records() {
		if r.Properties["Email"] == email {
			return r.ID
		}
	}
	return ""
}

func (o organisation) Records() int { return len(o.records()) }
