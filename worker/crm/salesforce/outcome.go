package salesforce

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// meaning is what an error code means. Codes are considered before the status.
type meaning struct {
	kind   crm.OutcomeKind
	reason string
	wait   time.Duration
	// lone means that the error is about one field of the record, which can be left out.
	lone bool
}

// meanings are the known codes (contracts, salesforce.md §4). Others are interpreted by status.
var meanings = map[string]meaning{
	"UNABLE_TO_LOCK_ROW":                {kind: crm.Retry, reason: "another writer holds the record; fewer calls at a time (limits.concurrency) make this rarer"},
	"ENTITY_IS_LOCKED":                  {kind: crm.Retry, reason: "the record is locked, as by an approval"},
	"ENTITY_IS_DELETED":                 {kind: crm.Retry, reason: "the record was deleted in the meantime"},
	"ALL_OR_NONE_OPERATION_ROLLED_BACK": {kind: crm.Retry, reason: "another record in the same call made it fail"},
	"SERVER_UNAVAILABLE":                {kind: crm.Unknown, reason: "Salesforce is not available"},
	"UNKNOWN_EXCEPTION":                 {kind: crm.Unknown, reason: "something broke in Salesforce"},
	"QUERY_TIMEOUT":                     {kind: crm.Unknown, reason: "Salesforce took too long"},
	"REQUEST_RUNNING_TOO_LONG":          {kind: crm.Unknown, reason: "Salesforce took too long"},

	"STORAGE_LIMIT_EXCEEDED": {kind: crm.RateLimited, reason: "Salesforce's storage is full; an administrator has to make room", wait: time.Hour},
	"LIMIT_EXCEEDED":         {kind: crm.RateLimited, reason: "a limit of the organisation is reached; an administrator has to look into it", wait: time.Hour},

	"INVALID_SESSION_ID":                            {kind: crm.CredentialsRefused, reason: "Salesforce refuses the access token"},
	"INVALID_AUTH_HEADER":                           {kind: crm.CredentialsRefused, reason: "Salesforce refuses the access token"},
	"INVALID_LOGIN":                                 {kind: crm.CredentialsRefused, reason: "Salesforce refuses the user"},
	"API_DISABLED_FOR_ORG":                          {kind: crm.CredentialsRefused, reason: "the organisation has no API; its edition or the user's profile lacks it"},
	"API_CURRENTLY_DISABLED":                        {kind: crm.CredentialsRefused, reason: "the user may not use the API"},
	"INSUFFICIENT_ACCESS_OR_READONLY":               {kind: crm.Retry, reason: "the user may not write the record: it is another's, or the permission is gone"},
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": {kind: crm.Retry, reason: "the user may not refer to a record that the lead refers to"},
	"INACTIVE_OWNER_OR_USER":                        {kind: crm.Retry, reason: "the owner is no longer active; correct the assignment rule or the mapping of OwnerId"},
	"NOT_FOUND":                                     {kind: crm.Retry, reason: "Salesforce knows no such object or key field; check salesforce.object and salesforce.external_id, and whether the user may see the field"},
	"UNSUPPORTED_API_VERSION":                       {kind: crm.Retry, reason: "the version of the API is retired; raise salesforce.api_version"},
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          {kind: crm.Retry, reason: "an automation of the organisation failed on the record"},
	"APEX_ERROR":                                    {kind: crm.Retry, reason: "an automation of the organisation failed on the record"},

	"INVALID_FIELD":                           {kind: crm.Refused, reason: "Salesforce has no such field, or hides it from the user by field-level security; correct it under properties, or grant the field", lone: true},
	"INVALID_FIELD_FOR_INSERT_UPDATE":         {kind: crm.Refused, reason: "the user may not write the field", lone: true},
	"STRING_TOO_LONG":                         {kind: crm.Refused, reason: "the value is longer than the field", lone: true},
	"INVALID_EMAIL_ADDRESS":                   {kind: crm.Refused, reason: "Salesforce says that the value is not an e-mail address", lone: true},
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": {kind: crm.Refused, reason: "the value is not one of the field's options", lone: true},
	"NUMBER_OUTSIDE_VALID_RANGE":              {kind: crm.Refused, reason: "the number is out of the field's range", lone: true},
	"INVALID_TYPE_ON_FIELD_IN_RECORD":         {kind: crm.Refused, reason: "the value is of another type than the field", lone: true},
	"FIELD_INTEGRITY_EXCEPTION":               {kind: crm.Refused, reason: "the value does not fit the field", lone: true},
	"MALFORMED_ID":                            {kind: crm.Refused, reason: "the value is not the identifier of a record", lone: true},
	"INVALID_CROSS_REFERENCE_KEY":             {kind: crm.Refused, reason: "the value refers to a record that is not there", lone: true},
	wrongJSON:                                 {kind: crm.Refused, reason: "a value is of another type than its field, and Salesforce does not say which"},
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":       {kind: crm.Refused, reason: "a validation rule of the organisation refuses it; the answer has the rule's words"},
	"INVALID_TYPE":                            {kind: crm.Refused, reason: "Salesforce does not know such an object, or hides it from the user; check salesforce.object"},
}

