package hubspot_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
	"github.com/leadgate/leadgate/worker/crm/simulator/nodetest"
)

// apiClient is HubSpot's own client.
const apiClient = `{"private":true,"dependencies":{"@hubspot/api-client":"14.0.1"}}`

// TestHubSpotsClientWorksAgainstTheSimulator makes HubSpot's own client create, upsert, batch, search, read properties and handle
// errors.
func TestHubSpotsClientWorksAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(hubspot.New(hubspot.Options{Token: "pat-na1-token", TenSecondly: -1}))
	defer server.Close()
	out := nodetest.Run(t, apiClient, "testdata/client.mjs", server.URL, "pat-na1-token")
	if !strings.Contains(out, "all is well") {
		t.Errorf("said: %s", out)
	}
}
