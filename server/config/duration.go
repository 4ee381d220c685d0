package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

const day = 24 * time.Hour

// written is the syntax of durations. The schema for editors repeats it.
var written = regexp.MustCompile(`^([0-9]+d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*$`)

// ParseDuration parses a duration in Go's syntax, such as 90s or 1h30m, optionally with days first: 30d, 1d12h. A day is 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	err := fmt.Errorf("%q is not a duration, such as 500ms, 90s, 24h or 30d", text)
	if _, notANumber := strconv.ParseFloat(text, 64); notANumber == nil {
		return 0, fmt.Errorf("%q has no unit: write it as 500ms, 90s, 24h or 30d", text)
	}
	if !written.MatchString(text) {
		return 0, err
	}
	var days uint64
	rest := text
	if before, after, ok := strings.Cut(text, "d"); ok {
		var notANumber error
		days, notANumber = strconv.ParseUint(before, 10, 64)
		if notANumber != nil || days > uint64(math.MaxInt64/day)/2 {
			return 0, err
		}
		if after == "" {
			return time.Duration(days) * day, nil
		}
		rest = after
	}
	d, invalid := time.ParseDuration(rest)
	if invalid != nil || d > math.MaxInt64/2 {
		return 0, err
	}
	return time.Duration(days)*day + d, nil
}

// durations makes protoyaml use ParseDuration.
type durations struct{}

// Unmarshal implements protoyaml.CustomUnmarshaler.
func (durations) Unmarshal(node *yaml.Node, message proto.Message) (bool, error) {
	target, ok := message.(*durationpb.Duration)
	if !ok {
		return false, nil
	}
	d, err := ParseDuration(node.Value)
	if err != nil {
		return false, err
	}
	proto.Merge(target, durationpb.New(d))
	return true, nil
}
