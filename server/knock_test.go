package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const keysBehindAProxy = contactForm + `
trusted_proxies: ["127.0.0.0/8"]
api_keys: [{ name: shop, key: "${env:SHOP}", roles: [submit] }]
`

func openBehindAProxy(t *testing.T, o options) *house {
	t.Helper()
	o.config, o.env = keysBehindAProxy, map[string]string{"SHOP": "shop-key"}
	return open(t, o)
}

// bytesAsTheyAre sends messages that are already encoded.
type bytesAsTheyAre struct{ encoding.CodecV2 }

func (bytesAsTheyAre) Name() string { return "proto" }

func (bytesAsTheyAre) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(message.([]byte))}, nil
}

func (bytesAsTheyAre) Unmarshal(data mem.BufferSlice, message any) error {
	if m, ok := message.(*rawMessage); ok {
		*m = data.Materialize()
	}
	return nil
}

// rawMessage is an encoded message.
type rawMessage []byte

// It does not run in parallel: it measures the memory of the whole process.
func TestAMessageThatIsTooLargeIsNotTakenApart(t *testing.T) { //nolint:paralleltest // see above
	h := openBehindAProxy(t, options{})
	conn := h.dial()
	empties := bytes.Repeat([]byte{0x0a, 0x00}, 2<<20-100)           // field 1, empty, over and over
	form := append([]byte{0x12, 0xb8, 0xfe, 0xff, 0x01}, empties...) // as the submission
	for name, call := range map[string]struct {
		method  string
		message []byte
		key     string
		want    codes.Code
	}{
		"a form's, by a stranger":      {leadgatev1.LeadService_SubmitForm_FullMethodName, form, "", codes.ResourceExhausted},
		"a lead, with a key":           {leadgatev1.LeadService_SubmitLead_FullMethodName, empties, "shop-key", codes.ResourceExhausted},
		"a batch, by a stranger":       {leadgatev1.LeadService_BatchSubmitLeads_FullMethodName, empties, "", codes.Unauthenticated},
		"an operation, by a submitter": {leadgatev1.WorkerService_RetryDeliveries_FullMethodName, empties, "shop-key", codes.PermissionDenied},
		"a form's of empty fields":     {leadgatev1.LeadService_SubmitForm_FullMethodName, append([]byte{0x12, 0xf8, 0xfe, 0x03}, empties[:65400]...), "", codes.InvalidArgument},
	} {
		ctx := t.Context()
		if call.key != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+call.key)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := conn.Invoke(ctx, call.method, call.message, nil, grpc.UseCompressor(gzip.Name), grpc.ForceCodecV2(bytesAsTheyAre{}))
		runtime.ReadMemStats(&after)
		if status.Code(err) != call.want {
			t.Errorf("%s: %v, want %s", name, err, call.want)
		}
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 32 { // including the client's share
			t.Errorf("%s: it took %d MiB", name, took)
		}
	}
}

func TestACallWithoutAKeyIsRefusedBeforeItsMessage(t *testing.T) {
	t.Parallel()
	h := openBehindAProxy(t, options{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	stream, err := h.dial().NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, leadgatev1.LeadService_BatchSubmitLeads_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(nil); status.Code(err) != codes.Unauthenticated {
		t.Errorf("%v, want Unauthenticated", err)
	}
	h.awaitEvent(func(e *leadgatev1.LeadEvent) bool { return e.GetReason() == "API_KEY_MISSING" })
}

func TestAStrangersCallEndsWhoseMessageDoesNotCome(t *testing.T) {
	t.Parallel()
	h := openBehindAProxy(t, options{body: 50 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, method := range []string{leadgatev1.LeadService_SubmitForm_FullMethodName, healthv1.Health_Watch_FullMethodName} {
		stream, err := h.dial().NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, method)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(nil); err == nil || ctx.Err() != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestANetworkOfStrangersKeepsOutNobodyElse(t *testing.T) {
	t.Parallel()
	h := openBehindAProxy(t, options{})
	health := healthv1.NewHealthClient(h.dial())
	from := func(address string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "x-forwarded-for", address)
	}
	watch := func(ctx context.Context) error {
		stream, err := health.Watch(ctx, &healthv1.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	for range 50 {
		if err := watch(from("203.0.113.7")); err != nil {
			t.Fatal(err)
		}
	}
	err := watch(from("203.0.113.7"))
	waits := slices.ContainsFunc(status.Convert(err).Details(), func(detail any) bool { _, ok := detail.(*errdetails.RetryInfo); return ok })
	if status.Code(err) != codes.Unavailable || !waits {
		t.Errorf("one more: %v, want Unavailable, and when to come again", err)
	}
	if err := watch(from("203.0.113.8")); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	for i := range 100 {
		ctx, leave := context.WithCancel(from("203.0.113.9"))
		if err := watch(ctx); err != nil {
			t.Fatalf("one after the other, %d: %v", i, err)
		}
		leave()
	}
}

func TestCallsOverTheOtherTransportAreJudgedAsWell(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := selfSigned(t)
	h := open(t, options{
		config: keysBehindAProxy + "tls: { cert_file: " + certFile + ", key_file: " + keyFile + " }\n",
		env:    map[string]string{"SHOP": "shop-key"},
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	call := func(method, key string, message io.Reader) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+h.address+method, message)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("Te", "trailers")
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		if status := response.Header.Get("Grpc-Status"); status != "" {
			return response, status
		}
		return response, response.Trailer.Get("Grpc-Status")
	}
	never, end := io.Pipe()
	defer end.Close()
	response, code := call(leadgatev1.LeadService_BatchSubmitLeads_FullMethodName, "", never)
	if code != "16" || response.Header.Get("Grpc-Message") == "" || response.Header.Get("Content-Type") != "application/grpc" {
		t.Errorf("without a key: status %q, %v", code, response.Header)
	}
	if _, code := call(leadgatev1.LeadService_BatchSubmitLeads_FullMethodName, "shop-key", bytes.NewReader(make([]byte, 5))); code != "3" {
		t.Errorf("an empty batch with a key: status %q", code)
	}
	if _, code := call(healthv1.Health_Check_FullMethodName, "", bytes.NewReader(make([]byte, 5))); code != "0" {
		t.Errorf("health: status %q", code)
	}
}