// wrongJSON is the code for values of the wrong type. The error does not name the field.
const wrongJSON = "JSON_PARSER_ERROR"

// mistyped returns the fields of a lead whose values have the wrong type, as far as the schema is known.
func (d *destination) mistyped(lead *errand) []string {
	var fields []string
	for name, value := range lead.Values {
		p := d.known.Load().Property(name)
		if p == nil {
			continue
		}
		var fits bool
		text, isText := value.(string)
		switch p.Type {
		case crm.Number:
			_, fits = value.(float64)
		case crm.Bool:
			_, fits = value.(bool)
		case crm.Date:
			_, err := time.Parse(time.DateOnly, text)
			fits = err == nil
		case crm.Time:
			_, err := time.Parse(time.RFC3339, text)
			fits = err == nil
		default:
			fits = isText
		}
		if !fits {
			fields = append(fields, name)
		}
	}
	slices.Sort(fields)
	return fields
}

// How long to wait after REQUEST_LIMIT_EXCEEDED, which comes without Retry-After. Concurrent calls count while they last. The daily
// limit is over a sliding window of 24 hours, so that calls become available all the time.
const (
	concurrentWait = 20 * time.Second
	dailyWait      = 15 * time.Minute
)

// refused sets a lead's outcome after a call about it alone failed.
func (d *destination) refused(ctx context.Context, answer *crm.Answer, lead *errand) {
	d.refuse(answer, problemOf(answer), lead).take(ctx)
}

// detour is a further attempt for a lead that cannot go the usual way. It makes calls and sets the lead's outcome. Nil means that
// the lead has its outcome already.
type detour func(context.Context)

func (by detour) take(ctx context.Context) {
	if by != nil {
		by(ctx)
	}
}

// refuse sets a lead's outcome after a problem with it, or returns a detour.
func (d *destination) refuse(answer *crm.Answer, p problem, lead *errand) detour {
	code := p.code()
	switch code {
	case "DUPLICATES_DETECTED":
		return d.duplicate(answer, p, lead)
	case "DUPLICATE_EXTERNAL_ID":
		return d.several(answer, lead, nil)
	case "DUPLICATE_VALUE":
		d.taken(answer, p, lead)
		return nil
	case "CANNOT_UPDATE_CONVERTED_LEAD":
		if d.duplicates == duplicatesSave && !lead.diverted {
			return func(ctx context.Context) { d.insertAnew(ctx, lead) }
		}
		lead.Fail(answer.Outcome(crm.Refused, "the lead in Salesforce was converted, and can no longer be changed; salesforce.duplicates: save creates a new one"))
		return nil
	case "REQUIRED_FIELD_MISSING":
		outcome := answer.Outcome(crm.Refused, "Salesforce creates no record without "+strings.Join(p.Fields, ", ")+"; map it under properties, or give it a text under salesforce.placeholders")
		outcome.Property = p.field()
		lead.Fail(outcome)
		lead.Missing = p.Fields
		return nil
	}
	m, known := meanings[code]
	if !known {
		lead.Fail(d.failed(answer))
		if answer.Status < 300 { // of a record in a collection
			lead.Fail(answer.Outcome(crm.Refused, "Salesforce does not accept it as it is"+draft.InBrackets(code)))
		}
		return nil
	}
	outcome := answer.Outcome(m.kind, m.reason+draft.InBrackets(code))
	outcome.After = max(outcome.After, m.wait)
	lead.Fail(outcome)
	fields := p.fields(lead)
	if code == wrongJSON {
		fields = d.mistyped(lead)
	}
	if len(fields) > 0 && (m.lone || code == wrongJSON) {
		lead.Outcome.Property = fields[0]
		lead.Outcome.Reason = "field " + fields[0] + ": " + lead.Outcome.Reason
		lead.Flaws = fields
	}
	return nil
}

// taken handles DUPLICATE_VALUE. For the key, that is a race with another writer, which is over by the next attempt.
func (d *destination) taken(answer *crm.Answer, p problem, lead *errand) {
	field := p.field()
	for property := range lead.Values {
		if strings.Contains(p.Message, ": "+property+" duplicates value on") {
			field = property
		}
	}
	if lead.diverted && field == d.key {
		lead.Fail(answer.Outcome(crm.Refused, "the record in Salesforce cannot be used, and no other may have the same "+field+" (DUPLICATE_VALUE); a salesforce.external_id that is not unique lets a new one be made"))
		return
	}
	if field == "" || field == d.key || strings.Contains(p.Message, "external id specified") {
		lead.Fail(answer.Outcome(crm.Retry, "another writer made the record at the same moment (DUPLICATE_VALUE)"))
		return
	}
	outcome := answer.Outcome(crm.Refused, "another record has the same value in field "+field+", which must be unique (DUPLICATE_VALUE)")
	outcome.Property = field
	lead.Fail(outcome)
}

