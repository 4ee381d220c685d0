// Package prometheus writes Prometheus alert rules that match the built-in ones, with the same thresholds.
package prometheus

import (
	"bytes"
	_ "embed" // for the rules
	"fmt"
	"text/template"
	"time"

	"github.com/prometheus/common/model"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

//go:embed rules.tmpl
var text string

// Rules returns the rules for thresholds, all of which must be set.
func Rules(thresholds *configv1.AlertRules) ([]byte, error) {
	t, err := template.New("rules").Delims("<<", ">>").Funcs(template.FuncMap{"time": span, "seconds": seconds, "after": after}).Parse(text)
	if err != nil {
		return nil, err
	}
	var rules bytes.Buffer
	if err := t.Execute(&rules, thresholds); err != nil {
		return nil, fmt.Errorf("write rules: %w", err)
	}
	return rules.Bytes(), nil
}

// duration is implemented by all thresholds that are durations.
type duration interface{ AsDuration() time.Duration }

func span(d duration) string { return model.Duration(d.AsDuration()).String() }

func seconds(d duration) float64 { return d.AsDuration().Seconds() }

// after returns a "for" line; empty if the rule fires at once.
func after(d duration) string {
	if d.AsDuration() == 0 {
		return ""
	}
	return "\n        for: " + span(d)
}
