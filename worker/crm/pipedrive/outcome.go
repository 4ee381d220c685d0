package pipedrive

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

const (
	// How long to wait if Pipedrive does not say: for the burst window, and for the daily quota, which ends at midnight in a time
	// zone that it does not name.
	burstWait = 2 * time.Second
	dailyWait = time.Hour
	// Something in front of Pipedrive blocks clients that go on calling after 429.
	blockedWait = 5 * time.Minute
	// The plan has no room left; somebody has to look into it.
	cappedWait = time.Hour
)

// problem is a Pipedrive error.
type problem struct {
	Success *bool  `json:"success"`
	Error   string `json:"error"`
	Info    string `json:"error_info"`
	Code    any    `json:"code"`
}

func problemOf(answer *crm.Answer) problem {
	var p problem
	_ = json.Unmarshal(answer.Body, &p) // leaves none on error
	return p
}

// capped reports whether a limit of the plan has been reached.
func (p problem) capped() bool {
	code, _ := p.Code.(string)
	return strings.HasPrefix(code, "feature_capping_")
}

// failed interprets an answer that is not a success:
//
//	402, a limit of the plan  pause for an hour
//	403 from Pipedrive        credentials refused
//	403 from something else   retry after five minutes
//	429                       rate limited, for the moment or for today
//	any other                 by its status ([draft.ByStatus])
func failed(answer *crm.Answer) crm.Outcome {
	p := problemOf(answer)
	switch status := answer.Status; {
	case p.capped(), status == http.StatusPaymentRequired:
		return draft.Paused(answer, cappedWait, "a limit of Pipedrive's plan is reached; make room, or upgrade the plan")
	case status == http.StatusForbidden && p.Success == nil:
		return draft.Later(answer, blockedWait, "something in front of Pipedrive blocks the call (403)")
	case status == http.StatusForbidden:
		return answer.Outcome(crm.CredentialsRefused, "the token may not do this (403); check the rights of its user")
	case status == http.StatusTooManyRequests && answer.Header.Get("X-Daily-Ratelimit-Token-Remaining") == "0":
		return draft.Paused(answer, dailyWait, "the company's quota of calls for today is used up")
	case status == http.StatusTooManyRequests:
		return draft.Paused(answer, reset(answer), "too many calls at the same time")
	}
	return draft.ByStatus(answer, "Pipedrive", "pipedrive.api_token and pipedrive.base_url", "")
}

// reset returns how long the burst limit lasts.
func reset(answer *crm.Answer) time.Duration {
	seconds, err := strconv.Atoi(answer.Header.Get("X-Ratelimit-Reset"))
	if err != nil || seconds <= 0 || seconds > 60 {
		return burstWait
	}
	return time.Duration(seconds) * time.Second
}

// blame finds the property because of which a write was refused, if Pipedrive's message names one that was sent.
func (e *errand) blame(answer *crm.Answer, of string) {
	if e.Outcome.Kind != crm.Refused || answer.Status >= 500 || answer.Status < 400 {
		return
	}
	if of == noteProperty {
		e.Outcome.Property, e.Flaws = noteProperty, []string{noteProperty}
		return
	}
	p := problemOf(answer)
	words := strings.FieldsFunc(p.Error+" "+p.Info, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	for _, word := range words {
		property := of + "." + word
		if _, named := e.Values[property]; named && property != emailProperty {
			e.Outcome.Property = property
			e.Outcome.Reason = "Pipedrive does not accept the value for " + property + ", or has no such field; correct it under properties"
			e.Flaws = []string{property}
			return
		}
	}
}

// report passes on what an answer says about the daily quota, which the whole company shares, and the burst limit.
func (d *destination) report(answer *crm.Answer) {
	if d.env.Report == nil {
		return
	}
	number := func(name string) (int, bool) {
		n, err := strconv.Atoi(answer.Header.Get(name))
		return n, err == nil && n >= 0
	}
	if left, ok := number("X-Daily-Ratelimit-Token-Remaining"); ok {
		limit, _ := number("X-Daily-Ratelimit-Token-Limit")
		d.env.Report(crm.Quota{Window: 24 * time.Hour, Limit: limit, Remaining: left})
	}
	if left, ok := number("X-Ratelimit-Remaining"); ok {
		limit, _ := number("X-Ratelimit-Limit")
		d.env.Report(crm.Quota{Window: burstWait, Limit: limit, Remaining: left})
	}
}
