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

// problem is an error of Salesforce's. Every field may be missing.
type problem struct {
	Message    string   `json:"message"`
	ErrorCode  string   `json:"errorCode"`  // of a call
	StatusCode string   `json:"statusCode"` // of a record in a collection
	Fields     []string `json:"fields"`
	// The records that a duplicate rule found; on the wire it is spelt in both ways.
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

// problemOf reads an answer as an error of Salesforce's: a list, of which the first says most, or an object. The zero problem
// if it is neither.
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

// tidy leaves names of fields only among the fields: they are shown.
func (p problem) tidy() problem {
	p.Fields = slices.DeleteFunc(p.Fields, func(name string) bool { return !fieldName.MatchString(name) })
	return p
}

// code is Salesforce's constant; empty if it is none.
func (p problem) code() string {
	for _, code := range []string{p.ErrorCode, p.StatusCode} {
		if draft.IsCode(code) {
			return code
		}
	}
	return ""
}

var noSuchColumn = regexp.MustCompile(`No such column '(\w+)'`)

// field is the field that the problem is about, as far as it is told; of a column that is not there only the message tells.
func (p problem) field() string {
	if len(p.Fields) > 0 {
		return p.Fields[0]
	}
	if found := noSuchColumn.FindStringSubmatch(p.Message); found != nil {
		return found[1]
	}
	return ""
}

// fields are all fields that the problem is about and that were sent.
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

// matches are the records of an object that the duplicate rule found; it may find those of others, too.
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
