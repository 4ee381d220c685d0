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

// failed reads an answer that is no success, by its status:
//
//	3xx                 to be tried again: it is the address that is wrong; following would send the lead, and the credentials, to
//	                    where nobody configured
//	401                 the credentials are refused
//	403                 the credentials are refused, if it speaks of them; otherwise to be tried again: something before the API
//	                    does not like this message
//	404 405 410         to be tried again: it is the address that is wrong, not the lead
//	407 408 423 425     to be tried again
//	409                 unknown: an API that honours Idempotency-Key says so while the first request is still under way
//	429                 too fast
//	other 4xx           refused
//	5xx                 unknown: something broke, perhaps behind what took the lead
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

// isAboutCredentials reports whether an answer complains of the credentials: by its header, or by a code in its document. Its
// sentences may quote the lead.
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

// hasCode reports whether a document has a code, as errors have, that is such a one.
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

// pong reads the answer to a ping. An API that takes leads by POST need not know HEAD, so most refusals are as good as a yes.
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

// told is the status in words. The answer's own words may hold personal data, and stay in its body.
func told(status int) string {
	return strings.TrimSpace(fmt.Sprintf("it answered %d %s", status, http.StatusText(status)))
}
