package http

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/leadgate/leadgate/worker/crm"
)

// failed reads an answer that is no success, by its status:
//
//	3xx                 to be tried again: it is the address that is wrong; following would send the lead, and the credentials, to
//	                    where nobody configured
//	401 403             the credentials are refused
//	404 405 410         to be tried again: it is the address that is wrong, not the lead
//	407 408 423 425     to be tried again
//	409                 unknown: an API that honours Idempotency-Key says so while the first request is still under way
//	429                 too fast
//	other 4xx           refused
//	5xx                 unknown: something broke, perhaps behind what took the lead
func failed(answer *crm.Answer) crm.Outcome {
	status := answer.Status
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return answer.Outcome(crm.CredentialsRefused, told(status)+"; check http.auth")
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
