package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// connection is how a command reaches a running gateway.
type connection struct {
	server string
	apiKey string
}

func (c *connection) addFlags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&c.server, "server", "127.0.0.1:8080", "gateway to talk to, host:port; https://host:port for TLS")
	cmd.PersistentFlags().StringVar(&c.apiKey, "api-key", "", "API key, where the gateway asks for one")
}

// dial connects. The caller closes the connection.
func (c *connection) dial() (*grpc.ClientConn, error) {
	target, secure := strings.CutPrefix(c.server, "https://")
	target = strings.TrimSuffix(strings.TrimPrefix(target, "http://"), "/")
	transport := insecure.NewCredentials()
	if secure {
		transport = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	// passthrough, because a name that cannot be resolved must fail at once and by name.
	conn, err := grpc.NewClient("passthrough:///"+target,
		grpc.WithTransportCredentials(transport),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return c.explain(invoke(c.authorize(ctx), method, req, reply, cc, opts...))
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(c.authorize(ctx), desc, cc, method, opts...)
		}))
	if err != nil {
		return nil, usageError{fmt.Errorf("--server %q: %w", c.server, err)}
	}
	return conn, nil
}

func (c *connection) authorize(ctx context.Context) context.Context {
	if c.apiKey == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.apiKey)
}

// explain turns an answer's error into what a person at a terminal can act on.
func (c *connection) explain(err error) error {
	if err == nil {
		return nil
	}
	answer := status.Convert(err)
	switch {
	case answer.Code() == codes.Unavailable && !answeredByGateway(answer):
		return fmt.Errorf("no gateway answers at %s: start one with leadgate serve, or name another with --server (%s)", c.server, answer.Message())
	case answer.Code() == codes.Unauthenticated && c.apiKey == "":
		return fmt.Errorf("%s; give one with --api-key or LEADGATE_API_KEY", answer.Message())
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

// answeredByGateway tells a gateway that cannot serve now from one that is not there: only the first gives a reason.
func answeredByGateway(answer *status.Status) bool {
	for _, detail := range answer.Details() {
		if _, ok := detail.(*errdetails.ErrorInfo); ok {
			return true
		}
	}
	return false
}
