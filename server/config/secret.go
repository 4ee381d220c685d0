package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// secrecy says what a configured text may contain.
type secrecy int

const (
	plain      secrecy = iota // text without references, which would not be resolved
	mixed                     // text that may contain references
	armed                     // text with at least one reference, because it includes a credential
	credential                // exactly one reference
)

// secrecyOf returns the secrecy of a field; it is the only list of fields with credentials. key is the value's key.
func secrecyOf(field protoreflect.FieldDescriptor, key string) secrecy {
	switch strings.TrimPrefix(string(field.FullName()), "leadgate.config.v1.") {
	case "APIKey.key", "HubSpot.token", "HubSpotOAuth.client_secret", "HubSpotOAuth.refresh_token", "HTTPAuth.bearer", "HTTPBasic.password", "HTTPHeader.value", "HTTPQuery.value",
		"HTTPHMAC.secret", "HTTPStandardWebhooks.secrets", "OAuth2.client_secret", "OAuth2.refresh_token",
		"SalesforceClientCredentials.client_secret", "SalesforceJWT.private_key",
		"Store.encryption_key", "Store.previous_encryption_key", "Zoho.client_secret", "Zoho.refresh_token", "Dynamics.client_secret",
		"Pipedrive.api_token", "PipedriveOAuth.client_secret", "PipedriveOAuth.refresh_token":
		return credential
	case "Captcha.secret", "CompanyAuth.bearer":
		return credential
	case "SlackNotifier.url", "WebhookNotifier.secret", "PagerDutyNotifier.routing_key", "EmailNotifier.password":
		return credential
	case "OAuth2.client_id", "SalesforceClientCredentials.client_id", "SalesforceJWT.client_id", "Zoho.client_id", "Dynamics.client_id", "PipedriveOAuth.client_id",
		"HubSpotOAuth.client_id":
		return mixed
	case "HTTP.HeadersEntry.value":
		for _, word := range []string{"auth", "cookie", "key", "secret", "token", "password"} {
			if strings.Contains(strings.ToLower(key), word) {
				return armed
			}
		}
		return mixed
	}
	return plain
}

// checkSecrecy checks that a text has references where it should, and that they can be resolved. Its errors never contain the text.
func checkSecrecy(s secrecy, name, text string, env Environment) error {
	isReference := strings.HasPrefix(text, "${") && strings.Index(text, "}") == len(text)-1
	hasReference := strings.Contains(text, "${env:") || strings.Contains(text, "${file:")
	switch {
	case s == plain && hasReference:
		return fmt.Errorf("%s takes no ${…}: references are read in credentials and headers only", name)
	case s == plain:
		return nil
	case s == credential && hasReference && !isReference:
		return fmt.Errorf("%s takes one reference, such as \"${env:NAME}\", and nothing around it", name)
	case s == credential && !isReference, s == armed && !hasReference:
		return fmt.Errorf("%s is a credential, which must not stand in this file: put it into an environment variable or a file, and write \"${env:NAME}\" or \"${file:/path}\" here", name)
	}
	if _, err := env.resolve(text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// resolve replaces the references in a text by their content.
func (e Environment) resolve(text string) (string, error) {
	var resolved strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		resolved.WriteString(before)
		if !found {
			return resolved.String(), nil
		}
		reference, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New("a reference begins with ${ and lacks its }")
		}
		content, err := e.content(reference)
		if err != nil {
			return "", err
		}
		resolved.WriteString(content)
		text = after
	}
}

// content returns the content of a reference, without a byte order mark and trailing line breaks: editors add them, and so does
// echo, whose output may become a variable through a Kubernetes secret.
func (e Environment) content(reference string) (string, error) {
	scheme, name, _ := strings.Cut(reference, ":")
	if name == "" || name != strings.TrimSpace(name) {
		scheme = ""
	}
	var what, content string
	switch scheme {
	case "env":
		what = "environment variable " + name
		value, ok := e.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("%s is not set", what)
		}
		content = value
	case "file":
		what = "file " + name
		data, err := e.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("%s cannot be read: %w", what, cause(err))
		}
		content = string(data)
	default:
		return "", fmt.Errorf("${%s} is not a reference: write ${env:NAME} or ${file:/path}", reference)
	}
	content = strings.TrimRight(strings.TrimPrefix(content, "\ufeff"), "\r\n")
	switch {
	case content == "":
		return "", fmt.Errorf("%s is empty", what)
	case !utf8.ValidString(content) || strings.Contains(content, "\x00"):
		return "", fmt.Errorf("%s is not UTF-8 text", what)
	case strings.HasPrefix(content, "-----BEGIN "): // a PEM key has several lines
	case strings.ContainsAny(content, "\r\n"):
		return "", fmt.Errorf("%s holds more than one line", what)
	}
	return content, nil
}

// cause removes the path from an error, for a message that already has it.
func cause(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
