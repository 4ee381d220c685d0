package intake

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/mapping"
	spell "github.com/leadgate/leadgate/worker/spelling"
)

// Paths with special treatment, and prefixes.
const (
	pathEmail      = "email"
	pathPhone      = "phone"
	pathCountry    = "country"
	pathRegion     = "region"
	pathPostalCode = "postal_code"
	pathWebsite    = "website"
	pathMessage    = "message"
	pathFirstName  = "first_name"
	pathLastName   = "last_name"
	pathStreet     = "street"
	pathJobTitle   = "job_title"
	pathPageURL    = "source.page_url"
	customPrefix   = "custom."
	sourcePrefix   = "source."
)

// FullName is the target of a form field that holds a full name. A lead has no such field: the name is split into first_name and
// last_name.
const FullName = "full_name"

// target is a place in a lead. The places, and the lengths that they allow, come from lead.proto.
type target struct {
	path   string   // such as company, custom.budget, source.utm_source
	fields []string // the form fields that map to it, sorted; none if the dictionary decides
	index  int      // in the form's targets
	clean  func(string) (string, reasons)

	custom string                         // the name of a custom field, or
	place  func(*leadgatev1.Lead) *string // where the text is stored; nil for a full name
	// most is the longest text that the place allows, in characters; 0 for no limit.
	most int
	// joint separates several values; empty if only the first is taken.
	joint string
	// value says how values are read; nil for plain text.
	value *valueReader
	// required means that a submission without it is refused.
	required bool
}

// mappable returns the target for a path that forms may map.
func mappable(path string) (*target, error) {
	if setByLeadgate(path) {
		return nil, fmt.Errorf("%s is set by leadgate; leave it out", path)
	}
	return newTarget(path)
}

func setByLeadgate(path string) bool {
	return path == "source.form" || path == "source.ip" || path == "source.user_agent"
}

func newTarget(path string) (*target, error) {
	t := &target{path: path, clean: plain}
	switch path {
	case pathEmail:
		t.clean = address
	case pathMessage:
		t.clean, t.joint = paragraphs, "\n"
	case pathFirstName, pathLastName, FullName:
		t.clean, t.joint = personName, " "
	case "company", "job_title", "street", "city", pathRegion:
		t.joint = ", "
	}
	if path == FullName {
		return t, nil
	}
	if name, ok := strings.CutPrefix(path, customPrefix); ok {
		t.custom = name
		return t, nil
	}
	if name, ok := strings.CutPrefix(path, sourcePrefix); ok {
		t.most = maxLen(textField((*leadgatev1.Source)(nil), name))
		if sourcePlace(&leadgatev1.Source{}, name) != nil {
			t.place = func(lead *leadgatev1.Lead) *string { return sourcePlace(lead.GetSource(), name) }
		}
		t.clean = line // addresses may contain what looks like HTML
	} else if leadPlace(&leadgatev1.Lead{}, path) != nil {
		t.place = func(lead *leadgatev1.Lead) *string { return leadPlace(lead, path) }
	}
	if t.place == nil {
		return nil, unknownPath(path)
	}
	return t, nil
}

func unknownPath(path string) error {
	paths := append(textFields(), FullName)
	near := spell.Nearest(path, paths)
	if near == "" {
		near = UsualTarget(path)
	}
	if near != "" && path != "" {
		return fmt.Errorf("unknown lead field %q; did you mean %q?", path, near)
	}
	return fmt.Errorf("unknown lead field %q; fields of your own are custom.NAME, the others are %s", path, strings.Join(paths, ", "))
}

// CheckTarget returns an error if a form field may not map to a path. The error suggests the name that was probably meant.
func CheckTarget(path string) error {
	if _, err := mappable(path); err != nil || !strings.HasPrefix(path, customPrefix) {
		return err
	}
	return mapping.Check(path)
}

// UsualTargets returns the lead fields that forms without configured fields fill, by the names that form builders commonly use.
func UsualTargets() []string { return slices.Clone(knownNames().paths) }

// UsualTarget returns the lead field that a form field with that name usually maps to; empty if there is none.
func UsualTarget(field string) string {
	if usual := knownNames().meaning(field); usual != plumbing && !isBesideStreet(usual) {
		return usual
	}
	return ""
}

// Alike reports whether two fields that map to path may well be the same field under two names.
func Alike(one, other, path string) bool {
	known := knownNames()
	if spelling(one) == spelling(other) || listName(one) == listName(other) || known.meaning(one) == path || known.meaning(other) == path {
		return true
	}
	core, otherCore := known.core(one), known.core(other)
	return core == otherCore || strings.Contains(core, otherCore) || strings.Contains(otherCore, core) || spell.Nearest(core, []string{otherCore}) != ""
}

