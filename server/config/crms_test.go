package config_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/leadgate/leadgate/server/config"
)

// TestWhatTheCRMsPageSaysToWriteIsGood parses every destination in the README about CRMs as a file of its own.
func TestWhatTheCRMsPageSaysToWriteIsGood(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../worker/crm/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllSubmatch(page, -1)
	if len(blocks) < 6 {
		t.Errorf("only %d examples were found", len(blocks))
	}
	env := environment(map[string]string{
		"HUBSPOT_TOKEN": "a", "SF_SECRET": "b", "PIPEDRIVE_TOKEN": "c", "ZOHO_SECRET": "d", "ZOHO_REFRESH": "e", "DYNAMICS_SECRET": "f", "ERP_SECRET": "g",
	}, nil)
	for _, block := range blocks {
		if _, err := config.Parse("the page", block[1], env); err != nil {
			t.Errorf("%s\n%v", block[1], err)
		}
	}
}