// duplicate handles records found by a duplicate rule, as configured.
func (d *destination) duplicate(answer *crm.Answer, p problem, lead *errand) detour {
	way := ", and blocks it"
	switch {
	case d.duplicates == duplicatesPark:
		way = "; salesforce.duplicates: save or update says what to do about it"
	case d.duplicates == duplicatesUpdate && !lead.diverted:
		if ids := p.matches(d.object); len(ids) > 0 {
			return func(ctx context.Context) { d.change(ctx, lead, ids[0]) }
		}
		if p.StatusCode != "" { // a collection names no records; a single call does
			return func(ctx context.Context) { d.single(ctx, lead) }
		}
		way = ", and names no " + d.object + " to update"
	}
	lead.Fail(answer.Outcome(crm.Refused, "a duplicate rule found other records of the person"+way+" (DUPLICATES_DETECTED)"))
	return nil
}

// several handles more than one record with the key, as configured. ids may be empty although there are several.
func (d *destination) several(answer *crm.Answer, lead *errand, ids []string) detour {
	switch {
	case d.duplicates == duplicatesSave && !lead.diverted:
		return func(ctx context.Context) { d.insertAnew(ctx, lead) }
	case d.duplicates == duplicatesUpdate && !lead.diverted && len(ids) > 0:
		return func(ctx context.Context) { d.change(ctx, lead, ids[0]) }
	case d.duplicates == duplicatesUpdate && !lead.diverted:
		return func(ctx context.Context) {
			if id, failed := d.lookUp(ctx, lead, d.key, lead.Text(d.key), time.Time{}); id != "" {
				d.change(ctx, lead, id)
			} else if !failed {
				d.parkSeveral(answer, lead)
			}
		}
	}
	d.parkSeveral(answer, lead)
	return nil
}

func (d *destination) parkSeveral(answer *crm.Answer, lead *errand) {
	outcome := answer.Outcome(crm.Refused, "several records have the same "+d.key+"; merge them, use a unique external id as salesforce.external_id, or say in salesforce.duplicates what to do about it")
	outcome.Property = d.key
	lead.Fail(outcome)
}

// insertAnew creates another record because the existing one cannot be used. If an earlier answer was lost, it first checks whether
// that was already done.
func (d *destination) insertAnew(ctx context.Context, lead *errand) {
	lead.diverted = true
	if !lead.Item.Unanswered.IsZero() {
		id, failed := d.lookUp(ctx, lead, d.key, lead.Text(d.key), lead.Item.Unanswered)
		if failed {
			return
		}
		if id != "" {
			d.change(ctx, lead, id)
			return
		}
	}
	d.insert(ctx, lead)
}

// refusedAll sets the outcomes of leads after a collection that was refused as a whole and wrote nothing.
func (d *destination) refusedAll(answer *crm.Answer, p problem, leads []*errand) {
	outcome := d.failed(answer)
	if m, known := meanings[p.code()]; known && m.kind != crm.Refused {
		outcome = answer.Outcome(m.kind, m.reason+draft.InBrackets(p.code()))
		outcome.After = max(outcome.After, m.wait)
	}
	if outcome.Kind == crm.Refused && answer.Status >= 400 && len(leads) > 1 {
		outcome = answer.Outcome(crm.Split, "Salesforce refuses the batch"+draft.InBrackets(p.code()))
	}
	draft.FailAll(leads, outcome)
}

// failed interprets an answer that is about the call, the organisation or Salesforce, and not about a lead:
//
//	REQUEST_LIMIT_EXCEEDED  rate limited, for the moment or for the day; with status 403
//	a known code            see meanings
//	any other               by its status ([draft.ByStatus])
func (d *destination) failed(answer *crm.Answer) crm.Outcome {
	p := problemOf(answer)
	code := p.code()
	if code == "REQUEST_LIMIT_EXCEEDED" {
		if strings.Contains(p.Message, "Concurrent") {
			return draft.Paused(answer, concurrentWait, "too many calls that take long are under way in Salesforce"+draft.InBrackets(code))
		}
		return draft.Paused(answer, dailyWait, "Salesforce's 24-hour quota of calls is used up"+draft.InBrackets(code))
	}
	if m, known := meanings[code]; known && m.kind != crm.Refused {
		outcome := answer.Outcome(m.kind, m.reason+draft.InBrackets(code))
		outcome.After = max(outcome.After, m.wait)
		return outcome
	}
	return draft.ByStatus(answer, "Salesforce", "salesforce.url, salesforce.object and salesforce.api_version", code)
}
