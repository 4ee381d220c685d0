package observe

import (
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// stageNames maps stages to their names in log lines and metrics, such as crm_api_call. It is computed once, because every event
// needs one. It is safe for concurrent use.
type stageNames map[leadgatev1.Stage]string

func newStageNames() stageNames {
	names := stageNames{}
	for number, name := range leadgatev1.Stage_name {
		names[leadgatev1.Stage(number)] = typeName(name, "STAGE_")
	}
	return names
}

func (n stageNames) of(stage leadgatev1.Stage) string {
	if name, ok := n[stage]; ok {
		return name
	}
	return stage.String() // the number of an unknown stage
}

// typeName returns the name of an enum value in the same form, such as credentials_refused.
func typeName(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }
