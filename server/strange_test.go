package server_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// What strangers may write into a request ends up in events, which are text: net/http lets every byte from 0x80 on through.
func TestNoHeaderOfAStrangerEndsAWatch(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	_, lines := h.lines("/v1/deliveries:watch")
	lines.Scan() // the hello
	overGRPC, err := leadgatev1.NewWorkerServiceClient(h.dial()).WatchDeliveries(t.Context(), &leadgatev1.WatchDeliveriesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := overGRPC.Recv(); err != nil {
		t.Fatal(err)
	}
	const path = "/v1/forms/contact/submissions"
	refused := 0
	for _, header := range []string{"Idempotency-Key", "Origin", "User-Agent", "Traceparent", "Referer", "X-Request-Id", "X-Forwarded-For", "Content-Type", "Authorization"} {
		for _, value := range []string{"\xff", "a\xff\xfeb", strings.Repeat("é", 12_000)} {
			h.send(http.MethodPost, path, asForm, "email=no", header, value)
			refused++
		}
	}
	for _, path := range []string{"/v1/forms/%ff/submissions", "/v1/forms/" + strings.Repeat("x", 20_000) + "/submissions"} {
		h.post(path, asForm, "email=no").expect(t, 404)
		refused++
	}
	h.post(path, asForm, "email=ada@example.com", "User-Agent", "\xff", "Referer", "\xff", "traceparent", "\xff").expect(t, 201)

	for seen := 0; ; seen++ {
		message, err := overGRPC.Recv()
		if err != nil {
			t.Fatalf("over gRPC: %v after %d events", err, seen)
		}
		lead := message.GetEvent().GetLead()
		if !lines.Scan() || !strings.Contains(lines.Text(), `"event"`) {
			t.Fatalf("over REST: %q (%v) after %d events", lines.Text(), lines.Err(), seen)
		}
		if lead.GetStage() == leadgatev1.Stage_STAGE_QUEUED {
			break
		}
		if lead.GetStage() == leadgatev1.Stage_STAGE_REJECTED {
			refused--
			if text := lead.String(); len(text) > 4<<10 || !utf8.ValidString(text) {
				t.Errorf("an event of %d bytes: %.100s", len(text), text)
			}
		}
	}
	if refused != 0 {
		t.Errorf("%d refusals were not told", refused)
	}
}
