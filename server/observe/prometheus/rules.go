// Package prometheus writes alert rules for Prometheus that are equal to the built-in ones: the same thresholds, from one source.
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

// Rules are the rules for thresholds, of which every one is set.
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

// duration is what all thresholds have that are times.
type duration interface{ AsDuration() time.Duration }

func span(d duration) string { return model.Duration(d.AsDuration()).String() }

func seconds(d duration) float64 { return d.AsDuration().Seconds() }

// after is how long something must last, as a line of its own; nothing where it need not.
func after(d duration) string {
	if d.AsDuration() == 0 {
		return ""
	}
	return "\n        for: " + span(d)
}
