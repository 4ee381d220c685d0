package pipedrive_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/crmtest"
	"github.com/leadgate/leadgate/worker/crm/pipedrive"
	simulated "github.com/leadgate/leadgate/worker/crm/simulator/pipedrive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(base string) *configv1.Pipedrive{
		"API token": func(base string) *configv1.Pipedrive {
			return &configv1.Pipedrive{BaseUrl: base, Auth: &configv1.Pipedrive_ApiToken{ApiToken: crmtest.SecretReference}}
		},
		"OAuth": func(base string) *configv1.Pipedrive {
			return &configv1.Pipedrive{BaseUrl: base, Auth: &configv1.Pipedrive_Oauth{Oauth: &configv1.PipedriveOAuth{
				ClientId: "c", ClientSecret: "s", RefreshToken: crmtest.SecretReference, TokenUrl: base + "/oauth/token",
			}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := crmtest.Harness{
				Open:      func(base string, env crm.Environment) (crm.Destination, error) { return pipedrive.New(open(base), env) },
				TokenPath: "/oauth/token",
				CRM: func(secret string) crmtest.CRM {
					return company{simulated.New(simulated.Options{Token: secret, Daily: -1, Burst: -1, Searches: -1})}
				},
				Schema: true,
				Mapped: map[string]string{"person.email": "email", "person.first_name": "first_name", "person.last_name": "last_name"},
			}
			crmtest.Run(t, h)
			if name == "OAuth" {
				return // faults do not depend on this
			}
			crmtest.RunFaults(t, h, func(secret string, now func() time.Time) crmtest.Faulty {
				return company{simulated.New(simulated.Options{Token: secret, Daily: -1, Burst: -1, Searches: -1, Now: now, SearchLag: 30 * time.Second})}
			})
		})
	}
}

// company is a simulated company.
type company struct{ *simulated.Simulator }

type lead struct {
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties"`
	Person     struct {
		Name   string `json:"name"`
		Emails []struct {
			Value string `json:"value"`
		} `json:"emails"`
		Phones []struct {
			Value   string `json:"value"`
			Primary bool   `json:"primary"`
		} `json:"phones"`
		JobTitle string `json:"job_title"`
	} `json:"person"`
	Notes []string `json:"notes"`
}

func (c company) leads() []lead { return crmtest.Records[lead](c.Contacts()) }

func (c company) RecordID(email string) string {
	for _, l := range c.leads() {
		if len(l.Person.Emails) > 0 && l.Person.Emails[0].Value == email {
			return l.ID
		}
	}
	return ""
}

func (c company) Records() int { return len(c.leads()) }
