package hubspot

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
)

// reply is the answer to a batch call: the contacts that were written, in any order, and the errors.
type reply struct {
	Results []json.RawMessage `json:"results"`
	Errors  []json.RawMessage `json:"errors"`
}

// record is a contact in HubSpot's form.
type record struct {
	ID         string            `json:"id"`
	Trace      string            `json:"objectWriteTraceId"`
	URL        string            `json:"url"`
	Properties map[string]string `json:"properties"`
}

// problem is a HubSpot error about a call, about one contact of a batch, or within another error. Any field may be missing.
type problem struct {
	Category   string         `json:"category"`
	Message    string         `json:"message"`
	Code       string         `json:"code"`
	In         string         `json:"in"`
	PolicyName string         `json:"policyName"`
	Context    map[string]any `json:"context"`
	Errors     []problem      `json:"errors"`
	Profile    struct {
		VID json.Number `json:"vid"`
	} `json:"identityProfile"`
}

var existingPattern = regexp.MustCompile(`Existing ID: (\d+)\s*$`)

// existing returns the identifier of the contact that this one conflicts with; empty if the problem does not name it.
func (p problem) existing() string {
	if p.Profile.VID != "" {
		return p.Profile.VID.String()
	}
	if ids := p.list("existingId"); len(ids) > 0 {
		return ids[0]
	}
	if match := existingPattern.FindStringSubmatch(p.Message); match != nil {
		return match[1]
	}
	return ""
}

// codeNoProperty is the error code for a property that does not exist in HubSpot, perhaps because it was renamed or removed.
const codeNoProperty = "PROPERTY_DOESNT_EXIST"

// fault is one property that HubSpot did not accept.
type fault struct{ code, property string }

// list returns the strings under a key of the context.
func (p problem) list(key string) []string {
	values, _ := p.Context[key].([]any)
	var texts []string
	for _, value := range values {
		if s, ok := value.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// faults returns what is wrong with the properties, be it in the nested errors or, as JSON, in the message. Neither always names
// all of them. Properties that were not sent are ignored.
func (p problem) faults(properties map[string]any) []fault {
	var found []fault
	add := func(code, property string) {
		if _, sent := properties[property]; !sent || code == "" {
			return
		}
		if !slices.ContainsFunc(found, func(f fault) bool { return f.property == property }) {
			found = append(found, fault{code, property})
		}
	}
	for _, q := range p.all() {
		for _, property := range append(q.list("propertyName"), q.In) {
			add(q.Code, property)
		}
		for _, f := range embedded(q.Message) {
			add(f.code, f.property)
		}
	}
	return found
}

// all returns the problem and those nested in it.
func (p problem) all() []problem {
	all := []problem{p}
	for _, within := range p.Errors {
		all = append(all, within.all()...)
	}
	return all
}

// scopes says which scopes the token lacks; empty if that is not the problem.
func (p problem) scopes() string {
	var missing []string
	for _, q := range p.all() {
		missing = append(missing, q.list("requiredGranularScopes")...)
	}
	if len(missing) == 0 {
		return ""
	}
	return ", which lacks " + strings.Join(missing, ", ")
}

// isOfNonUnique reports whether the problem is that the key property is not unique.
func (p problem) isOfNonUnique() bool { return strings.Contains(p.Message, "non-unique") }

// parseProblem decodes an answer as a HubSpot error. ok reports whether it is JSON at all.
func parseProblem(answer *crm.Answer) (p problem, ok bool) {
	if json.Unmarshal(answer.Body, &p) != nil {
		return problem{}, false
	}
	return p, true
}

// embedded decodes the JSON that HubSpot puts into messages, after "Property values were not valid: ".
func embedded(message string) []fault {
	start := strings.Index(message, "[{")
	if start < 0 {
		return nil
	}
	var values []struct {
		Error string `json:"error"`
		Name  string `json:"name"`
	}
	if json.NewDecoder(strings.NewReader(message[start:])).Decode(&values) != nil {
		return nil
	}
	var faults []fault
	for _, v := range values {
		faults = append(faults, fault{v.Error, v.Name})
	}
	return faults
}
