package alert

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// Defaults of the configuration.
const (
	defaultRemindEvery = 4 * time.Hour
	defaultDiskMiB     = 1024
)

// Rules returns general with the defaults filled in. general may be nil.
func Rules(general *configv1.AlertRules) *configv1.AlertRules { return rulesFor(general, nil) }

// rulesFor returns the rules of one form or destination: its own take precedence over the general ones, those over the defaults.
func rulesFor(general, own *configv1.AlertRules) *configv1.AlertRules {
	r := &configv1.AlertRules{}
	for _, layer := range []*configv1.AlertRules{general, own} {
		layer.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			r.ProtoReflect().Set(field, value) // a rule is replaced as a whole, not field by field
			return true
		})
	}
	r = proto.CloneOf(r) // do not change the layers

	r.ErrorRate = share(r.ErrorRate, .05, 10*time.Minute, 10)
	r.Rejections = share(r.Rejections, .5, time.Hour, 20)
	r.RateLimited = count(r.RateLimited, 3, 10*time.Minute)
	r.LogLines = count(r.LogLines, 1, 10*time.Minute)
	r.Dead = count(r.Dead, 1, time.Hour)
	r.Holds = count(r.Holds, 10, time.Hour)
	r.Credentials = condition(r.Credentials, 0)
	r.Paused = condition(r.Paused, 10*time.Minute)
	r.Breaker = condition(r.Breaker, time.Minute)
	r.Drift = condition(r.Drift, 0)
	r.Notifier = condition(r.Notifier, time.Minute)
	r.Configuration = condition(r.Configuration, time.Minute)

	r.NoSuccess = orNew(r.NoSuccess)
	setDuration(&r.NoSuccess.Window, time.Hour)
	r.OldestWaiting = orNew(r.OldestWaiting)
	setDuration(&r.OldestWaiting.Above, 15*time.Minute)
	if r.SpeedToLead == nil {
		r.SpeedToLead = &configv1.SpeedRule{Off: true}
	}
	setDuration(&r.SpeedToLead.Above, 5*time.Minute)
	setDuration(&r.SpeedToLead.Window, 15*time.Minute)
	r.Silence = orNew(r.Silence)
	setNumber(&r.Silence.Missing, 10)
	setDuration(&r.Silence.AtLeast, time.Hour)
	setDuration(&r.Silence.LearnFor, 7*24*time.Hour)
	r.Disk = orNew(r.Disk)
	setNumber(&r.Disk.BelowMib, defaultDiskMiB)
	for _, e := range r.CrmErrors {
		setNumber(&e.AtLeast, 1)
		setDuration(&e.Window, 10*time.Minute)
	}
	return r
}

func share(r *configv1.ErrorRateRule, above float64, window time.Duration, atLeast int32) *configv1.ErrorRateRule {
	r = orNew(r)
	setNumber(&r.Above, above)
	setDuration(&r.Window, window)
	setNumber(&r.AtLeast, atLeast)
	return r
}

func count(r *configv1.CountRule, atLeast int32, window time.Duration) *configv1.CountRule {
	r = orNew(r)
	setNumber(&r.AtLeast, atLeast)
	setDuration(&r.Window, window)
	return r
}

func condition(r *configv1.ConditionRule, after time.Duration) *configv1.ConditionRule {
	r = orNew(r)
	setDuration(&r.After, after)
	return r
}

func orNew[T any](rule *T) *T {
	if rule == nil {
		return new(T)
	}
	return rule
}

func setNumber[T int32 | float64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

func setDuration(field **durationpb.Duration, value time.Duration) {
	if *field == nil {
		*field = durationpb.New(value)
	}
}
