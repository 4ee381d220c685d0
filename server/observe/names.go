package observe

import (
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// stageNames are the names of the stages as log lines and metrics have them: crm_api_call. They are made once because every event
// needs one. Safe for concurrent use.
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
	return stage.String() // the number of a stage that this leadgate does not know
}

// typeName is the name of an enum's value in the same form: credentials_refused.
func typeName(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }
