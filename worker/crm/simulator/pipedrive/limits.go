package pipedrive

import (
	"net/http"
	"strconv"
	"time"
)

// count counts a call. If a limit is exceeded, it answers and returns false.
func (a *api) count(w http.ResponseWriter, cost int, search bool) bool {
	now := a.options.Now()
	if day := now.UTC().Format(time.DateOnly); day != a.day {
		a.day, a.spent = day, 0
	}
	calls, looks := a.calls.Last(burstWindow, now), a.looks.Last(burstWindow, now)
	switch {
	case a.options.Daily >= 0 && a.spent+cost > a.options.Daily:
		a.Limit(w, true)
		return false
	case a.options.Burst >= 0 && calls >= a.options.Burst, search && a.options.Searches >= 0 && looks >= a.options.Searches:
		a.Limit(w, false)
		return false
	}
	a.spent += cost
	a.calls.Add(now)
	if search {
		a.looks.Add(now)
	}
	if a.options.Daily >= 0 {
		w.Header().Set("X-Daily-Ratelimit-Token-Limit", strconv.Itoa(a.options.Daily))
		w.Header().Set("X-Daily-Ratelimit-Token-Remaining", strconv.Itoa(a.options.Daily-a.spent))
	}
	if a.options.Burst >= 0 {
		w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(a.options.Burst))
		w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(a.options.Burst-calls-1))
		w.Header().Set("X-Ratelimit-Reset", "2")
	}
	return true
}

// Limit implements simulator.Limited. Pipedrive sends no Retry-After.
func (a *api) Limit(w http.ResponseWriter, daily bool) {
	w.Header().Set("X-Ratelimit-Remaining", "0")
	w.Header().Set("X-Ratelimit-Reset", "2")
	if daily {
		w.Header().Set("X-Daily-Ratelimit-Token-Limit", strconv.Itoa(max(1, a.options.Daily)))
		w.Header().Set("X-Daily-Ratelimit-Token-Remaining", "0")
	}
	a.Fail(w, http.StatusTooManyRequests)
}
