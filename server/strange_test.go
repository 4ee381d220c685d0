package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// What strangers put into a request gets into events, which are UTF-8; but net/http accepts any byte from 0x80 on in headers.
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

// raw opens a connection and sends text.
func (h *house) raw(text string) (net.Conn, *bufio.Reader) {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		h.t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

const batchHeaders = "POST /v1/leads:batch HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 4194304\r\nExpect: 100-continue\r\n\r\n"

func TestAStrangerIsRefusedBeforeItsBodyIsRead(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	for path, want := range map[string]string{"/v1/leads:batch": "403", "/v1/leads:erase": "403", "/v1/nothing": "404", "/v1/deliveries": "405"} {
		conn, reader := h.raw(strings.Replace(fmt.Sprintf(batchHeaders, "leads.example.com"), "/v1/leads:batch", path, 1))
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if line, err := reader.ReadString('\n'); !strings.Contains(line, want) {
			t.Errorf("%s is answered with %q (%v), want %s", path, line, err, want)
		}
	}
}

func TestABodyTakesMemoryAsItArrives(t *testing.T) {
	h := open(t, options{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		conn, reader := h.raw(fmt.Sprintf(batchHeaders, "localhost"))
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if line, err := reader.ReadString('\n'); !strings.Contains(line, "100 Continue") { // the server reads the body
			t.Fatalf("%q, %v", line, err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 20<<20 {
		t.Errorf("20 bodies of which nothing came took %d MiB", grown>>20)
	}
}

func TestABodyThatNobodyReadsHoldsNothing(t *testing.T) {
	t.Parallel()
	h := open(t, options{body: 100 * time.Millisecond})
	for head, want := range map[string]string{
		"POST /v1/forms/nosuch/submissions":                             "404",
		"POST /v1/forms/contact/submissions|Origin: https://no.example": "403",
		"POST /v1/forms/contact/submissions":                            "408",
		"POST /v1/leads":                                                "408",
		"POST /console/session|Sec-Fetch-Site: same-origin":             "400",
		"POST /healthz":                                                 "405",
		"GET /healthz":                                                  "200",
		"GET /v1/leads":                                                 "200",
	} {
		line, headers, _ := strings.Cut(head, "|")
		conn, reader := h.raw(line + " HTTP/1.1\r\n" + strings.TrimLeft(headers+"\r\n", "\r\n") + "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		answered, err := reader.ReadString('\n')
		if !strings.Contains(answered, want) {
			t.Errorf("%s is answered with %q (%v), want %s", head, answered, err, want)
		}
		if _, err := io.Copy(io.Discard, reader); err != nil { // until the connection is closed
			t.Errorf("%s: %v", head, err)
		}
	}
}

func TestABodyThatDoesNotComeHoldsUpNoStop(t *testing.T) {
	t.Parallel()
	h := open(t, options{body: 100 * time.Millisecond})
	h.raw("POST /v1/forms/nosuch/submissions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
	h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetStage() == leadgatev1.Stage_STAGE_REJECTED })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestFilesThatDoNotComeHoldUpAStopNoLongerThanAnyBody(t *testing.T) {
	t.Parallel()
	h := open(t, options{body: 100 * time.Millisecond})
	conn, reader := h.raw("POST /v1/forms/contact/submissions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := reader.ReadString('\n'); !strings.Contains(line, "100 Continue") { // the server reads the body
		t.Fatalf("%q, %v", line, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(reader); err != nil || !strings.Contains(string(rest), " 408 ") {
		t.Errorf("%q, %v: want that it is sent again", rest, err)
	}
}

func TestTheBoundOfABodyIsNoneOfTheAnswer(t *testing.T) {
	t.Parallel()
	h := open(t, options{body: 100 * time.Millisecond})
	// A watch whose request had a body outlives the time limit of that body.
	conn, reader := h.raw("GET /v1/deliveries:watch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	await := func(word string) {
		t.Helper()
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				t.Fatalf("the watch ended with %v before %s", err, word)
			}
			if strings.Contains(line, word) {
				return
			}
		}
	}
	await("hello")
	// Once another body's time is over, so is that of the watch's body.
	other, answer := h.raw("POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
	_ = other.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, answer); err != nil {
		t.Fatal(err)
	}
	h.post("/v1/leads", asJSON, ada).expect(t, 201)
	await("STAGE_QUEUED")
}

func TestOneConnectionHasSoManyStreams(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	conn, reader := h.raw(http2.ClientPreface)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	framer := http2.NewFramer(conn, reader)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if settings, ok := frame.(*http2.SettingsFrame); ok {
			if n, ok := settings.Value(http2.SettingMaxConcurrentStreams); !ok || n != 250 {
				t.Errorf("%d streams at a time (%t), want 250", n, ok)
			}
			return
		}
	}
}

// halfMessage starts an RPC over gRPC whose message never arrives in full, and returns the status with which it ends.
func (h *house) halfMessage() (grpcStatus string) {
	h.t.Helper()
	message, unsent := io.Pipe()
	defer unsent.Close()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url(leadgatev1.LeadService_SubmitForm_FullMethodName), message)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("TE", "trailers")
	go func() { _, _ = unsent.Write([]byte{0, 0, 0, 4, 0, 'x'}) }() // the first of 1024 bytes
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(r)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		h.t.Fatal("it never ends")
	case err != nil:
		return err.Error()
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body) // trailers come after it
	return answer.Header.Get("Grpc-Status") + answer.Trailer.Get("Grpc-Status")
}

func TestAMessageThatDoesNotComeIsNotWaitedForOverGRPCEither(t *testing.T) {
	t.Parallel()
	h := open(t, options{body: 100 * time.Millisecond})
	if got, want := h.halfMessage(), strconv.Itoa(int(codes.DeadlineExceeded)); got != want {
		t.Errorf("status %q, want %s", got, want)
	}
	mixed := open(t, options{body: 100 * time.Millisecond, config: contactForm + "cleartext_http2: mixed"})
	if got := mixed.halfMessage(); got == "0" { // net/http may end the stream before grpc has sent the reason
		t.Errorf("mixed: status %q", got)
	}
}

func TestTheBoundOfAMessageIsNoneOfAStream(t *testing.T) {
	t.Parallel()
	h := open(t, options{body: 100 * time.Millisecond})
	stream, err := leadgatev1.NewLeadServiceClient(h.dial()).SubmitLeads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := stream.Send(&leadgatev1.SubmitLeadsRequest{Request: &leadgatev1.SubmitLeadRequest{Lead: &leadgatev1.Lead{Email: "ada@example.com"}}}); err != nil {
			t.Fatal(err)
		}
		if result, err := stream.Recv(); err != nil || result.GetResult().GetRefusal() != nil {
			t.Fatal(result, err)
		}
		h.halfMessage() // another message's time is over, and so is that of the stream
	}
}
