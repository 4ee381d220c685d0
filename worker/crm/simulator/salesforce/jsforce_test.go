package salesforce_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/leadgate/leadgate/worker/crm/simulator/nodetest"
	"github.com/leadgate/leadgate/worker/crm/simulator/salesforce"
)

// jsforce requires Node 22 because of undici 8; with undici 7 it also runs on Node 20 (contracts, simulators.md §1).
const jsforce = `{"private":true,"dependencies":{"jsforce":"3.10.26"},"overrides":{"undici":"7.10.0"}}`

// TestJsforceWorksAgainstTheSimulator makes jsforce create, upsert, batch, query, describe and handle errors.
func TestJsforceWorksAgainstTheSimulator(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(salesforce.New(salesforce.Options{ClientSecret: "s3cret", Rule: salesforce.Alert}))
	defer server.Close()
	out := nodetest.Run(t, jsforce, "testdata/jsforce.mjs", server.URL, "s3cret")
	if !strings.Contains(out, "all is well") {
		t.Errorf("said: %s", out)
	}
}