// leadPlace returns where a lead stores a text field; nil if there is no such field.
func leadPlace(lead *leadgatev1.Lead, name string) *string {
	switch name {
	case pathEmail:
		return &lead.Email
	case pathFirstName:
		return &lead.FirstName
	case pathLastName:
		return &lead.LastName
	case pathPhone:
		return &lead.Phone
	case "company":
		return &lead.Company
	case pathWebsite:
		return &lead.Website
	case "job_title":
		return &lead.JobTitle
	case "street":
		return &lead.Street
	case "city":
		return &lead.City
	case pathRegion:
		return &lead.Region
	case pathPostalCode:
		return &lead.PostalCode
	case pathCountry:
		return &lead.Country
	case pathMessage:
		return &lead.Message
	}
	return nil
}

// sourcePlace returns where a lead's source stores a text field; nil if there is no such field.
func sourcePlace(source *leadgatev1.Source, name string) *string {
	switch name {
	case "form":
		return &source.Form
	case "page_url":
		return &source.PageUrl
	case "referrer":
		return &source.Referrer
	case "utm_source":
		return &source.UtmSource
	case "utm_medium":
		return &source.UtmMedium
	case "utm_campaign":
		return &source.UtmCampaign
	case "utm_term":
		return &source.UtmTerm
	case "utm_content":
		return &source.UtmContent
	case "ip":
		return &source.Ip
	case "user_agent":
		return &source.UserAgent
	case "gclid":
		return &source.Gclid
	case "gbraid":
		return &source.Gbraid
	case "wbraid":
		return &source.Wbraid
	case "fbclid":
		return &source.Fbclid
	case "msclkid":
		return &source.Msclkid
	case "li_fat_id":
		return &source.LiFatId
	case "ttclid":
		return &source.Ttclid
	}
	return nil
}

// textField returns the text field of a message with that name; nil if there is none.
func textField(of proto.Message, name string) protoreflect.FieldDescriptor {
	field := of.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))
	if field == nil || field.Kind() != protoreflect.StringKind || field.IsList() {
		return nil
	}
	return field
}

// textFields returns the paths that forms may map, without custom fields.
func textFields() []string {
	var paths []string
	add := func(prefix string, of proto.Message) {
		fields := of.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			name := string(fields.Get(i).Name())
			if textField(of, name) != nil && !setByLeadgate(prefix+name) {
				paths = append(paths, prefix+name)
			}
		}
	}
	add("", (*leadgatev1.Lead)(nil))
	add(sourcePrefix, (*leadgatev1.Source)(nil))
	return paths
}

// maxLen returns string.max_len from a field's rules; 0 if there is none.
func maxLen(field protoreflect.FieldDescriptor) int {
	if field == nil {
		return 0
	}
	rules, _ := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	return int(rules.GetString().GetMaxLen())
}

// checkCustom validates, by the rules of lead.proto, a lead that has all the custom fields that a form maps.
func checkCustom(targets []*target) error {
	lead := &leadgatev1.Lead{Email: "ada@example.com", Custom: map[string]*structpb.Value{}}
	for _, t := range targets {
		if t.custom != "" || t.path == customPrefix {
			lead.Custom[t.custom] = structpb.NewStringValue("")
		}
	}
	err := protovalidate.Validate(lead)
	if broken := (*protovalidate.ValidationError)(nil); errors.As(err, &broken) {
		var faults []error
		for _, v := range broken.Violations {
			faults = append(faults, fmt.Errorf("%s: %s", configured(protovalidate.FieldPathString(v.Proto.GetField())), v.Proto.GetMessage()))
		}
		return errors.Join(faults...)
	}
	return err
}

// configured returns a path of protovalidate as the configuration has it: custom["budget"] becomes custom.budget.
func configured(path string) string {
	if name, ok := strings.CutPrefix(path, `custom["`); ok {
		name, _, _ = strings.Cut(name, `"`)
		return customPrefix + name
	}
	return path
}

// bounded reports whether maxField applies to fields that map here. It does not for the message, which may be longer by lead.proto,
// or where text is cut.
func (t *target) bounded() bool { return t.path != pathMessage && t.cutTo() == 0 }

// cutTo returns how many characters to keep: the configured limit, or that of a field of Source, because a visitor cannot correct
// the address of a page or a campaign's parameters. 0 means not to cut what the visitor wrote.
func (t *target) cutTo() int {
	if t.value != nil && t.value.most > 0 {
		return t.value.most
	}
	if strings.HasPrefix(t.path, sourcePrefix) {
		return t.most
	}
	return 0
}

// initial returns the configured default; empty if there is none. A full name has none; its parts may.
func (t *target) initial() string {
	if t.value == nil || t.path == FullName {
		return ""
	}
	return t.value.initial
}

// isCustom reports whether the target is a custom field.
func (t *target) isCustom() bool { return t.place == nil && t.path != FullName }

// setCustom sets a custom field: a single value as it is, several as a list.
func (t *target) setCustom(lead *leadgatev1.Lead, values ...*structpb.Value) {
	if lead.Custom == nil {
		lead.Custom = map[string]*structpb.Value{}
	}
	if len(values) == 1 {
		lead.Custom[t.custom] = values[0]
		return
	}
	lead.Custom[t.custom] = structpb.NewListValue(&structpb.ListValue{Values: values})
}
