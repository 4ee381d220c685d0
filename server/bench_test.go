package server_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// The accept path without log lines, durable, with 64 callers per processor. The figures that count are from make bench: against bare
// servers, from another process.

func BenchmarkAcceptREST(b *testing.B) {
	h := open(b, options{})
	h.client.Transport.(*http.Transport).MaxIdleConnsPerHost = 256
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			body := fmt.Sprintf(`{"lead":{"email":"ada%d@example.com","firstName":"Ada","company":"Analytical Engines"},"idempotencyKey":"%d"}`, i, i)
			response, err := h.client.Post(h.url("/v1/leads"), asJSON, strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, err = io.Copy(io.Discard, response.Body) // otherwise the connection could not be reused
			if err = errors.Join(err, response.Body.Close()); err != nil {
				b.Error(err)
				return
			}
			if response.StatusCode != http.StatusCreated {
				b.Error(response.Status)
				return
			}
		}
	})
}

func BenchmarkAcceptGRPC(b *testing.B) {
	h := open(b, options{})
	client := leadgatev1.NewLeadServiceClient(h.dial())
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			lead := &leadgatev1.Lead{Email: fmt.Sprintf("ada%d@example.com", i), FirstName: "Ada", Company: "Analytical Engines"}
			if _, err := client.SubmitLead(b.Context(), &leadgatev1.SubmitLeadRequest{Lead: lead, IdempotencyKey: fmt.Sprint(i)}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkRules validates the lead of make bench against the rules of its message.
func BenchmarkRules(b *testing.B) {
	validator, err := protovalidate.New(protovalidate.WithMessages(&leadgatev1.SubmitLeadRequest{}))
	if err != nil {
		b.Fatal(err)
	}
	request := &leadgatev1.SubmitLeadRequest{
		Lead: &leadgatev1.Lead{
			Email: "ada@example.com", FirstName: "Ada", LastName: "Lovelace", Phone: "+14155550132", Company: "Analytical Engines",
			Country: "US", Message: "12 km each way, one steep hill.", Custom: map[string]*structpb.Value{"budget": structpb.NewStringValue("4000")},
		},
		IdempotencyKey: "6c0e4ec4-2f0c-4c42-9b2f-5d4e3f0f8c11",
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := validator.Validate(request); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWatch sends events to one watcher and measures the cost per event, including the watcher's side.
func BenchmarkWatch(b *testing.B) {
	const chunk = 4000 // fewer than the journal keeps
	event := func(n int) *leadgatev1.Event {
		return &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
			Stage: leadgatev1.Stage_STAGE_QUEUED, LeadId: "0197a0de-0000-7000-8000-000000000001", Form: "contact", Destination: "crm", IdempotencyKey: fmt.Sprint(n),
			DeliveryId: "0197a0de-0000-7000-8000-000000000001.crm", Person: "a***@example.com", RequestId: "0197a0de-0000-7000-8000-000000000001",
		}}}
	}
	publish := func(b *testing.B, h *house, next func() error) {
		b.Helper()
		b.ReportAllocs()
		b.ResetTimer()
		for sent := 0; sent < b.N; {
			n := min(chunk, b.N-sent)
			events := make([]*leadgatev1.Event, n)
			for i := range events {
				events[i] = event(sent + i)
			}
			h.journal.Publish(events...)
			for range n {
				if err := next(); err != nil {
					b.Fatal(err)
				}
			}
			sent += n
		}
	}
	b.Run("gRPC", func(b *testing.B) {
		h := open(b, options{})
		stream, err := leadgatev1.NewWorkerServiceClient(h.dial()).WatchDeliveries(b.Context(), &leadgatev1.WatchDeliveriesRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			b.Fatal(err)
		}
		publish(b, h, func() error { _, err := stream.Recv(); return err })
	})
	for _, accept := range []string{"application/json", "text/event-stream"} {
		b.Run(accept, func(b *testing.B) {
			h := open(b, options{})
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, h.url("/v1/deliveries:watch"), nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Accept", accept)
			response, err := h.client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			defer response.Body.Close()
			lines := bufio.NewScanner(response.Body)
			next := func() error {
				for lines.Scan() {
					if bytes.Contains(lines.Bytes(), []byte(`"event":`)) {
						return nil
					}
				}
				return errors.Join(io.ErrUnexpectedEOF, lines.Err())
			}
			lines.Scan() // the hello
			publish(b, h, next)
		})
	}
}
