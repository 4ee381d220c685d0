package hubspot_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

// Answers have the form of HubSpot's guides and of recorded answers; the values are made up.

func TestOutcomesOfOneLead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		header []string
		kind   crm.OutcomeKind
		after  time.Duration
		reason string
	}{
		"token revoked": {
			status: 401, body: `{"status":"error","category":"INVALID_AUTHENTICATION","message":"…"}`,
			kind: crm.CredentialsRefused, reason: "INVALID_AUTHENTICATION",
		},
		"scope missing": {
			status: 403, body: `{"category":"MISSING_SCOPES","errors":[{"context":{"requiredGranularScopes":["crm.objects.contacts.write"]}}]}`,
			kind: crm.CredentialsRefused, reason: "lacks crm.objects.contacts.write",
		},
		"blocked at the edge": {
			status: 403, body: `<html>Attention required</html>`,
			kind: crm.Retry, after: time.Minute, reason: "edge",
		},
		"ten seconds full": {
			status: 429, body: `{"errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING","message":"You have reached your ten_secondly_rolling limit."}`,
			kind: crm.RateLimited, after: 10 * time.Second, reason: "TEN_SECONDLY_ROLLING",
		},
		"another interval": {
			status: 429, body: `{"policyName":"TEN_SECONDLY_ROLLING"}`, header: []string{"X-HubSpot-RateLimit-Interval-Milliseconds", "2500"},
			kind: crm.RateLimited, after: 2500 * time.Millisecond,
		},
		"a second full": {
			status: 429, body: `{"policyName":"SECONDLY"}`,
			kind: crm.RateLimited, after: time.Second,
		},
		"the day full, the account unknown": {
			status: 429, body: `{"policyName":"DAILY"}`,
			kind: crm.RateLimited, after: time.Hour, reason: "for today",
		},
		"Retry-After wins": {
			status: 429, body: `{"policyName":"DAILY"}`, header: []string{"Retry-After", "90"},
			kind: crm.RateLimited, after: 90 * time.Second,
		},
		"a 429 of somebody else": {
			status: 429, body: `slow down`,
			kind: crm.RateLimited, after: 10 * time.Second,
		},
		"locked":                 {status: 423, body: `{}`, kind: crm.Retry, after: 2 * time.Second},
		"on the move":            {status: 477, header: []string{"Retry-After", "7200"}, kind: crm.Retry, after: 2 * time.Hour},
		"wrong base_url":         {status: 404, body: `not here`, kind: crm.Retry, reason: "base_url"},
		"wrong object type":      {status: 400, body: `{"message":"Unable to infer object type from: contact"}`, kind: crm.Retry, reason: "base_url"},
		"redirect":               {status: 302, header: []string{"Location", "https://example.com"}, kind: crm.Retry, reason: "base_url"},
		"broken":                 {status: 500, body: `{"category":"INTERNAL_ERROR"}`, kind: crm.Unknown, reason: "500"},
		"gateway time-out":       {status: 504, kind: crm.Unknown, reason: "504"},
		"Cloudflare's":           {status: 524, kind: crm.Unknown, reason: "524"},
		"too large":              {status: 413, kind: crm.Refused},
		"a 400 of somebody else": {status: 400, body: `bad request`, kind: crm.Refused},
		"invalid":                {status: 400, body: `{"category":"VALIDATION_ERROR","message":"Invalid input"}`, kind: crm.Refused, reason: "VALIDATION_ERROR"},
		"conflict":               {status: 409, body: `{"category":"CONFLICT","message":"Contact already exists. Existing ID: 777"}`, kind: crm.Retry, reason: "another contact"},
		"newer conflict": {
			status: 409, body: `{"error":"CONTACT_EXISTS","category":"OBJECT_ALREADY_EXISTS","errors":[{"in":"email"}],"identityProfile":{"vid":777}}`,
			kind: crm.Retry, reason: "OBJECT_ALREADY_EXISTS",
		},
		"nobody named": {status: 200, body: `{"status":"COMPLETE","results":[]}`, kind: crm.Unknown},
		"no record":    {status: 200, body: `{"results":[{"objectWriteTraceId":"l0","properties":{"email":"ada@example.com"}}]}`, kind: crm.Unknown},
		"truncated":    {status: 200, body: `{"results":[{"id":"7"`, kind: crm.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := answering(t, test.status, test.body, test.header...).deliver(ada)[0]
			if got.Kind != test.kind || got.After != test.after || got.Status != test.status || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("ended as %+v", got)
			}
			if strings.Contains(got.Reason, "777") || got.Body != test.body {
				t.Errorf("reason %q, body %q", got.Reason, got.Body)
			}
		})
	}
}

