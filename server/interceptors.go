package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
	"github.com/leadgate/leadgate/worker"
)

// requestIDHeader is the header and metadata key of a request's identifier, in both directions.
const requestIDHeader = "x-request-id"

// unaryChain returns the interceptors of every unary RPC, over gRPC and REST, outermost first.
func (s *Server) unaryChain() []grpc.UnaryServerInterceptor {
	return []grpc.UnaryServerInterceptor{
		s.unaryCall,
		s.unaryLog,
		recovery.UnaryServerInterceptor(recovery.WithRecoveryHandlerContext(recovered)),
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := s.authenticate(ctx, info.FullMethod); err != nil {
				return nil, err
			}
			if err := s.validate(req); err != nil {
				return nil, err
			}
			if err := s.filterFinds(ctx, req); err != nil {
				return nil, err
			}
			return next(ctx, req)
		},
	}
}

// streamChain returns the interceptors of every streaming RPC, over gRPC and REST, outermost first.
func (s *Server) streamChain() []grpc.StreamServerInterceptor {
	return []grpc.StreamServerInterceptor{
		s.streamCall,
		s.streamLog,
		leaveReflection,
		recovery.StreamServerInterceptor(recovery.WithRecoveryHandlerContext(recovered)),
		func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := s.authenticate(stream.Context(), info.FullMethod); err != nil {
				return err
			}
			return next(srv, &validatingStream{stream, s})
		},
	}
}

// unaryCall puts the call into the context, and sends the request's identifier to the caller.
func (s *Server) unaryCall(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	defer s.underWay.begin()()
	arrived(ctx)
	c := s.grpcCall(ctx)
	if grpc.ServerTransportStreamFromContext(ctx) != nil { // over REST, front has sent it
		_ = grpc.SetHeader(ctx, metadata.Pairs(requestIDHeader, c.id)) // fails only after the answer was sent
	}
	answer, err := next(withCall(ctx, c), req)
	if err != nil {
		s.refused(c, err)
	}
	s.answered(info.FullMethod, status.Code(err), s.now().Sub(c.received))
	return answer, err
}

// streamCall does the same for a stream. It ends the stream when the server stops, because it might never end by itself.
func (s *Server) streamCall(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if info.IsClientStream {
		arrived(stream.Context())
	}
	c := s.grpcCall(stream.Context())
	_ = stream.SetHeader(metadata.Pairs(requestIDHeader, c.id)) // fails only after the first message was sent
	ctx, cancel := context.WithCancel(withCall(stream.Context(), c))
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	err := next(srv, &callStream{stream, ctx})
	if err != nil && s.stopping.Err() != nil { // without an error, the stream had ended by itself
		return worker.Failure(err, codes.Unavailable, &errdetails.ErrorInfo{Reason: "STOPPING"}, "leadgate is stopping; connect again")
	}
	switch status.Code(err) {
	case codes.OK, codes.Canceled, codes.DeadlineExceeded: // a client that went away has the results of the leads that were accepted
	default:
		s.refused(c, err)
	}
	return err
}

// leaveReflection ends a reflection stream when its context does. The reflection service itself only waits for its client's next
// question, and clients such as grpcui ask none for hours.
func leaveReflection(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if !strings.HasPrefix(info.FullMethod, "/grpc.reflection.") {
		return next(srv, stream)
	}
	ended := make(chan error, 1)
	go func() { ended <- next(srv, stream) }() // returns at the latest when this RPC has ended
	select {
	case err := <-ended:
		return err
	case <-stream.Context().Done():
		return status.FromContextError(stream.Context().Err()).Err()
	}
}

type callStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *callStream) Context() context.Context { return s.ctx }

// unaryLog logs what went wrong inside leadgate. Everything else is logged at level debug; events report what callers do wrong.
func (s *Server) unaryLog(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	answer, err := next(ctx, req)
	s.logRPC(ctx, info.FullMethod, err)
	return answer, err
}

func (s *Server) streamLog(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	err := next(srv, stream)
	s.logRPC(stream.Context(), info.FullMethod, err)
	return err
}

func (s *Server) logRPC(ctx context.Context, method string, err error) {
	level, code := slog.LevelDebug, status.Code(err)
	switch {
	case code == codes.Internal, code == codes.DataLoss:
		level = slog.LevelError
	case ctx.Err() != nil: // the caller went away; each transport has a different code for it
	case code == codes.Unknown:
		level = slog.LevelError
	case code == codes.Unavailable:
		level = slog.LevelWarn
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	c := callOf(ctx)
	attrs := []slog.Attr{
		slog.String("method", method), slog.String("code", code.String()), slog.String("request_id", c.id),
		slog.String("api_key", c.apiKey), slog.Int64("duration_ms", s.now().Sub(c.received).Milliseconds()),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	if code == codes.Internal {
		if fault := (*panicError)(nil); errors.As(err, &fault) {
			attrs = append(attrs, slog.String("stack", fault.stack))
		}
	}
	s.log.LogAttrs(ctx, level, "rpc", attrs...)
}

// validate checks a request against the rules of its message. A backend's lead is tidied first: letter case and surrounding white space
// do not count.
func (s *Server) validate(req any) error {
	if r, ok := req.(*leadgatev1.SubmitLeadRequest); ok && r.GetLead() != nil {
		intake.Tidy(r.GetLead())
	}
	message, ok := req.(proto.Message)
	if !ok {
		return nil
	}
	if wasUnread(message) {
		return malformed(fmt.Sprintf("the message cannot be read as %s: send text as UTF-8, with no character cut in half, and fields as this version's proto files have them", message.ProtoReflect().Descriptor().FullName()))
	}
	// Over gRPC, a message may be as large as a batch. The leads of a stream are checked one by one.
	switch req.(type) {
	case *leadgatev1.SubmitLeadRequest, *leadgatev1.SubmitFormRequest:
		if limit := s.house().maxBody; int64(proto.Size(message)) > limit {
			return bodyTooLarge(limit, "intake.max_body_bytes")
		}
	}
	if list := crowded(req); list != "" {
		return violated("the request", []violation{{list, "repeated.max_items", "has far too many items"}})
	}
	violations, err := broken(s.validator.Validate(message))
	if err != nil || len(violations) == 0 {
		return err
	}
	return violated("the request", violations)
}

// The most items in a list of a lead, as in the rules of its message, and the most leads in a batch.
const (
	mostItems = 200
	mostLeads = 10_000
)

// crowded returns the name of a list in a request that has more items than any rule allows; empty if there is none. The rules would check
// every item and report each that breaks them: for 64 KiB of empty items, megabytes.
func crowded(req any) string {
	switch r := req.(type) {
	case *leadgatev1.SubmitLeadRequest:
		if len(r.GetLead().GetConsents()) > mostItems {
			return "lead.consents"
		}
		if len(r.GetLead().GetCustom()) > mostItems {
			return "lead.custom"
		}
	case *leadgatev1.SubmitFormRequest:
		if len(r.GetSubmission().GetFields()) > mostItems {
			return "submission.fields"
		}
		if len(r.GetSubmission().GetFiles()) > mostItems {
			return "submission.files"
		}
	case *leadgatev1.BatchSubmitLeadsRequest:
		if len(r.GetLeads()) > mostLeads {
			return "leads"
		}
	}
	return ""
}

type validatingStream struct {
	grpc.ServerStream
	server *Server
}

func (s *validatingStream) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	arrived(s.Context())
	if err := s.server.validate(message); err != nil {
		return err
	}
	return s.server.filterFinds(s.Context(), message)
}
