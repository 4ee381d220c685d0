package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

// subject is a row of the table.
type subject struct {
	name    string
	server  *server
	load    loadFunc
	bare    *subject // what it is compared with; nil for a baseline
	results []result
	// watchers is how many watchers there are during the measurement.
	watchers int
	// disk is a directory; if set, its disk is measured instead of a server.
	disk string
	// halfOf limits the calls to half the rate of another subject; nil for no limit.
	halfOf *subject
}

// result is one measurement.
type result struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       time.Duration // of the server, per request
}

// loadFunc makes calls until ctx ends, each when pace allows it, and returns how long each took.
type loadFunc func(ctx context.Context, address string, pace *pace) ([]time.Duration, error)

// pace limits the rate of calls. It is safe for concurrent use; a nil pace never waits.
type pace struct {
	every time.Duration
	mu    sync.Mutex
	next  time.Time
}

func newPace(perSecond float64) *pace {
	return &pace{every: time.Duration(float64(time.Second) / perSecond), next: time.Now()}
}

// turn waits until the next call is due and returns that time, not the present one, so that a delay counts as latency. It fails
// when ctx ends.
func (p *pace) turn(ctx context.Context) (time.Time, error) {
	if p == nil {
		return time.Now(), ctx.Err()
	}
	p.mu.Lock()
	at := p.next
	p.next = at.Add(p.every)
	p.mu.Unlock()
	select {
	case <-time.After(time.Until(at)):
		return at, nil
	case <-ctx.Done():
		return at, ctx.Err()
	}
}

// rate returns the median number of calls per second.
func (s *subject) rate() float64 {
	return median(s.results, func(r result) float64 { return r.perSecond })
}

func (s *subject) measure(ctx context.Context, callers int, length time.Duration) (result, error) {
	if s.disk != "" {
		return measureDisk(s.disk, length)
	}
	stopWatching, err := watchAll(ctx, s.server.address, s.watchers)
	if err != nil {
		return result{}, err
	}
	defer stopWatching()
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var pace *pace
	if s.halfOf != nil {
		pace = newPace(s.halfOf.rate() / 2)
	}
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
			times, err := s.load(ctx, s.server.address, pace)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, times...)
			// A server may notice the end of the measurement slightly before this process does.
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
	r := summary(all, elapsed)
	r.cpu = (after - before) / time.Duration(len(all))
	return r, nil
}

const body = `{"lead":{"email":"ada%s@example.com","firstName":"Ada","lastName":"Lovelace","phone":"+14155550132",` +
	`"company":"Analytical Engines","country":"US","message":"12 km each way, one steep hill.","custom":{"budget":"4000"}},` +
	`"idempotencyKey":"%s"}`

// httpLoad submits a new lead with each call.
func httpLoad(ctx context.Context, address string, pace *pace) ([]time.Duration, error) {
	c, err := dialHTTP(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return repeat(ctx, pace, func() error { return c.submit(uuid.NewString(), http.StatusCreated) })
}

// httpReplay submits the same lead with each call, under the same key.
func httpReplay(ctx context.Context, address string, pace *pace) ([]time.Duration, error) {
	c, err := dialHTTP(ctx, address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	key := uuid.NewString()
	if err := c.submit(key, http.StatusCreated); err != nil {
		return nil, err
	}
	return repeat(ctx, pace, func() error { return c.submit(key, http.StatusOK) })
}

// repeat makes calls until ctx ends.
func repeat(ctx context.Context, pace *pace, call func() error) (times []time.Duration, err error) {
	for {
		start, err := pace.turn(ctx)
		if err != nil {
			return times, nil
		}
		if err := call(); err != nil {
			return times, err
		}
		times = append(times, time.Since(start))
	}
}

// httpConn is a keep-alive connection. It avoids net/http's client, which costs more than the servers measured here.
type httpConn struct {
	conn    net.Conn
	answers *bufio.Reader
	request []byte
	close   func()
}

// dialHTTP opens a connection that ends with close or with ctx.
func dialHTTP(ctx context.Context, address string) (*httpConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return &httpConn{conn: conn, answers: bufio.NewReader(conn), close: func() {
		stop()
		_ = conn.Close() // all answers were read
	}}, nil
}

// submit submits a lead under a key and expects the given status.
func (c *httpConn) submit(key string, status int) error {
	text := fmt.Sprintf(body, key[:8], key)
	c.request = fmt.Appendf(c.request[:0], "POST /v1/leads HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		c.conn.RemoteAddr(), len(text), text)
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != status {
		return fmt.Errorf("%s: %s", answer.Status, content)
	}
	return nil
}

// grpcLoad calls SubmitLead over a connection of its own.
func grpcLoad(ctx context.Context, address string, pace *pace) ([]time.Duration, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client := leadgatev1.NewLeadServiceClient(conn)
	return repeat(ctx, pace, func() error {
		id := uuid.NewString()
		_, err := client.SubmitLead(ctx, &leadgatev1.SubmitLeadRequest{
			Lead: &leadgatev1.Lead{
				Email: "ada" + id[:8] + "@example.com", FirstName: "Ada", LastName: "Lovelace", Phone: "+14155550132",
				Company: "Analytical Engines", Country: "US", Message: "12 km each way, one steep hill.",
				Custom: map[string]*structpb.Value{"budget": structpb.NewStringValue("4000")},
			},
			IdempotencyKey: id,
		})
		return err
	})
}