func TestAWholeBatchIsSplitWhereNobodyIsNamed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 409, 413, 414, 422} {
		for i, outcome := range answering(t, status, `{"category":"CONFLICT","message":"ada@example.com exists"}`).deliver(ada, grace) {
			if outcome.Kind != crm.Split || strings.Contains(outcome.Body, "ada") {
				t.Errorf("%d: lead %d ended as %+v", status, i, outcome)
			}
		}
	}
}

func TestEachLeadOfABatchHasItsPartOfA207(t *testing.T) {
	t.Parallel()
	batch := `{"status":"COMPLETE","numErrors":2,
		"results":[{"id":"9","properties":{"email":"MARY@example.com"}},{"id":"5","objectWriteTraceId":"l3","properties":{}}],
		"errors":[
			{"status":"error","category":"CONFLICT","message":"Contact already exists. Existing ID: 777","context":{"objectWriteTraceId":["l1"],"existingId":["777"]}},
			{"category":"OBJECT_NOT_FOUND","context":{"ids":["Ada@example.com"]}},
			{"category":"VALIDATION_ERROR","message":"about nobody"},
			"not an error"
		]}`
	outcomes := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch { // the existing contact has just been deleted
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"category":"OBJECT_NOT_FOUND"}`)
			return
		}
		w.WriteHeader(http.StatusMultiStatus)
		_, _ = io.WriteString(w, batch)
	})).deliver(ada, grace, mary, `{"email":"joan@example.com"}`, `{"email":"rosa@example.com"}`)
	for i, want := range []crm.OutcomeKind{crm.Retry, crm.Retry, crm.Delivered, crm.Delivered, crm.Unknown} {
		if outcomes[i].Kind != want {
			t.Errorf("lead %d ended as %+v", i, outcomes[i])
		}
	}
	if outcomes[2].RecordID != "9" || outcomes[3].RecordID != "5" {
		t.Errorf("records are %s and %s", outcomes[2].RecordID, outcomes[3].RecordID)
	}
	if strings.Contains(outcomes[1].Body, "MARY") || !strings.Contains(outcomes[1].Body, "777") || outcomes[4].Body != "" {
		t.Errorf("bodies are not of one lead: %q, %q", outcomes[1].Body, outcomes[4].Body)
	}
}

func TestAnAnswerThatNamesOtherLeadsNamesNobody(t *testing.T) {
	t.Parallel()
	for _, outcome := range answering(t, 200, `{"results":[{"id":"7","objectWriteTraceId":"l7","properties":{"email":"ada@example.com"}},
		{"id":"8","objectWriteTraceId":"1","properties":{}},{"id":"9","properties":{"email":"eve@example.com"}}],"errors":[{"category":"CONFLICT","context":{"objectWriteTraceId":["l8"]}}]}`).deliver(ada, grace) {
		if outcome.Kind != crm.Unknown || outcome.RecordID != "" {
			t.Errorf("ended as %+v", outcome)
		}
	}
}

func TestAPageIsNoAnswerToABatch(t *testing.T) {
	t.Parallel()
	for _, outcome := range answering(t, 200, "<html>log in</html>").deliver(ada, grace) {
		if outcome.Kind != crm.Unknown || !strings.Contains(outcome.Reason, "base_url") {
			t.Errorf("ended as %+v", outcome)
		}
	}
}

func TestThePingLearnsOfTheAccount(t *testing.T) {
	t.Parallel()
	r := answering(t, 200, `{"portalId":42,"timeZone":"Europe/Berlin","utcOffsetMilliseconds":3600000,"uiDomain":"app-eu1.hubspot.com",
		"results":[{"id":"7","objectWriteTraceId":"l0"}]}`)
	if pong := r.destination.Ping(t.Context()); pong.Kind != crm.Delivered || r.sent()[0].path != "GET /account-info/v3/details" {
		t.Errorf("the ping ended as %+v", pong)
	}
	if got := r.deliver(ada)[0]; got.RecordURL != "https://app-eu1.hubspot.com/contacts/42/record/0-1/7" {
		t.Errorf("the record is at %q", got.RecordURL)
	}
}

func TestADaysLimitLastsUntilTheAccountsMidnight(t *testing.T) {
	t.Parallel()
	status := 200
	r := newRig(t, statusHandler(&status, `{"portalId":42,"utcOffsetMilliseconds":3600000,"policyName":"DAILY"}`))
	r.destination.Ping(t.Context())
	status = 429
	if got := r.deliver(ada)[0]; got.After != 11*time.Hour { // midnight there, from 13:00 local time
		t.Errorf("ended as %+v", got)
	}
}

func TestAPingThatIsNotHubSpotsIsNoPong(t *testing.T) {
	t.Parallel()
	if pong := answering(t, 200, `<html>`).destination.Ping(t.Context()); pong.Kind != crm.Unknown || pong.Reason == "" {
		t.Errorf("ended as %+v", pong)
	}
}
