package server_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const withKeys = contactForm + `
api_keys:
  - { name: shop, key: "${env:SHOP}", roles: [submit] }
  - { name: ops, key: "${env:OPS}", roles: [read, operate] }
`

var keys = map[string]string{"SHOP": "shop-key", "OPS": "ops-key"}

func TestWithoutKeysOnlyLocalCallersAreServed(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"local":                  {nil, 200},
		"by name":                {[]string{"Host", "localhost:8080"}, 200},
		"by IPv6":                {[]string{"Host", "[::1]:8080"}, 200},
		"own page":               {[]string{"Host", "localhost:8080", "Origin", "http://localhost:8080"}, 200},
		"forwarded":              {[]string{"X-Forwarded-For", "203.0.113.9"}, 403},
		"forwarded by standard":  {[]string{"Forwarded", "for=203.0.113.9"}, 403},
		"through a proxy":        {[]string{"Via", "1.1 proxy"}, 403},
		"another host":           {[]string{"Host", "leads.example.com"}, 403},
		"a rebound name":         {[]string{"Host", "127.0.0.1.evil.example"}, 403},
		"a page without a name":  {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a page of this machine": {[]string{"Sec-Fetch-Site", "same-site"}, 403},
		"an own page":            {[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		"a page elsewhere":       {[]string{"Origin", "https://evil.example"}, 403},
		"a page of another port": {[]string{"Host", "localhost:8080", "Origin", "http://localhost:9999"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"/v1/leads", "/v1/deliveries", "/v1/destinations", "/metrics"} {
				h.send(http.MethodGet, path, "", "", c.headers...).expect(t, c.status)
			}
			h.post("/v1/leads", asJSON, ada, c.headers...).expect(t, map[int]int{200: 201, 403: 403}[c.status])
		})
	}
	// A proxy that sends no headers about itself.
	_, answer := h.raw("GET /v1/leads HTTP/1.0\r\nHost: " + h.address + "\r\n\r\n")
	if line, err := answer.ReadString('\n'); !strings.Contains(line, " 403 ") {
		t.Errorf("over HTTP/1.0: %q (%v)", line, err)
	}
	// Forms, health checks and public files stay open.
	remote := []string{"Host", "leads.example.com", "X-Forwarded-For", "203.0.113.9"}
	h.post("/v1/forms/contact/submissions", asForm, "email=a@example.com", remote...).expect(t, 201)
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		h.send(http.MethodGet, path, "", "", remote...).expect(t, 200)
	}
}

func TestKeysOpenWhatTheirRolesSay(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: withKeys, env: keys})
	for _, c := range []struct {
		key, method, path, body string
		status                  int
	}{
		{"", "POST", "/v1/leads", ada, 401},
		{"", "GET", "/metrics", "", 401},
		{"wrong", "POST", "/v1/leads", ada, 401},
		{"shop-key", "POST", "/v1/leads", ada, 201},
		{"shop-key", "GET", "/v1/leads", "", 403},
		{"shop-key", "POST", "/v1/destinations/crm:pause", "{}", 403},
		{"ops-key", "POST", "/v1/leads", ada, 403},
		{"ops-key", "GET", "/v1/leads", "", 200},
		{"ops-key", "GET", "/metrics", "", 200},
		{"ops-key", "POST", "/v1/destinations/crm:pause", `{"reason":"tidying up"}`, 200},
		{"", "POST", "/v1/forms/strict/submissions", `{"email":"a@example.com"}`, 201},
	} {
		headers := []string{"Authorization", "Bearer " + c.key}
		if c.key == "" {
			headers = nil
		}
		a := h.send(c.method, c.path, asJSON, c.body, headers...).expect(t, c.status)
		if (a.header.Get("Www-Authenticate") != "") != (c.status == 401) {
			t.Errorf("%s %s with %q: WWW-Authenticate %q with status %d", c.method, c.path, c.key, a.header.Get("Www-Authenticate"), c.status)
		}
	}
}

func TestKeysHoldOverGRPCToo(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: withKeys, env: keys})
	conn := h.dial()
	lead := &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "ada@example.com"}}
	as := func(key string) error {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+key)
		_, err := leadgatev1.NewLeadServiceClient(conn).SubmitLead(ctx, lead)
		return err
	}
	for key, want := range map[string]codes.Code{"shop-key": codes.OK, "ops-key": codes.PermissionDenied, "wrong": codes.Unauthenticated} {
		if err := as(key); status.Code(err) != want {
			t.Errorf("with %s: %v, want %v", key, err, want)
		}
	}
	stream, err := leadgatev1.NewWorkerServiceClient(conn).WatchDeliveries(t.Context(), &leadgatev1.WatchDeliveriesRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("a watch without a key: %v", err)
	}
}

