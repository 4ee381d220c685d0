package zoho

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// result is the result for one record. A call that failed as a whole has the same form.
type result struct {
	Status  string `json:"status"`
	Code    string `json:"code"`
	Details struct {
		ID        string `json:"id"`
		APIName   string `json:"api_name"`
		JSONPath  string `json:"json_path"`
		Duplicate struct {
			ID string `json:"id"`
		} `json:"duplicate_record"`
	} `json:"details"`
}

var fieldName = regexp.MustCompile(`^\w{1,100}$`)

// field returns the field that the result is about; empty if it does not say.
func (r result) field() string {
	if fieldName.MatchString(r.Details.APIName) {
		return r.Details.APIName
	}
	return ""
}

// twin returns the record that a value conflicts with; empty if it does not say.
func (r result) twin() string { return cmp.Or(r.Details.ID, r.Details.Duplicate.ID) }

// isGone reports whether the record to change no longer exists: it was deleted, or merged into another.
func (r result) isGone() bool { return r.Code == "INVALID_DATA" && r.Details.APIName == "id" }

// readResults sets each lead's outcome from its result; status 200 says nothing about them. Results are in the order of the
// request. If the number of results differs from that of leads, nothing is known about any lead.
func (d *destination) readResults(answer *crm.Answer, leads []*errand) {
	var reply struct {
		Data []json.RawMessage `json:"data"`
	}
	if json.Unmarshal(answer.Body, &reply) != nil || len(reply.Data) != len(leads) {
		draft.FailAll(leads, answer.Outcome(crm.Unknown, "Zoho's answer does not have a result for each lead"))
		return
	}
	for i, lead := range leads {
		part := answer.About(reply.Data[i])
		var r result
		switch {
		case json.Unmarshal(part.Body, &r) != nil:
			lead.Fail(part.Outcome(crm.Unknown, "Zoho's answer does not name the record"))
		case r.Status == "success" && r.Details.ID != "":
			outcome := part.Outcome(crm.Delivered, "")
			outcome.RecordID, outcome.RecordURL = r.Details.ID, d.recordURL(r.Details.ID)
			lead.Fail(outcome)
		case r.Status == "error" && draft.IsCode(r.Code):
			if n := index(r.Details.JSONPath); n >= 0 && n != i {
				lead.Fail(part.Outcome(crm.Unknown, "Zoho's answer names another lead where this one should be"))
				continue
			}
			d.refuse(part, r, lead)
		default:
			lead.Fail(part.Outcome(crm.Unknown, "Zoho's answer does not name the record"))
		}
	}
}

var dataIndex = regexp.MustCompile(`^\$\.data\[(\d+)\]`)

// index returns which record of the call a path is about; negative if it does not say.
func index(path string) int {
	found := dataIndex.FindStringSubmatch(path)
	if found == nil {
		return -1
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		return -1
	}
	return n
}

// How long to wait if Zoho does not say.
const (
	concurrencyWait = 10 * time.Second
	creditsWait     = 15 * time.Minute // credits become available over a sliding window of 24 hours
	adminWait       = time.Hour
)

const goneMeanwhile = "the record was deleted in Zoho, or merged into another, since it was found; it is looked for again"

// refuse sets a lead's outcome after a problem with its record (contracts, zoho.md §4).
func (d *destination) refuse(answer *crm.Answer, r result, lead *errand) {
	field, code := r.field(), draft.InBrackets(r.Code)
	flaw := func(reason string) {
		outcome := answer.Outcome(crm.Refused, reason+code)
		outcome.Property = field
		lead.Fail(outcome)
		if _, sent := lead.Values[field]; sent {
			lead.Flaws = []string{field}
		}
	}
	if r.isGone() {
		lead.Fail(answer.Outcome(crm.Retry, goneMeanwhile+code))
		return
	}
	switch r.Code {
	case "MANDATORY_NOT_FOUND":
		outcome := answer.Outcome(crm.Refused, "Zoho creates no record without "+field+"; map it under properties, or give it a text under zoho.placeholders"+code)
		outcome.Property = field
		lead.Fail(outcome)
		if field != "" {
			lead.Missing = []string{field}
		}
	case "INVALID_DATA", "PATTERN_NOT_MATCHED", "MAPPING_MISMATCH", "DEPENDENT_FIELD_MISSING", "LIMIT_EXCEEDED_FOR_FIELD":
		flaw("the value does not fit Zoho's field " + field)
	case "DUPLICATE_DATA":
		if slices.Contains(d.checks, field) || field == "" {
			lead.Fail(answer.Outcome(crm.Retry, "another writer made the record at the same moment"+code))
			return
		}
		flaw("another record has the same value in Zoho's field " + field + ", which must be unique")
		if (field == email || lead.Text(email) == "") && !lead.diverted { // without the value there might be no way to contact the person
			lead.twin = r.twin()
		}
	case "NO_PERMISSION":
		lead.Fail(answer.Outcome(crm.Retry, "the user may not write the record"+code))
	case "RECORD_LOCKED", "RECORD_IN_BLUEPRINT", "NOT_APPROVED":
		lead.Fail(answer.Outcome(crm.Retry, "the record is locked by a process in Zoho"+code))
	case "ID_ALREADY_CONVERTED", "CONVERTED_RECORD":
		lead.Fail(answer.Outcome(crm.Refused, "the lead in Zoho was converted, and can no longer be changed"+code))
	default:
		if outcome, known := d.ofAccount(answer, r.Code); known {
			lead.Fail(outcome)
			return
		}
		lead.Fail(answer.Outcome(crm.Refused, "Zoho does not accept it as it is"+code))
	}
}

