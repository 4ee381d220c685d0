package http

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
)

// failed interprets an answer that is not a success, by its status:
//
//	3xx                 retry: the address is wrong; following the redirect would send the lead, and the credentials, to an
//	                    address that nobody configured
//	401                 credentials refused
//	403                 credentials refused, if the answer mentions them; otherwise retry: something in front of the API does not
//	                    like this request
//	404 405 410         retry: the address is wrong, not the lead
//	407 408 423 425     retry
//	409                 unknown: an API that supports Idempotency-Key answers this while the first request is still in progress
//	429                 rate limited
//	other 4xx           refused
//	5xx                 unknown: something broke, perhaps after the lead was accepted
func failed(answer *crm.Answer) crm.Outcome {
	status := answer.Status
	switch status {
	case http.StatusUnauthorized:
		return answer.Outcome(crm.CredentialsRefused, told(status)+"; check http.auth")
	case http.StatusForbidden:
		if isAboutCredentials(answer) {
			return answer.Outcome(crm.CredentialsRefused, told(status)+"; check http.auth")
		}
		return answer.Outcome(crm.Retry, told(status)+", without a word about the credentials; if it is about them, say so in http.rules")
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return answer.Outcome(crm.Retry, told(status)+"; check http.url and http.method")
	case http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusLocked, http.StatusTooEarly:
		return answer.Outcome(crm.Retry, told(status))
	case http.StatusConflict:
		return answer.Outcome(crm.Unknown, told(status))
	case http.StatusTooManyRequests:
		return answer.Outcome(crm.RateLimited, told(status))
	}
	switch {
	case status >= 300 && status < 400:
		return answer.Outcome(crm.Retry, told(status)+"; redirects are not followed: configure the address it leads to as http.url")
	case status >= 400 && status < 500:
		return answer.Outcome(crm.Refused, told(status))
	}
	return answer.Outcome(crm.Unknown, told(status))
}

var (
	codeMember   = regexp.MustCompile(`(?i)^(error|code|type|reason|error[-_]?(code|type|name))$`)
	ofCredential = regexp.MustCompile(`(?i)token|api[-_]?key|credential|scope|permission|auth`)
)

// isAboutCredentials reports whether an answer is about the credentials, judged by its header or an error code. Its messages do not
// count: they may quote the lead.
func isAboutCredentials(answer *crm.Answer) bool {
	if answer.Header.Get("WWW-Authenticate") != "" {
		return true
	}
	var document any
	if json.Unmarshal(answer.Body, &document) != nil {
		return false
	}
	return hasCode(document, func(code string) bool { return !strings.ContainsAny(code, " @") && ofCredential.MatchString(code) })
}

// hasCode reports whether a document contains an error code for which is returns true.
func hasCode(document any, is func(string) bool) bool {
	switch within := document.(type) {
	case []any:
		return slices.ContainsFunc(within, func(item any) bool { return hasCode(item, is) })
	case map[string]any:
		for name, value := range within {
			if code, isText := value.(string); isText && codeMember.MatchString(name) && is(code) || !isText && hasCode(value, is) {
				return true
			}
		}
	}
	return false
}

// pong interprets the answer to a ping. An API that accepts POST need not support HEAD, so most refusals count as success.
func pong(answer *crm.Answer, method string) crm.Outcome {
	status := answer.Status
	switch {
	case status >= 300 && status < 400:
		return answer.Outcome(crm.Retry, told(status)+"; redirects are not followed")
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return answer.Outcome(crm.CredentialsRefused, told(status)+"; check http.auth")
	case status == http.StatusTooManyRequests:
		return answer.Outcome(crm.RateLimited, told(status))
	case status >= 500 && status != http.StatusNotImplemented:
		return answer.Outcome(crm.Retry, told(status))
	case status >= 400 && method == http.MethodGet:
		return answer.Outcome(crm.Retry, told(status)+"; check http.ping_url")
	}
	return answer.Outcome(crm.Delivered, "")
}

// told describes the status. The answer's own text may contain personal data, and stays in the body.
func told(status int) string {
	return strings.TrimSpace(fmt.Sprintf("it answered %d %s", status, http.StatusText(status)))
}
