package hubspot_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
	"github.com/leadgate/leadgate/worker/crm/simulator/nodetest"
)

// TestHubSpotsClientAsAPublicAppWorksAgainstTheSimulator makes HubSpot's own client get tokens, lose them, and run into limits.
func TestHubSpotsClientAsAPublicAppWorksAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(hubspot.New(hubspot.Options{RefreshToken: "r-1", ClientSecret: "s-1"}))
	defer server.Close()
	out := nodetest.Run(t, apiClient, "testdata/public_app.mjs", server.URL, "r-1", "s-1")
	if !strings.Contains(out, "all is well") {
		t.Errorf("said: %s", out)
	}
}
