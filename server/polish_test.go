package server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func TestOneAddressMaySubmitSoMuch(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: "trusted_proxies: [127.0.0.0/8]\n" + strings.Replace(contactForm, "  strict:\n", "  strict:\n    limits: { per_address: 3 }\n", 1)})
	n := 0
	from := func(form, address string) answer {
		n++
		return h.post("/v1/forms/"+form+"/submissions", asForm, fmt.Sprintf("email=p%d@example.com", n), "X-Forwarded-For", address)
	}
	for range 3 {
		from("strict", "203.0.113.7").expect(t, 201)
	}
	a := from("strict", "203.0.113.7").expect(t, 429, "limits.per_address", "TOO_MANY_SUBMISSIONS")
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 20 {
		t.Errorf("Retry-After %q, want at most 20 s", a.header.Get("Retry-After"))
	}
	h.awaitEvent(func(e *leadgatev1.LeadEvent) bool {
		return e.GetStage() == leadgatev1.Stage_STAGE_REJECTED && strings.Contains(e.GetError(), "limits.per_address")
	})
	// Other addresses and forms are not affected; an IPv6 network counts as one visitor.
	from("strict", "203.0.113.8").expect(t, 201)
	from("contact", "203.0.113.7").expect(t, 201)
	for i := range 3 {
		from("strict", fmt.Sprintf("2001:db8::%d", i+1)).expect(t, 201)
	}
	from("strict", "2001:db8::9").expect(t, 429)
	// An address of a private network may be a proxy that is not configured.
	for range 10 {
		from("strict", "10.0.0.1").expect(t, 201)
	}
	// The default lets an office through.
	for range 120 {
		from("contact", "198.51.100.1").expect(t, 201)
	}
	last := 0
	for range 60 { // some submissions are regained meanwhile
		if last = from("contact", "198.51.100.1").status; last == 429 {
			break
		}
	}
	if last != 429 {
		t.Error("180 submissions in a moment are not too many")
	}
}

func TestAClientMayPreferNoBody(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for path, body := range map[string][2]string{"/v1/leads": {asJSON, ada}, "/v1/forms/contact/submissions": {asForm, "email=ada@example.com"}} {
		for _, status := range []int{201, 200} {
			a := h.post(path, body[0], body[1], "Idempotency-Key", "k", "Prefer", "respond-async, return=minimal").expect(t, status)
			if a.text != "" || a.header.Get("Preference-Applied") != "return=minimal" || a.header.Get("Content-Length") != "0" || (status == 201) != (a.header.Get("Location") != "") {
				t.Errorf("%s: %q, %v", path, a.text, a.header)
			}
		}
		h.post(path, body[0], "{", "Prefer", "return=minimal").expect(t, 400)
	}
}

func TestLongAnswersArePacked(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for i := range 20 {
		h.post("/v1/leads", asJSON, fmt.Sprintf(`{"lead":{"email":"p%d@example.com"}}`, i)).expect(t, 201)
	}
	long := h.send(http.MethodGet, "/v1/leads", "", "", "Accept-Encoding", "gzip").expect(t, 200)
	if long.header.Get("Content-Encoding") != "gzip" || !strings.Contains(long.header.Get("Vary"), "Accept-Encoding") {
		t.Errorf("a list comes with %v", long.header)
	}
	short := h.send(http.MethodGet, "/healthz", "", "", "Accept-Encoding", "gzip").expect(t, 200, "ok")
	if short.header.Get("Content-Encoding") != "" {
		t.Errorf("a short answer comes with %v", short.header)
	}
	_, lines := h.lines("/v1/deliveries:watch?last=20", "Accept-Encoding", "gzip")
	if !lines.Scan() || !strings.Contains(lines.Text(), "hello") {
		t.Errorf("a stream begins with %q", lines.Text())
	}
}

func TestAPageOfAnOriginReadsWhatItNeeds(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	const path, ours = "/v1/forms/contact/submissions", "https://www.example.com"
	a := h.post(path, asForm, "email=ada@example.com", "Origin", ours).expect(t, 201)
	if a.header.Get("Access-Control-Allow-Origin") != ours || a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("shared with %q", a.header.Get("Access-Control-Allow-Origin"))
	}
	for _, name := range []string{"Location", "Idempotency-Replayed", "Retry-After", "X-Request-Id"} {
		if !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("%s is not exposed", name)
		}
	}
	flight := h.send(http.MethodOptions, path, "", "", "Origin", ours, "Access-Control-Request-Method", "POST").expect(t, 204)
	if flight.header.Get("Access-Control-Max-Age") != "7200" || flight.header.Get("Access-Control-Allow-Methods") != "POST" {
		t.Errorf("preflight: %v", flight.header)
	}
	// No origin means a program or an old browser, null a sandboxed frame. Both are accepted; the second is noted.
	h.post(path, asForm, "email=none@example.com").expect(t, 201)
	h.post(path, asForm, "email=null@example.com", "Origin", "null").expect(t, 201)
	h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return strings.Contains(e.GetDetail(), "Origin: null") })
	// A script takes an answer that it cannot read for a lost connection. So it may read why the page may not submit, or that the lead
	// was accepted.
	for origin, want := range map[string]int{"null": 201, "https://www.example.com.evil.example": 403} {
		h.send(http.MethodOptions, path, "", "", "Origin", origin).expect(t, 204)
		a := h.post(path, asForm, "email=frame@example.com", "Origin", origin)
		if a.status != want || a.header.Get("Access-Control-Allow-Origin") != origin || a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: status %d, shared with %q: %s", origin, a.status, a.header.Get("Access-Control-Allow-Origin"), a.text)
		}
		if detail, _ := a.body["detail"].(string); want == 403 && !strings.Contains(detail, `add "`+origin+`" to allowed_origins`) {
			t.Errorf("the answer is %q", detail)
		}
	}
	if a := h.post("/v1/forms/nosuch/submissions", asForm, "", "Origin", ours).expect(t, 404); a.header.Get("Access-Control-Allow-Origin") != ours {
		t.Error("a page cannot read that there is no such form")
	}
	// The backends' API is not for pages.
	if a := h.post("/v1/leads", asJSON, ada, "Origin", "http://"+h.address); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("the API is shared with a page")
	}
}

func TestAFormThatGoesPastItsDoorIsToldSo(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for _, path := range []string{"/v1/forms/contact", "/v1/forms/contact/", "/v1/forms/contact/submission", "/v1/forms/contact/submissions/", "/v1/forms/"} {
		const door = "/v1/forms/{form}/submissions"
		a := h.post(path, asForm, "email=ada@example.com", "Origin", "https://www.example.com").expect(t, 404, "PATH_NOT_FOUND", door)
		if a.header.Get("Access-Control-Allow-Origin") != "https://www.example.com" {
			t.Errorf("%s: a script cannot read the answer: %v", path, a.header)
		}
		h.send("OPTIONS", path, "", "", "Origin", "https://www.example.com", "Access-Control-Request-Method", "POST").expect(t, 204)
		if page := h.post(path, asForm, "email=ada@example.com", "Accept", browserAccept); page.status != 404 || !strings.Contains(page.text, "<h1>") || !strings.Contains(page.text, door) {
			t.Errorf("%s without script: %d %s", path, page.status, page.text)
		}
	}
}