func TestAnRPCThatDoesNotExistAsksForNoRole(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: withKeys, env: keys})
	conn := h.dial()
	for key, want := range map[string]codes.Code{"shop-key": codes.Unimplemented, "ops-key": codes.Unimplemented, "wrong": codes.Unauthenticated} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+key)
		for _, method := range []string{"/leadgate.v1.LeadService/SubmitLeed", "/leadgate.v2.LeadService/SubmitLead"} {
			err := conn.Invoke(ctx, method, &leadgatev1.SubmitLeadRequest{}, &leadgatev1.SubmitLeadResponse{})
			if status.Code(err) != want {
				t.Errorf("%s with %s: %v, want %s", method, key, err, want)
			}
		}
	}
}

func TestKeysOfTwoCallersDoNotMeet(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: withKeys + `  - { name: till, key: "${env:TILL}", roles: [submit] }`, env: map[string]string{"SHOP": "shop-key", "OPS": "ops-key", "TILL": "till-key"}})
	for _, key := range []string{"shop-key", "till-key"} {
		h.post("/v1/leads", asJSON, ada, "Authorization", "Bearer "+key, "Idempotency-Key", "1").expect(t, 201)
	}
}

func TestPagesMayReadTheirAnswers(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	const path = "/v1/forms/contact/submissions"
	asked := h.send(http.MethodOptions, path, "", "", "Origin", "https://www.example.com", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,idempotency-key").expect(t, 204)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://www.example.com", "Access-Control-Allow-Methods": "POST",
		"Access-Control-Allow-Headers": "Content-Type, Idempotency-Key, Prefer, X-Request-Id, traceparent", "Vary": "Origin",
	} {
		if got := asked.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	a := h.post(path, asForm, "email=bad", "Origin", "https://www.example.com").expect(t, 400)
	if a.header.Get("Access-Control-Allow-Origin") != "https://www.example.com" {
		t.Error("the page cannot read why it was refused")
	}
	h.post(path, asForm, "email=a@example.com", "Origin", "https://evil.example").expect(t, 403)
	// Pages elsewhere can read no other part of the API.
	if a := h.send(http.MethodOptions, "/v1/leads", "", "", "Origin", "https://www.example.com"); a.status < 400 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of the API: %d %v", a.status, a.header)
	}
}

func TestTheCallersAddressIsBelievedOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config  string
		headers []string
		want    string
	}{
		"nobody trusted":      {"", []string{"X-Forwarded-For", "203.0.113.9"}, "127.0.0.1"},
		"one proxy":           {`trusted_proxies: ["127.0.0.0/8"]`, []string{"X-Forwarded-For", "203.0.113.9"}, "203.0.113.9"},
		"made up before it":   {`trusted_proxies: ["127.0.0.0/8"]`, []string{"X-Forwarded-For", "10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		"two proxies":         {`trusted_proxies: ["127.0.0.0/8", "10.0.0.0/8"]`, []string{"X-Forwarded-For", "203.0.113.9, 10.1.1.1"}, "203.0.113.9"},
		"in two headers":      {`trusted_proxies: ["127.0.0.0/8", "10.0.0.0/8"]`, []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-For", "10.1.1.1"}, "203.0.113.9"},
		"rubbish":             {`trusted_proxies: ["127.0.0.0/8"]`, []string{"X-Forwarded-For", "unknown"}, "127.0.0.1"},
		"the standard header": {`trusted_proxies: ["127.0.0.0/8"]`, []string{"Forwarded", `for="[2001:db8::7]:443";proto=https`}, "2001:db8::7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{config: contactForm + c.config})
			h.post("/v1/forms/strict/submissions", asForm, "email=a@example.com", append(c.headers, "User-Agent", "Browser/1", "Referer", "https://www.example.com/contact")...).expect(t, 201)
			h.send(http.MethodGet, "/v1/leads", "", "").expect(t, 200, `"address":"`+c.want+`"`, `"ip":"`+c.want+`"`, "Browser/1", "https://www.example.com/contact")
		})
	}
}

func TestWhoTriesKeysIsLogged(t *testing.T) {
	t.Parallel()
	logs := &loggedText{}
	h := open(t, options{config: withKeys + "trusted_proxies: [\"127.0.0.0/8\"]\n", env: keys, logs: logs})
	for _, path := range []string{"/v1/leads", "/v1/deliveries", "/metrics"} {
		h.send(http.MethodGet, path, "", "", "Authorization", "Bearer opensesame", "X-Forwarded-For", "203.0.113.7").expect(t, 401)
		h.send(http.MethodGet, path, "", "", "X-Forwarded-For", "203.0.113.8").expect(t, 401) // without a key, out of curiosity
	}
	got := logs.String()
	if strings.Count(got, "an API key was refused") != 1 || !strings.Contains(got, "203.0.113.7") || strings.Contains(got, "opensesame") {
		t.Errorf("logged:\n%s", got)
	}
}
