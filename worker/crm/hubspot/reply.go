package hubspot

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
)

// reply is the answer to a batch: what was written, in no particular order, and what was not.
type reply struct {
	Results []json.RawMessage `json:"results"`
	Errors  []json.RawMessage `json:"errors"`
}

// record is a contact as HubSpot has it.
type record struct {
	ID         string            `json:"id"`
	Trace      string            `json:"objectWriteTraceId"`
	URL        string            `json:"url"`
	Properties map[string]string `json:"properties"`
}

// problem is an error of HubSpot's: the answer to a call that failed, one contact of a batch, or a part of either. Every
// field may be missing.
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

// existing is the identifier of the contact that a conflict is with; empty if it does not say.
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

// codeNoProperty is the code of a property that was renamed or removed in HubSpot, or never was there.
const codeNoProperty = "PROPERTY_DOESNT_EXIST"

// fault is one property that HubSpot would not take.
type fault struct{ code, property string }

// list returns the texts under a key of the context.
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

// faults returns what is wrong with the properties, whether it is told in the errors or, as JSON, within the message. Neither
// names all of them always. Properties that the contact does not have are left out: they are none of ours.
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

// all returns the problem and those within it.
func (p problem) all() []problem {
	all := []problem{p}
	for _, within := range p.Errors {
		all = append(all, within.all()...)
	}
	return all
}

// scopes names the rights that the token lacks, if the problem is that.
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

// isOfNonUnique reports whether the problem is that contacts cannot be told apart by the property that they were to be.
func (p problem) isOfNonUnique() bool { return strings.Contains(p.Message, "non-unique") }

// parseProblem reads an answer as an error of HubSpot's, and reports whether it is one: JSON, whatever it holds.
func parseProblem(answer *crm.Answer) (p problem, ok bool) {
	if json.Unmarshal(answer.Body, &p) != nil {
		return problem{}, false
	}
	return p, true
}

// embedded reads what HubSpot writes behind "Property values were not valid: ".
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