// ofAccount interprets codes that are about the account, not about a record.
func (d *destination) ofAccount(answer *crm.Answer, code string) (crm.Outcome, bool) {
	said := draft.InBrackets(code)
	switch code {
	case "INVALID_TOKEN", "AUTHENTICATION_FAILURE":
		return answer.Outcome(crm.CredentialsRefused, "Zoho refuses the access token"+said+"; check zoho.data_center and zoho.refresh_token"), true
	case "OAUTH_SCOPE_MISMATCH", "NO_PERMISSION":
		return answer.Outcome(crm.CredentialsRefused, "the token may not do this"+said+"; it needs the scopes ZohoCRM.modules."+d.module+".ALL and ZohoCRM.settings.fields.READ"), true
	case "TOO_MANY_REQUESTS":
		return draft.Paused(answer, concurrencyWait, "too many calls at the same time"+said+"; lower limits.concurrency"), true
	case "LIMIT_EXCEEDED":
		return draft.Paused(answer, creditsWait, "Zoho's 24-hour quota of credits is used up"+said), true
	case "STORAGE_SPACE_EXCEEDED", "FEATURE_NOT_SUPPORTED":
		return draft.Paused(answer, adminWait, "the account cannot take it"+said+"; an administrator has to look into it"), true
	case "INVALID_MODULE", "INVALID_URL_PATTERN", "INVALID_REQUEST_METHOD", "INVALID_QUERY":
		return answer.Outcome(crm.Retry, "Zoho does not know what was called"+said+"; check zoho.module and zoho.duplicate_check"), true
	case "INTERNAL_ERROR":
		return answer.Outcome(crm.Unknown, "something broke in Zoho"+said), true
	}
	return crm.Outcome{}, false
}

// refusedAll sets the outcomes of leads after a call that failed as a whole and wrote nothing.
func (d *destination) refusedAll(answer *crm.Answer, leads []*errand) {
	outcome := d.failed(answer)
	if outcome.Kind == crm.Refused && answer.Status >= 400 && len(leads) > 1 {
		outcome.Kind, outcome.Reason = crm.Split, fmt.Sprintf("Zoho refuses the batch (%d)", answer.Status)
	}
	draft.FailAll(leads, outcome)
}

// failed interprets an answer that is about the call, the account or Zoho, and not about a lead: by its code or, failing that, by
// its status.
func (d *destination) failed(answer *crm.Answer) crm.Outcome {
	var r result
	_ = json.Unmarshal(answer.Body, &r) // leaves no code on error
	if outcome, known := d.ofAccount(answer, r.Code); known {
		return outcome
	}
	if r.isGone() {
		return answer.Outcome(crm.Retry, goneMeanwhile+draft.InBrackets(r.Code))
	}
	if r.Details.APIName == checksMember {
		return answer.Outcome(crm.Retry, "Zoho does not check for duplicates by these fields"+draft.InBrackets(r.Code)+"; correct zoho.duplicate_check")
	}
	if answer.Status == http.StatusTooManyRequests {
		return draft.Paused(answer, concurrencyWait, "too many calls at the same time")
	}
	return draft.ByStatus(answer, "Zoho", "zoho.data_center and zoho.module", r.Code)
}

// report passes on how many credits are left, which Zoho reports once half of them are used.
func (d *destination) report(answer *crm.Answer) {
	left, err := strconv.Atoi(answer.Header.Get("X-API-CREDITS-REMAINING"))
	if err != nil || left < 0 || d.env.Report == nil {
		return
	}
	d.env.Report(crm.Quota{Window: 24 * time.Hour, Remaining: left})
}
