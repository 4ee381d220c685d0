// Package leadgate submits leads to a gateway over gRPC.
//
//	client, err := leadgate.New("leads.example.com:443", leadgate.WithAPIKey(key))
//	accepted, err := client.Submit(ctx, &leadgatev1.Lead{Email: "ada@example.com"}, leadgate.WithKey("order-4711"))
//
// When Submit returns without an error, the lead is on the gateway's disk. Every submission has an idempotency key, yours or a
// generated one. It is retried under that key while the gateway is unreachable or asks for a retry, so a retry never creates a
// second lead. If the gateway refuses a lead, the error is an [*Error] that lists every invalid field.
package leadgate

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// calls is the gRPC service config: which calls wait for a connection, and which gRPC retries, namely those that only read. Submit
// and SubmitForm do their own retries, under a key. Batches are not retried, because their leads may have no keys; neither are
// operators' calls.
const calls = `{"methodConfig":[{
	"name":[
		{"service":"leadgate.v1.LeadService","method":"SubmitLead"},
		{"service":"leadgate.v1.LeadService","method":"SubmitForm"},
		{"service":"leadgate.v1.LeadService","method":"BatchSubmitLeads"}
	],
	"waitForReady":true
},{
	"name":[
		{"service":"leadgate.v1.LeadService","method":"GetLead"},
		{"service":"leadgate.v1.LeadService","method":"ListLeads"}
	],
	"waitForReady":true,
	"retryPolicy":{"maxAttempts":5,"initialBackoff":"0.2s","maxBackoff":"5s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}
}]}`

const (
	// usualTimeout bounds a submission, retries included, if its context has no deadline.
	usualTimeout = 30 * time.Second
	// attempts is how many times one submission is tried.
	attempts = 5
	// pingAfter is how long a connection is idle before a keepalive ping. The gateway disconnects clients that ping more often than
	// every 5 s.
	pingAfter, pingTimeout = 30 * time.Second, 10 * time.Second
)

// Client submits leads over one connection. It is safe for concurrent use.
type Client struct {
	conn    *grpc.ClientConn
	leads   leadgatev1.LeadServiceClient
	timeout time.Duration
}

type settings struct {
	apiKey    string
	transport credentials.TransportCredentials
	timeout   time.Duration
	dial      []grpc.DialOption
}

// Option configures a [Client].
type Option func(*settings)

// WithAPIKey sends one of the gateway's api_keys with every call.
func WithAPIKey(key string) Option { return func(s *settings) { s.apiKey = key } }

// WithoutTLS turns TLS off, for a gateway on the same machine or network.
func WithoutTLS() Option { return func(s *settings) { s.transport = insecure.NewCredentials() } }

// WithTLS replaces the default TLS configuration, which trusts the system's certificates.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) { s.transport = credentials.NewTLS(config) }
}

// WithTimeout bounds each [Client.Submit] and [Client.SubmitForm] whose context has no deadline, retries included. The default is
// 30 s; 0 means no limit.
func WithTimeout(timeout time.Duration) Option { return func(s *settings) { s.timeout = timeout } }

// WithDialOptions adds gRPC dial options, such as interceptors.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// New returns a client of the gateway at a target such as "leads.example.com:443". It connects on the first call, with TLS unless
// [WithoutTLS] is given. Close the client when done.
func New(target string, options ...Option) (*Client, error) {
	if scheme, _, ok := strings.Cut(target, "://"); ok && (scheme == "https" || scheme == "http") {
		return nil, fmt.Errorf("leadgate: %s is an address for REST; name host and port only, such as leads.example.com:443, and give WithoutTLS if there is no TLS", target)
	}
	s := settings{transport: credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12}), timeout: usualTimeout}
	for _, option := range options {
		option(&s)
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(s.transport), grpc.WithDefaultServiceConfig(calls),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}),
	}
	if s.apiKey != "" {
		bearer := "Bearer " + s.apiKey
		dial = append(dial,
			grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				return invoke(metadata.AppendToOutgoingContext(ctx, "authorization", bearer), method, req, reply, cc, opts...)
			}),
			grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				return open(metadata.AppendToOutgoingContext(ctx, "authorization", bearer), desc, cc, method, opts...)
			}))
	}
	conn, err := grpc.NewClient(target, append(dial, s.dial...)...)
	if err != nil {
		return nil, fmt.Errorf("leadgate: connect to %s: %w", target, err)
	}
	return &Client{conn: conn, leads: leadgatev1.NewLeadServiceClient(conn), timeout: s.timeout}, nil
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Conn returns the connection, for the rest of the API: leadgatev1.NewLeadServiceClient(client.Conn()), and WorkerService.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

// NewKey returns a random, unique idempotency key. Make it when the reason for the lead arises, and store it there, so that a retry
// after a crash uses the same key.
func NewKey() string { return rand.Text() }

// within applies the client's timeout, unless ctx has a deadline.
func (c *Client) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded || c.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}
