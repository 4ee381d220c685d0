package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

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
			_ = response.Body.Close()
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
