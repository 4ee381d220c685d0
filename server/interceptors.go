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

// requestIDHeader is the header and metadata key of a request's identifier, both ways.
const requestIDHeader = "x-request-id"

// unaryChain is what every unary rpc goes through, over gRPC and over REST, outermost first.
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

// streamChain is what every streaming rpc goes through, over gRPC and over REST, outermost first.
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

// unaryCall puts the call into the context, and tells the caller its request's identifier.
func (s *Server) unaryCall(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	defer s.underWay.begin()()
	arrived(ctx)
	c := s.grpcCall(ctx)
	if grpc.ServerTransportStreamFromContext(ctx) != nil { // over REST the front has told it
		_ = grpc.SetHeader(ctx, metadata.Pairs(requestIDHeader, c.id)) // fails only after the answer
	}
	answer, err := next(withCall(ctx, c), req)
	if err != nil {
		s.refused(c, err)
	}
	s.answered(info.FullMethod, status.Code(err), s.now().Sub(c.received))
	return answer, err
}

// streamCall does the same for a stream, and ends it when the server stops, because streams do not end by themselves.
func (s *Server) streamCall(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if info.IsClientStream {
		arrived(stream.Context())
	}
	c := s.grpcCall(stream.Context())
	_ = stream.SetHeader(metadata.Pairs(requestIDHeader, c.id)) // fails only after the first message
	ctx, cancel := context.WithCancel(withCall(stream.Context(), c))
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	err := next(srv, &callStream{stream, ctx})
	if err != nil && s.stopping.Err() != nil { // one that came to its end by itself did
		return worker.Failure(err, codes.Unavailable, &errdetails.ErrorInfo{Reason: "STOPPING"}, "leadgate is stopping; connect again")
	}
	switch status.Code(err) {
	case codes.OK, codes.Canceled, codes.DeadlineExceeded: // whoever goes away has the results of what was taken
	default:
		s.refused(c, err)
	}
	return err
}

// leaveReflection ends a stream of reflection with its context. Reflection itself waits for its client's next question and for nothing
// else, and clients such as grpcui ask none for hours.
func leaveReflection(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if !strings.HasPrefix(info.FullMethod, "/grpc.reflection.") {
		return next(srv, stream)
	}
	ended := make(chan error, 1)
	go func() { ended <- next(srv, stream) }() // at the latest when this rpc has ended
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

// unaryLog logs what went wrong inside leadgate. What callers do wrong is told by events, and what they do right at level
// debug.
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
	case ctx.Err() != nil: // the caller went away, which each transport has its own words for
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

// validate checks a request against the rules of its message. A backend's lead is tidied first: its rules hold as sent but
// for case and outer white space.
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
	// Over gRPC one message may be as large as a batch. A stream's leads are judged one by one.
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

// No list of a lead may have more items, as the rules of its message say, and no batch more leads.
const (
	mostItems = 200
	mostLeads = 10_000
)

// crowded names a list of a request that has more items than any rule allows; empty if there is none. The rules would judge each, and
// tell of each that breaks them: of 64 KiB of empty ones, megabytes.
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
