package config

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/pace"
	"github.com/leadgate/leadgate/worker/retention"
)

// setDefaults fills in what the file leaves out. It does not set what depends on the use: the rate and the properties of a
// destination depend on the kind of CRM, the format of log lines on where they go.
func setDefaults(cfg *configv1.Config) {
	setDefault(&cfg.Listen, "127.0.0.1:8080")
	setDefault(&cfg.DataDir, "./data")
	setDefault(&cfg.CleartextHttp2, "grpc")

	cfg.Idempotency = orNew(cfg.Idempotency)
	setDuration(&cfg.Idempotency.Ttl, 24*time.Hour)
	cfg.Retention = orNew(cfg.Retention)
	setDuration(&cfg.Retention.Delivered, retention.DefaultDelivered)
	setDuration(&cfg.Retention.Undelivered, retention.DefaultUndelivered)
	cfg.Intake = orNew(cfg.Intake)
	setDefault(&cfg.Intake.MaxBodyBytes, 64<<10)
	cfg.Log = orNew(cfg.Log)
	setDefault(&cfg.Log.Level, "info")
	setDefault(&cfg.Log.PersonalData, "masked")

	for _, d := range cfg.GetDestinations() {
		d.Limits = orNew(d.Limits)
		setDefault(&d.Limits.Concurrency, 4)
		setDuration(&d.Limits.Timeout, 30*time.Second)
		d.Retry = orNew(d.Retry)
		setDuration(&d.Retry.InitialDelay, pace.DefaultInitialDelay)
		setDuration(&d.Retry.MaxDelay, max(pace.DefaultMaxDelay, d.Retry.InitialDelay.AsDuration()))
		setDuration(&d.Retry.GiveUpAfter, pace.DefaultGiveUpAfter)
	}

	cfg.Leads = orNew(cfg.Leads)
	cfg.Leads.Destinations = orOnly(cfg.Leads.Destinations, cfg)
	for _, form := range cfg.GetForms() {
		if len(form.GetRoutes()) == 0 { // with routes, there may be no other destinations
			form.Destinations = orOnly(form.Destinations, cfg)
		}
		setDefault(&form.OnKeyReuse, "hold")
		form.Limits = orNew(form.Limits)
		setDefault(&form.Limits.PerAddress, 120)
		setDuration(&form.DeriveKeyWindow, 10*time.Minute)
	}
}

// orOnly returns the named destinations or, if none are named and there is only one, that one.
func orOnly(named []string, cfg *configv1.Config) []string {
	if len(named) > 0 || len(cfg.GetDestinations()) != 1 {
		return named
	}
	for name := range cfg.GetDestinations() {
		return []string{name}
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	if zero := *new(T); *field == zero {
		*field = value
	}
}

func setDuration(field **durationpb.Duration, value time.Duration) {
	if *field == nil {
		*field = durationpb.New(value)
	}
}

func orNew[T any](message *T) *T {
	if message == nil {
		return new(T)
	}
	return message
}
