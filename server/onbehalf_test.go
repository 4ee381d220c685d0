package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// bounded has a form with a low limit for one address, behind a proxy.
var bounded = "trusted_proxies: [127.0.0.0/8]\n" + strings.Replace(withKeys, "  strict:\n", "  strict:\n    limits: { per_address: 5 }\n    quality: { per_address: 2 }\n", 1)

// A form builder's webhooks come from one address, and so does what a site's own server passes on.
func TestWhoSubmitsOnBehalfOfVisitorsIsNotCountedAsOne(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: bounded, env: keys})
	const path, builder = "/v1/forms/strict/submissions", "203.0.113.7"
	for i := range 20 {
		h.post(path, asForm, fmt.Sprintf("email=p%d@example.com", i), "X-Forwarded-For", builder, "Authorization", "Bearer shop-key").expect(t, 201)
	}
	if held := h.send(http.MethodGet, "/v1/leads?state=HELD", "", "", "Authorization", "Bearer ops-key"); strings.Contains(held.text, "leadId") {
		t.Errorf("held: %s", held.text)
	}
	// A key that is unknown, or not for submitting, costs no lead: its caller counts as a visitor, and the lead's detail says so.
	for i, key := range []string{"wrong", "ops-key"} {
		h.post(path, asForm, fmt.Sprintf("email=w%d@example.com", i), "X-Forwarded-For", builder, "Authorization", "Bearer "+key).expect(t, 201)
	}
	for _, why := range []string{"this API key is not known here", "does not have the role submit"} {
		h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return strings.Contains(e.GetDetail(), why) })
	}
	for i := range 3 {
		h.post(path, asForm, fmt.Sprintf("email=v%d@example.com", i), "X-Forwarded-For", builder).expect(t, 201)
	}
	h.post(path, asForm, "email=v9@example.com", "X-Forwarded-For", builder).expect(t, 429)
	h.send(http.MethodGet, "/v1/leads?reason=SPAM", "", "", "Authorization", "Bearer ops-key").expect(t, 200, "v2@example.com")
}

func TestOnlyWhoSubmitsOnBehalfOfVisitorsSaysWhoTheyAre(t *testing.T) {
	t.Parallel()
	h := open(t, options{config: bounded, env: keys})
	const site, visitor = "203.0.113.7", "198.51.100.9"
	address := func(leadID string) string {
		record, err := h.store.Lead(t.Context(), leadID)
		if err != nil {
			t.Fatal(err)
		}
		if record.GetSubmission().GetAddress() != record.GetLead().GetSource().GetIp() {
			t.Errorf("the submission is from %q, the lead from %q", record.GetSubmission().GetAddress(), record.GetLead().GetSource().GetIp())
		}
		return record.GetLead().GetSource().GetIp()
	}
	n := 0
	for _, c := range []struct{ key, forwarded, want string }{
		{"shop-key", visitor + ", " + site, visitor}, {"shop-key", site, ""}, {"shop-key", "unknown, " + site, ""},
		{"", visitor + ", " + site, site}, {"wrong", visitor + ", " + site, site}, {"ops-key", visitor + ", " + site, site},
	} {
		n++
		headers := []string{"X-Forwarded-For", c.forwarded, "Authorization", "Bearer " + c.key}
		a := h.post("/v1/forms/strict/submissions", asForm, fmt.Sprintf("email=p%d@example.com", n), headers...).expect(t, 201)
		if got := address(a.body["leadId"].(string)); got != c.want {
			t.Errorf("with key %q and %q: %q, want %q", c.key, c.forwarded, got, c.want)
		}
	}
	client := leadgatev1.NewLeadServiceClient(h.dial())
	submit := func(key, address string) (string, error) {
		n++
		ctx := t.Context()
		if key != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
		}
		answer, err := client.SubmitForm(ctx, &leadgatev1.SubmitFormRequest{Form: "strict", Submission: &leadgatev1.Submission{
			Fields:  []*leadgatev1.Submission_Field{{Name: "email", Values: []string{fmt.Sprintf("p%d@example.com", n)}}},
			Address: address, UserAgent: "Browser/1", PageUrl: "https://www.example.com/contact",
		}})
		return answer.GetLeadId(), err
	}
	for key, want := range map[string]string{"shop-key": visitor, "": "127.0.0.1"} {
		id, err := submit(key, visitor)
		if err != nil {
			t.Fatal(err)
		}
		if got := address(id); got != want {
			t.Errorf("over gRPC with key %q: %q, want %q", key, got, want)
		}
	}
	answer, err := client.SubmitForm(t.Context(), &leadgatev1.SubmitFormRequest{Form: "strict", Submission: &leadgatev1.Submission{
		Fields: []*leadgatev1.Submission_Field{{Name: "email", Values: []string{"nobody@example.com"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if record, err := h.store.Lead(t.Context(), answer.GetLeadId()); err != nil || record.GetLead().GetSource().GetUserAgent() != "" {
		t.Errorf("the visitor's browser is %q (%v)", record.GetLead().GetSource().GetUserAgent(), err)
	}
	if _, err := submit("shop-key", "somewhere"); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an address that is none: %v", err)
	}
}
