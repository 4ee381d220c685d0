package config_test

import (
	"testing"

	"github.com/leadgate/leadgate/server/config"
)

func TestTheEditorsSchemaTakesTheExample(t *testing.T) {
	t.Parallel()
	if err := editorsSchema(t).Validate(instance(parsed(t, config.Example))); err != nil {
		t.Error(err)
	}
}
