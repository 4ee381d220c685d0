package worker

import (
	"fmt"
	"maps"
	"slices"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/dynamics"
	"github.com/leadgate/leadgate/worker/crm/http"
	"github.com/leadgate/leadgate/worker/crm/hubspot"
	"github.com/leadgate/leadgate/worker/crm/pipedrive"
	"github.com/leadgate/leadgate/worker/crm/salesforce"
	"github.com/leadgate/leadgate/worker/crm/zoho"
)

// Check reports what is wrong with the settings of a destination's kind, as far as can be told without calling the CRM.
func Check(cfg *configv1.Destination) error {
	destination, err := openKind(cfg, crm.Environment{})
	if err != nil {
		return err
	}
	if selective, ok := destination.(crm.Selective); ok {
		return selective.CheckProperties(slices.Sorted(maps.Keys(Properties(cfg))))
	}
	return nil
}

// Properties returns what a destination sends, from CRM property to lead field: what is configured, or the defaults of its kind.
func Properties(cfg *configv1.Destination) map[string]string {
	if configured := cfg.GetProperties(); len(configured) > 0 {
		return configured
	}
	destination, err := openKind(cfg, crm.Environment{})
	if err != nil {
		return nil
	}
	return destination.Traits().Defaults
}

// openKind connects to a configured destination. It is the only place that knows every kind of CRM.
func openKind(cfg *configv1.Destination, env crm.Environment) (crm.Destination, error) {
	switch kind := cfg.GetKind().(type) {
	case *configv1.Destination_Hubspot:
		return hubspot.New(kind.Hubspot, env)
	case *configv1.Destination_Http:
		return http.New(kind.Http, env)
	case *configv1.Destination_Salesforce:
		return salesforce.New(kind.Salesforce, env)
	case *configv1.Destination_Pipedrive:
		return pipedrive.New(kind.Pipedrive, env)
	case *configv1.Destination_Zoho:
		return zoho.New(kind.Zoho, env)
	case *configv1.Destination_Dynamics:
		return dynamics.New(kind.Dynamics, env)
	}
	return nil, fmt.Errorf("no kind is given, or one that this leadgate does not know: %T", cfg.GetKind())
}
