package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // for business_hours in images without time zones

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// hours are business hours. The zero value is always open.
type hours struct {
	set      bool
	zone     *time.Location
	days     []time.Weekday
	from, to time.Duration // since midnight
}

// newHours parses business hours; nil means always open.
func newHours(cfg *configv1.BusinessHours) (hours, error) {
	if cfg == nil {
		return hours{}, nil
	}
	h := hours{set: true, from: 9 * time.Hour, to: 18 * time.Hour, days: []time.Weekday{1, 2, 3, 4, 5}}
	var err error
	if h.zone, err = time.LoadLocation(cfg.GetTimeZone()); err != nil {
		return hours{}, fmt.Errorf("time_zone %q is not known; write it as in Europe/Berlin or America/New_York", cfg.GetTimeZone())
	}
	if cfg.GetFrom() != "" {
		h.from = timeOfDay(cfg.GetFrom())
	}
	if cfg.GetTo() != "" {
		h.to = timeOfDay(cfg.GetTo())
	}
	if h.from >= h.to {
		return hours{}, fmt.Errorf("business_hours: it closes at %s before it opens at %s", cfg.GetTo(), cfg.GetFrom())
	}
	if len(cfg.GetDays()) > 0 {
		h.days = nil
		for _, name := range cfg.GetDays() {
			h.days = append(h.days, time.Weekday(slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, name)))
		}
	}
	return h, nil
}

// timeOfDay parses a time such as 09:30, which was validated before.
func timeOfDay(text string) time.Duration {
	var hour, minute int
	_, _ = fmt.Sscanf(strings.TrimSpace(text), "%d:%d", &hour, &minute)
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

// open returns how long the business was open between two times, looking back at most a month from to.
func (h hours) open(from, to time.Time) time.Duration {
	if !h.set {
		return to.Sub(from)
	}
	if oldest := to.AddDate(0, -1, 0); from.Before(oldest) {
		from = oldest
	}
	var open time.Duration
	year, month, day := from.In(h.zone).Date()
	for ; ; day++ {
		midnight := time.Date(year, month, day, 0, 0, 0, 0, h.zone)
		if !midnight.Before(to) {
			return open
		}
		if !slices.Contains(h.days, midnight.Weekday()) {
			continue
		}
		// By wall-clock time, even on days when the clocks change.
		opens := time.Date(year, month, day, 0, int(h.from.Minutes()), 0, 0, h.zone)
		closes := time.Date(year, month, day, 0, int(h.to.Minutes()), 0, 0, h.zone)
		if opens.Before(from) {
			opens = from
		}
		if closes.After(to) {
			closes = to
		}
		open += max(0, closes.Sub(opens))
	}
}
