package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// subject is something that is measured.
type subject struct {
	name    string
	server  *server
	load    loadFunc
	bare    *subject // what it is compared with; nil for a bare server
	results []result
	// watchers is how many watch meanwhile.
	watchers int
}

// result is one measurement.
type result struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       time.Duration // of the server, for one request
}

// loadFunc calls until ctx ends and returns how long each call took.
type loadFunc func(ctx context.Context, address string) ([]time.Duration, error)

func (s *subject) measure(ctx context.Context, callers int, length time.Duration) (result, error) {
	stopWatching, err := watchAll(ctx, s.server.address, s.watchers)
	if err != nil {
		return result{}, err
	}
	defer stopWatching()
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	before, err := s.server.cpu()
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		all    []time.Duration
		failed error
	)
	for range callers {
		wg.Go(func() {
			times, err := s.load(ctx, s.server.address)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, times...)
			// A server may see the end of the measurement a moment before this process does.
			if err != nil && ctx.Err() == nil && status.Code(err) != codes.DeadlineExceeded {
				failed = err
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	after, err := s.server.cpu()
	if err != nil {
		return result{}, err
	}
	if failed != nil {
		return result{}, failed
	}
	if len(all) == 0 {
		return result{}, fmt.Errorf("no call was answered")
	}
	slices.Sort(all)
	return result{
		perSecond: float64(len(all)) / elapsed.Seconds(),
		p50:       all[len(all)/2],
		p99:       all[len(all)*99/100],
		cpu:       (after - before) / time.Duration(len(all)),
	}, nil
}

const body = `{"lead":{"email":"ada%s@example.com","firstName":"Ada","lastName":"Lovelace","phone":"+14155550132",` +
	`"company":"Analytical Engines","country":"US","message":"12 km each way, one steep hill.","custom":{"budget":"4000"}},` +
	`"idempotencyKey":"%s"}`

// httpLoad writes requests to one keep-alive connection. It does without net/http's client, which costs more than the
// servers that are measured.
func httpLoad(ctx context.Context, address string) ([]time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	answers := bufio.NewReader(conn)
	var times []time.Duration
	var request []byte
	for ctx.Err() == nil {
		id := uuid.NewString()
		text := fmt.Sprintf(body, id[:8], id)
		request = fmt.Appendf(request[:0], "POST /v1/leads HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", address, len(text), text)
		start := time.Now()
		if _, err := conn.Write(request); err != nil {
			return times, err
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			return times, err
		}
		content, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			return times, err
		}
		if answer.StatusCode != http.StatusCreated {
			return times, fmt.Errorf("%s: %s", answer.Status, content)
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}

// grpcLoad calls SubmitLead on a connection of its own.
func grpcLoad(ctx context.Context, address string) ([]time.Duration, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client := leadgatev1.NewLeadServiceClient(conn)
	var times []time.Duration
	for ctx.Err() == nil {
		id := uuid.NewString()
		start := time.Now()
		_, err := client.SubmitLead(ctx, &leadgatev1.SubmitLeadRequest{
			Lead: &leadgatev1.Lead{
				Email: "ada" + id[:8] + "@example.com", FirstName: "Ada", LastName: "Lovelace", Phone: "+14155550132",
				Company: "Analytical Engines", Country: "US", Message: "12 km each way, one steep hill.",
				Custom: map[string]*structpb.Value{"budget": structpb.NewStringValue("4000")},
			},
			IdempotencyKey: id,
		})
		if err != nil {
			return times, err
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}
