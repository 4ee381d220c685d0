package server_test

import (
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

// The accept path with everything but the log lines, durable, 64 callers for each processor. make bench has the figures
// that count: against bare servers, from another process.

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
			_, err = io.Copy(io.Discard, response.Body) // or the connection could not be used again
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

// BenchmarkRules judges the lead of make bench against the rules of its message.
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
