package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// introduction applies to every operation. It is in Markdown.
const introduction = `leadgate accepts leads from website forms and backends, answers once they are on disk, and delivers each of them to the CRM.

**Authentication.** Send an API key as ` + "`Authorization: Bearer KEY`" + `. Each operation says which role the key must have; form submissions
and health checks need no key. If the configuration has no api_keys, leadgate serves only direct callers on its own machine.

**JSON.** Field names are in lowerCamelCase; requests may also use snake_case. A request with an unknown field is rejected. Responses
leave out fields that are 0, false, empty or unspecified. 64-bit integers are strings, times are RFC 3339 in UTC, durations are
seconds with the suffix s. Responses may get new fields and new enum values. In queries, enum values may be shortened: DEAD stands for
DELIVERY_STATE_DEAD.

**Safe repetition.** Repeat a submission with the same Idempotency-Key, and an operation on many with the same operationId: what was
done is not done again.

**Lists.** A list that has more entries than pageSize returns nextPageToken. Send it as pageToken, with the same filters, to get the next page.

**Errors.** Errors are application/problem+json (RFC 9457). The status says what to do, the reason is for programs, the detail for people.

**Streams.** Each line, or each data line of server-sent events, is {"result": …}. If a stream ends with an error, the last one is {"error": …}.`

// topic is a tag for the operations under one segment of the path.
type topic struct{ segment, name, description string }

func topics() []topic {
	return []topic{
		{"forms", "Forms", "What pages submit."},
		{"leads", "Leads", "Submit, find, release, replay, export and erase leads."},
		{"deliveries", "Deliveries", "Watch, list, retry, move and delete deliveries to CRMs."},
		{"destinations", "Destinations", "See, test, pause and resume the CRM connections."},
		{"operations", "Operations", "The progress of actions on many leads or deliveries."},
		{"alerts", "Alerts", "What needs attention, and who is notified."},
		{"drift", "Drift", "What no longer fits between pages, the configuration and CRMs."},
		{"stats", "Statistics", "The figures of the last hour."},
		{"health", "Health", "Whether the gateway is up."},
	}
}

func tags() (all []any) {
	for _, t := range topics() {
		all = append(all, object{"name": t.name, "description": t.description})
	}
	return all
}

// tagOf returns the tag of the operations at a path, such as /v1/leads:search.
func tagOf(path string) string {
	segment, _, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
	segment, _, _ = strings.Cut(segment, ":")
	for _, t := range topics() {
		if t.segment == segment {
			return t.name
		}
	}
	fail(fmt.Errorf("%s belongs to no topic; add one to topics in words.go", path))
	return ""
}

// operationID returns the name of an operation: the rpc's or, for a further binding of it, one that tells the two apart.
func operationID(rpc, path, method string, further bool) string {
	id := strings.ToLower(rpc[:1]) + rpc[1:]
	if !further {
		return id
	}
	resource, verb, _ := strings.Cut(path[strings.LastIndex(path, "/")+1:], ":")
	if verb == "" || strings.HasPrefix(id, verb) {
		return id + "By" + strings.ToUpper(method[:1]) + method[1:]
	}
	return verb + strings.ToUpper(resource[:1]) + resource[1:]
}

// describeOperation removes the rpc's name from its comment, and uses the first sentence as the summary.
func describeOperation(operation object, rpc string) {
	words, _ := operation["summary"].(string)
	all := sentence(strings.TrimPrefix(unwrapped(words), rpc+" "))
	first, _, _ := strings.Cut(all, ". ")
	operation["summary"], operation["description"] = strings.TrimSuffix(first, "."), all
	if found := requiredRole.FindStringSubmatch(all); found != nil {
		operation["security"] = []any{object{"apiKey": []any{found[1]}}}
	}
	answer := operation["responses"].(object)[itoa(http.StatusOK)].(object)
	answer["description"] = sentence(responseVerb.ReplaceAllString(unwrapped(answer["description"].(string)), ""))
}

var (
	requiredRole = regexp.MustCompile(`Requires the role (\w+)\.`)
	// The name of a message and its verb, and the suffix that the generator adds.
	responseVerb = regexp.MustCompile(`^\w+Response (?:is|lists|returns|says) | \(streaming responses\)$`)
)

func sentence(words string) string { return strings.ToUpper(words[:1]) + words[1:] }

// unwrapped joins the lines of a comment, which is wrapped as in the schema.
func unwrapped(words string) string { return strings.ReplaceAll(words, "\n", " ") }

// unwrap joins the lines of every description, and replaces names of fields by those in JSON.
func unwrap(part any) {
	inJSON := strings.NewReplacer("next_page_token", "nextPageToken", "page_token", "pageToken", "resume_after", "resumeAfter", "with_deliveries", "withDeliveries")
	switch part := part.(type) {
	case object:
		for key, value := range part {
			if words, ok := value.(string); ok && key == "description" {
				part[key] = inJSON.Replace(unwrapped(words))
				continue
			}
			unwrap(value)
		}
	case []any:
		for _, value := range part {
			unwrap(value)
		}
	}
}

// renameParameters renames path parameters to lowerCamelCase, like all other names.
func renameParameters(paths object) {
	for path, item := range paths {
		renamed := pathParameter.ReplaceAllStringFunc(path, lowerCamel)
		for _, operation := range item.(object) {
			parameters, _ := operation.(object)["parameters"].([]any)
			for _, p := range parameters {
				if parameter := p.(object); parameter["in"] == "path" {
					parameter["name"] = lowerCamel(parameter["name"].(string))
				}
			}
		}
		delete(paths, path)
		paths[renamed] = item
	}
}

var (
	pathParameter = regexp.MustCompile(`\{\w+\}`)
	underscored   = regexp.MustCompile(`_[a-z]`)
)

func lowerCamel(name string) string {
	return underscored.ReplaceAllStringFunc(name, func(s string) string { return strings.ToUpper(s[1:]) })
}

// describeEnums adds the meanings of its values to the description of each enum, which the generator omits. The image is buf
// build's output for the schemas, including comments.
func describeEnums(schemas object, image string) error {
	data, err := os.ReadFile(filepath.Clean(image))
	if err != nil {
		return err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(data, set); err != nil {
		return fmt.Errorf("%s: %w", image, err)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return fmt.Errorf("%s: %w", image, err)
	}
	for name, schema := range schemas {
		found, _ := files.FindDescriptorByName(protoreflect.FullName(apiPackage + name))
		enum, ok := found.(protoreflect.EnumDescriptor)
		if !ok {
			continue
		}
		words := []string{schema.(object)["description"].(string), ""}
		for i := range enum.Values().Len() {
			value := enum.Values().Get(i)
			comment := value.ParentFile().SourceLocations().ByDescriptor(value).LeadingComments
			words = append(words, fmt.Sprintf("- `%s`: %s", value.Name(), strings.Join(strings.Fields(comment), " ")))
		}
		schema.(object)["description"] = strings.Join(words, "\n")
	}
	return nil
}
