package oauth_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/crm/oauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// ask sends a request to an endpoint that answers this way.
func ask(t *testing.T, status int, body string, seen func(*http.Request)) (*oauth.Reply, *crm.Outcome) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen != nil {
			seen(r)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return oauth.Ask(t.Context(), crm.Environment{Client: client, Now: func() time.Time { return noon }}, oauth.Request{
		URL: server.URL + "/token", Form: url.Values{"client_secret": {"s3cret"}}, User: "site", Password: "p&w", Secrets: []string{"s3cret"}, Check: "x.secret",
	})
}

func TestATokenIsRead(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]crm.Token{
		`{"access_token":"a","expires_in":3600}`:                               {Access: "a", Expires: noon.Add(time.Hour)},
		`{"access_token":"a","expires_in":9223372036854775807}`:                {Access: "a", Expires: noon.Add(87_600 * time.Hour)},
		`{"access_token":"a","expires_in":"60","refresh_token":"r"}`:           {Access: "a", Refresh: "r", Expires: noon.Add(time.Minute)},
		`{"access_token":"a","instance_url":"https://x.example","id":"i"}`:     {Access: "a", BaseURL: "https://x.example"},
		`{"access_token":"a","api_domain":"https://y.example","expires_in":0}`: {Access: "a", BaseURL: "https://y.example"},
	} {
		for _, status := range []int{200, 201} {
			reply, failure := ask(t, status, body, func(r *http.Request) {
				user, password, _ := r.BasicAuth()
				if r.FormValue("client_secret") != "s3cret" || user != "site" || password != "p%26w" {
					t.Errorf("sent %v as %s %s", r.Form, user, password)
				}
			})
			if failure != nil || reply.Token(noon) != want {
				t.Errorf("%d %s: %+v, %+v", status, body, reply, failure)
			}
		}
	}
}

func TestWhyThereIsNoToken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		body   string
		want   crm.OutcomeKind
		after  time.Duration
		reason string
	}{
		{400, `{"error":"invalid_grant","error_description":"no client credentials user enabled"}`, crm.CredentialsRefused, 0, "no client credentials user enabled; check x.secret"},
		{401, `{"error":"invalid_client","error_description":"s3cret is wrong"}`, crm.CredentialsRefused, 0, "*** is wrong"},
		{200, `{"error":"invalid_code"}`, crm.CredentialsRefused, 0, "invalid_code"},
		{200, `{"error_description":"You have made too many requests continuously.","error":"Access Denied","status":"failure"}`, crm.RateLimited, 10 * time.Minute, "too many"},
		{200, `<html>Log in</html>`, crm.Retry, 0, "not a token endpoint"},
		{200, `{}`, crm.Retry, 0, "check x.secret"},
		{302, ``, crm.CredentialsRefused, 0, "302"},
		{404, `not here`, crm.CredentialsRefused, 0, "404"},
		{429, ``, crm.RateLimited, 0, "too many"},
		{503, `{"error":"temporarily_unavailable"}`, crm.Retry, 0, "503"},
	} {
		reply, failure := ask(t, test.status, test.body, nil)
		if reply != nil || failure == nil || failure.Kind != test.want || failure.After != test.after || !strings.Contains(failure.Reason, test.reason) {
			t.Errorf("%d %s: %+v, %+v", test.status, test.body, reply, failure)
		}
	}
}

func TestALostTokenIsNoLostLead(t *testing.T) {
	t.Parallel()
	_, failure := ask(t, 200, "", func(*http.Request) { panic(http.ErrAbortHandler) })
	if failure == nil || failure.Kind != crm.Retry || !strings.Contains(failure.Reason, "no access token") {
		t.Errorf("ended as %+v", failure)
	}
}
