package salesforce

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/draft"
)

// problem is a Salesforce error. Any field may be missing.
type problem struct {
	Message    string   `json:"message"`
	ErrorCode  string   `json:"errorCode"`  // of a call
	StatusCode string   `json:"statusCode"` // of a record in a collection
	Fields     []string `json:"fields"`
	// The records that a duplicate rule found. Salesforce spells the key in both ways.
	Duplicates *duplicates `json:"duplicateResult"`
	Dupicates  *duplicates `json:"duplicateResut"`
}

type duplicates struct {
	AllowSave    bool `json:"allowSave"`
	MatchResults []struct {
		EntityType   string `json:"entityType"`
		MatchRecords []struct {
			Record struct {
				Attributes struct {
					Type string `json:"type"`
				} `json:"attributes"`
				ID string `json:"Id"`
			} `json:"record"`
		} `json:"matchRecords"`
	} `json:"matchResults"`
}

// problemOf decodes an answer as a Salesforce error: a list, of which the first says the most, or an object. If it is neither, the
// problem is zero.
func problemOf(answer *crm.Answer) problem {
	var list []problem
	if json.Unmarshal(answer.Body, &list) == nil && len(list) > 0 {
		return list[0].tidy()
	}
	var one problem
	if json.Unmarshal(answer.Body, &one) != nil {
		return problem{}
	}
	return one.tidy()
}

var fieldName = regexp.MustCompile(`^\w{1,80}$`)

// tidy removes from Fields what is not a field name, because Fields are shown.
func (p problem) tidy() problem {
	p.Fields = slices.DeleteFunc(p.Fields, func(name string) bool { return !fieldName.MatchString(name) })
	return p
}

// code returns Salesforce's error code; empty if there is none.
func (p problem) code() string {
	for _, code := range []string{p.ErrorCode, p.StatusCode} {
		if draft.IsCode(code) {
			return code
		}
	}
	return ""
}

var noSuchColumn = regexp.MustCompile(`No such column '(\w+)'`)

// field returns the field that the problem is about; empty if unknown. For a field that does not exist, only the message names it.
func (p problem) field() string {
	if len(p.Fields) > 0 {
		return p.Fields[0]
	}
	if found := noSuchColumn.FindStringSubmatch(p.Message); found != nil {
		return found[1]
	}
	return ""
}

// fields returns all fields that the problem is about and that were sent.
func (p problem) fields(lead *errand) []string {
	var sent []string
	for _, name := range append(p.Fields, p.field()) {
		for property := range lead.Values {
			if strings.EqualFold(property, name) && !slices.Contains(sent, property) {
				sent = append(sent, property)
			}
		}
	}
	return sent
}

// matches returns the records of an object that the duplicate rule found; it may have found other objects' records, too.
func (p problem) matches(object string) []string {
	var ids []string
	for _, found := range []*duplicates{p.Duplicates, p.Dupicates} {
		if found == nil {
			continue
		}
		for _, result := range found.MatchResults {
			for _, match := range result.MatchRecords {
				if match.Record.ID != "" && cmp.Or(match.Record.Attributes.Type, result.EntityType) == object {
					ids = append(ids, match.Record.ID)
				}
			}
		}
	}
	return ids
}
