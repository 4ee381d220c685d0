package dynamics

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// problem is an error of Dynamics'. Its message may be in the user's language.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func problemOf(answer *crm.Answer) problem {
	var body struct {
		Error problem `json:"error"`
	}
	_ = json.Unmarshal(answer.Body, &body) // there is no problem, then
	body.Error.Code = strings.ToLower(body.Error.Code)
	return body.Error
}

// Codes of Dynamics', which are looked at before the status: a duplicate may be a 500 (contracts, dynamics.md §4).
const (
	codeRequests    = "0x80072322"
	codeTime        = "0x80072321"
	codeConcurrency = "0x80072326"
	codePrivilege   = "0x80040220"
	codeKeyTaken    = "0x80060892"
	codeVersion     = "0x80060882"
	codeDuplicate   = "0x80040333"
	codePayload     = "0x80048d19"
	codeNoKey       = "0x80060891"
	codeNoRow       = "0x80040217"
	codeURL         = "0x80060888"
)

// limitedWait is how long to wait where Dynamics does not say, which it nearly always does.
const limitedWait = 10 * time.Second

// Where messages name a column, in English.
var columnPatterns = []*regexp.Regexp{
	regexp.MustCompile(`[Pp]roperty '(\w+)' does not exist`),
	regexp.MustCompile(`undeclared property '(\w+)'`),
	regexp.MustCompile(`property named '(\w+)'`),
	regexp.MustCompile(`length of the '(\w+)' attribute`),
	regexp.MustCompile(`of '(\w+)' on record of type`),
}

var literalPattern = regexp.MustCompile(`Cannot convert the literal '(.*)' to the expected type`)

// column is the column that a problem is about, of those that were sent; empty if it does not say.
func (p problem) column(lead *draft.Draft) string {
	for _, pattern := range columnPatterns {
		if found := pattern.FindStringSubmatch(p.Message); found != nil {
			if column := writtenAs(found[1], lead); column != "" {
				return column
			}
		}
	}
	if found := literalPattern.FindStringSubmatch(p.Message); found != nil {
		of := ""
		for column := range lead.Values {
			if lead.Text(column) == found[1] {
				if of != "" {
					return "" // it may be either
				}
				of = column
			}
		}
		return of
	}
	return ""
}

// refuse gives a lead its outcome after a call that did not write it.
func (d *destination) refuse(answer *crm.Answer, lead *draft.Draft) {
	p := problemOf(answer)
	code := draft.InBrackets(p.Code)
	flaw := func(column, reason string) {
		outcome := answer.Outcome(crm.Refused, reason+code)
		outcome.Property = column
		lead.Fail(outcome)
		lead.Flaws = []string{column}
	}
	if column := p.referring(lead); p.Code == codeNoRow && column != "" {
		flaw(column, "the record that column "+column+" refers to is not there")
		return
	}
	switch p.Code {
	case codeKeyTaken:
		lead.Fail(answer.Outcome(crm.Retry, "another writer made the record at the same moment, or another key has the same value"+code))
	case codeVersion:
		lead.Fail(answer.Outcome(crm.Retry, "the record was changed at the same moment"+code))
	case codeNoRow:
		lead.Fail(answer.Outcome(crm.Retry, "the record was deleted in the meantime"+code))
	case codeDuplicate:
		lead.Fail(answer.Outcome(crm.Refused, "a duplicate detection rule found other records of the person; without dynamics.duplicates they are not looked for"+code))
	default:
		if column := p.column(lead); column != "" && answer.Status == http.StatusBadRequest {
			flaw(column, "Dynamics does not accept column "+column+": it is not there, or the value does not fit it")
			return
		}
		lead.Fail(brokenDown(answer))
	}
}

// brokenDown reads an answer that is about the call, the environment or Dynamics, and not about a lead: by its code, otherwise
// by its status.
func brokenDown(answer *crm.Answer) crm.Outcome {
	p := problemOf(answer)
	code := draft.InBrackets(p.Code)
	switch p.Code {
	case codeRequests:
		return draft.Paused(answer, limitedWait, "Dynamics' five-minute quota of calls is used up"+code)
	case codeTime:
		return draft.Paused(answer, limitedWait, "Dynamics' five-minute quota of execution time is used up"+code)
	case codeConcurrency:
		return draft.Paused(answer, limitedWait, "too many calls at the same time"+code+"; lower limits.concurrency")
	case codePrivilege:
		return answer.Outcome(crm.CredentialsRefused, "the application user may not write these records; give it a security role that may"+code)
	case codeNoKey:
		return answer.Outcome(crm.Retry, "the table has no such key, or its index is not Active yet; check dynamics.key"+code)
	case codeURL:
		return answer.Outcome(crm.Retry, "Dynamics does not understand the call; check dynamics.table and dynamics.key"+code)
	case codePayload:
		return answer.Outcome(crm.Refused, "Dynamics does not accept the lead as it is; the answer says why"+code)
	}
	if answer.Status == http.StatusTooManyRequests {
		return draft.Paused(answer, limitedWait, "Dynamics asks for fewer calls")
	}
	if answer.Status == http.StatusUnauthorized {
		return answer.Outcome(crm.CredentialsRefused, "Dynamics refuses the access token; the environment needs an application user for dynamics.client_id")
	}
	return draft.ByStatus(answer, "Dynamics", "dynamics.url and dynamics.table", p.Code)
}

// report tells the pace what is left of the calls of five minutes. Each web server counts for itself.
func (d *destination) report(answer *crm.Answer) {
	left, err := strconv.Atoi(answer.Header.Get("X-Ms-Ratelimit-Burst-Remaining-Xrm-Requests"))
	if err != nil || left < 0 || d.env.Report == nil {
		return
	}
	d.env.Report(crm.Quota{Window: 5 * time.Minute, Limit: 6000, Remaining: left})
}
