package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// rotating is an API that accepts each refresh token once: the next one comes with the access token.
type rotating struct {
	mu    sync.Mutex
	given int
	leads int
}

func (a *rotating) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.URL.Path == "/token" && r.FormValue("refresh_token") == fmt.Sprint("r", a.given):
		a.given++
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprint("a", a.given), "refresh_token": fmt.Sprint("r", a.given), "expires_in": 1})
	case r.URL.Path == "/token":
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
	case r.Header.Get("Authorization") != fmt.Sprint("Bearer a", a.given):
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPost:
		a.leads++
	}
}

func (a *rotating) counts() (given, leads int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.given, a.leads
}

func TestAVariableThatIsNeitherTrueNorFalseIsNamed(t *testing.T) {
	t.Parallel()
	_, complaint, code := run(t, []string{"LEADGATE_ONLINE=yes"}, "", "check")
	if code != 2 || !strings.Contains(complaint, `LEADGATE_ONLINE="yes": it is true or false`) {
		t.Errorf("ends with %d: %s", code, complaint)
	}
}

func TestCheckOnlineLeavesTheRefreshTokenToTheGateway(t *testing.T) {
	t.Parallel()
	api := &rotating{}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	h := &house{t: t, data: t.TempDir() + "/data", config: t.TempDir() + "/leadgate.yaml"}
	config := strings.ReplaceAll(`
forms:
  contact: { fields: { email: email } }
destinations:
  erp:
    http:
      url: URL/leads
      auth: { oauth2: { token_url: URL/token, client_id: c, client_secret: "${env:SECRET}", refresh_token: "${env:REFRESH}" } }
    properties: { mail: email }
`, "URL", server.URL)
	if err := os.WriteFile(h.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := []string{"SECRET=s", "REFRESH=r0"}
	check := func() {
		t.Helper()
		given, _ := api.counts()
		check := exec.Command(binary, "check", "--online", "--config", h.config)
		check.Env = append(os.Environ(), environment...)
		out, err := check.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "leadgate destinations test erp") {
			t.Errorf("check --online: %v: %s", err, out)
		}
		if now, _ := api.counts(); now != given {
			t.Error("check --online used up the refresh token")
		}
	}
	check()
	h.gateway = start(t, environment, "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	events := h.gateway.watch()
	for i := range 2 {
		await(t, events, h.post(fmt.Sprint(i), url.Values{"email": {"ada@example.com"}}).body["leadId"].(string), "SUCCESS")
		check()
	}
	if out := h.leadgate("", "destinations", "test", "erp"); !strings.Contains(out, "takes the credentials") {
		t.Errorf("the gateway says %s", out)
	}
	if given, leads := api.counts(); given == 0 || leads != 2 {
		t.Errorf("%d tokens were given, %d leads arrived", given, leads)
	}
}
