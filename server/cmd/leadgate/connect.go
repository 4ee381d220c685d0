package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	leadgate "github.com/leadgate/leadgate/clients/go"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// connection says how a command reaches a running gateway.
type connection struct {
	server string
	apiKey string
}

func (c *connection) addFlags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&c.server, "server", "127.0.0.1:8080", "gateway to talk to, host:port; https://host:port for TLS")
	cmd.PersistentFlags().StringVar(&c.apiKey, "api-key", "", "API key, if the gateway requires one")
}

// client returns a client of the gateway. The caller must close it.
func (c *connection) client() (*leadgate.Client, error) {
	target, secure := strings.CutPrefix(c.server, "https://")
	target = strings.TrimSuffix(strings.TrimPrefix(target, "http://"), "/")
	options := []leadgate.Option{
		leadgate.WithAPIKey(c.apiKey),
		// No retries: a person at a terminal wants to know at once that there is no gateway.
		leadgate.WithDialOptions(grpc.WithDefaultServiceConfig("{}"),
			grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				return c.explain(invoke(ctx, method, req, reply, cc, opts...))
			})),
	}
	if !secure {
		options = append(options, leadgate.WithoutTLS())
	}
	// passthrough, so that a name that cannot be resolved fails at once and is named in the error.
	client, err := leadgate.New("passthrough:///"+target, options...)
	if err != nil {
		return nil, usageError{fmt.Errorf("--server %q: %w", c.server, err)}
	}
	return client, nil
}

// host returns the host that the gateway runs on.
func (c *connection) host() string {
	at := strings.TrimSuffix(c.server, "/")
	at = at[strings.LastIndex(at, "/")+1:]
	if host, _, err := net.SplitHostPort(at); err == nil {
		return host
	}
	return at
}

// services are the gateway's services that commands call.
type services struct {
	leadgatev1.LeadServiceClient
	leadgatev1.WorkerServiceClient
}

// with returns the RunE of a command that calls the gateway.
func (c *connection) with(work func(cmd *cobra.Command, args []string, gateway *services) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := c.client()
		if err != nil {
			return err
		}
		defer client.Close()
		return work(cmd, args, &services{leadgatev1.NewLeadServiceClient(client.Conn()), leadgatev1.NewWorkerServiceClient(client.Conn())})
	}
}

// explain turns an RPC error into one that a person at a terminal can act on.
func (c *connection) explain(err error) error {
	if err == nil {
		return nil
	}
	answer := status.Convert(err)
	switch {
	case answer.Code() == codes.Unavailable && !answeredByGateway(answer):
		return c.away(answer.Message())
	case answer.Code() == codes.Unauthenticated && c.apiKey == "":
		return fmt.Errorf("the gateway at %s wants an API key; give one with --api-key or LEADGATE_API_KEY", c.server)
	}
	message := []string{answer.Message()}
	for _, detail := range answer.Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				message = append(message, "  "+v.GetField()+": "+v.GetDescription())
			}
		}
	}
	return errors.New(strings.Join(message, "\n"))
}

// away returns the error that no gateway answers. Of the reason it keeps only the useful end, such as "connection refused".
func (c *connection) away(reason string) error {
	reason = strings.Trim(reason, `"`)
	if at := strings.LastIndex(reason, "connect: "); at >= 0 {
		reason = reason[at+len("connect: "):]
	} else if known := transportWords(reason); known != "" {
		reason = known
	} else if at := strings.LastIndex(reason, "desc = "); at >= 0 {
		reason = strings.Trim(reason[at+len("desc = "):], `"`)
	}
	reason = strings.TrimPrefix(reason, "transport: ")
	return fmt.Errorf("no gateway answers at %s (%s): start one with leadgate serve, or name another with --server or LEADGATE_SERVER", c.server, reason)
}

// transportWords explains a mismatch between transports, such as TLS with plain text; empty for anything else.
func transportWords(reason string) string {
	for _, known := range []struct{ says, words string }{
		{"frame header looked like an HTTP/1.1 header", "what listens there is no gateway"},
		{"no application protocol", "what listens there is no gateway"},
		{"error reading server preface: EOF", "it hung up; if it serves TLS, write https://HOST:PORT"},
		{"does not look like a TLS handshake", "it does not serve TLS: leave out https://"},
		{"gave HTTP response to HTTPS client", "it does not serve TLS: leave out https://"},
		{"signed by unknown authority", "its certificate is signed by an authority that is not known here; SSL_CERT_FILE names a file with it"},
	} {
		if strings.Contains(reason, known.says) {
			return known.words
		}
	}
	return ""
}

// answeredByGateway tells a gateway that cannot serve now from one that is not there: only the former sends an ErrorInfo.
func answeredByGateway(answer *status.Status) bool {
	for _, detail := range answer.Details() {
		if _, ok := detail.(*errdetails.ErrorInfo); ok {
			return true
		}
	}
	return false
}
