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

// problem is a Dynamics error. Its message may be in the user's language.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func problemOf(answer *crm.Answer) problem {
	var body struct {
		Error problem `json:"error"`
	}
	_ = json.Unmarshal(answer.Body, &body) // leaves none on error
	body.Error.Code = strings.ToLower(body.Error.Code)
	return body.Error
}

// Error codes of Dynamics. They are considered before the status: a duplicate may be a 500 (contracts, dynamics.md §4).
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

// limitedWait is how long to wait in the rare case that Dynamics does not say.
const limitedWait = 10 * time.Second

// Where English messages name a column.
var columnPatterns = []*regexp.Regexp{
	regexp.MustCompile(`[Pp]roperty '(\w+)' does not exist`),
	regexp.MustCompile(`undeclared property '(\w+)'`),
	regexp.MustCompile(`property named '(\w+)'`),
	regexp.MustCompile(`length of the '(\w+)' attribute`),
	regexp.MustCompile(`of '(\w+)' on record of type`),
}

var literalPattern = regexp.MustCompile(`Cannot convert the literal '(.*)' to the expected type`)

// column returns the column that a problem is about, if it was sent; empty if the problem does not say.
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
					return "" // ambiguous
				}
				of = column
			}
		}
		return of
	}
	return ""
}

// refuse sets a lead's outcome after a call that did not write it.
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

// brokenDown interprets an answer that is about the call, the environment or Dynamics, and not about a lead: by its code or,
// failing that, by its status.
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

// report passes on how many calls are left in five minutes. Each web server counts separately.
func (d *destination) report(answer *crm.Answer) {
	left, err := strconv.Atoi(answer.Header.Get("X-Ms-Ratelimit-Burst-Remaining-Xrm-Requests"))
	if err != nil || left < 0 || d.env.Report == nil {
		return
	}
	d.env.Report(crm.Quota{Window: 5 * time.Minute, Limit: 6000, Remaining: left})
}
