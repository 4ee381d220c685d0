package server

import (
	"context"
	"slices"

	"github.com/fullstorydev/grpchan/inprocgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// channel connects REST to the services, within the process and through the interceptors. Streams are inprocgrpc's, except that messages
// are handed over, not copied: the sender must not use them again. Unary RPCs run on the caller's goroutine: a new one for each would
// have to grow its stack every time, which costs more than everything else on the way.
type channel struct {
	streams inprocgrpc.Channel
	chain   grpc.UnaryServerInterceptor
	methods map[string]method
}

type method struct {
	service any
	handler grpc.MethodHandler
}

func newChannel(unary []grpc.UnaryServerInterceptor, stream []grpc.StreamServerInterceptor) *channel {
	c := &channel{chain: chainUnary(unary), methods: map[string]method{}}
	c.streams.WithServerStreamInterceptor(chainStream(stream))
	c.streams.WithCloner(handingOver{})
	return c
}

// RegisterService implements grpc.ServiceRegistrar.
func (c *channel) RegisterService(desc *grpc.ServiceDesc, service any) {
	for _, m := range desc.Methods {
		c.methods["/"+desc.ServiceName+"/"+m.MethodName] = method{service, m.Handler}
	}
	c.streams.RegisterService(desc, service)
}

// Invoke implements grpc.ClientConnInterface. The service sees the context's values, and the request itself, which the caller must not
// use again. Headers and trailers that the service sets are dropped.
func (c *channel) Invoke(ctx context.Context, name string, request, answer any, _ ...grpc.CallOption) error {
	m, ok := c.methods[name]
	if !ok {
		return status.Errorf(codes.Unimplemented, "there is no method %s", name)
	}
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		ctx = metadata.NewIncomingContext(ctx, md)
	}
	// A message from the wire is decoded into a new one, which is passed on. Here the request takes its place.
	result, err := m.handler(m.service, ctx, func(any) error { return nil },
		func(ctx context.Context, _ any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			return c.chain(ctx, request, info, handler)
		})
	if err != nil {
		return err
	}
	handOver(answer.(proto.Message), result.(proto.Message))
	return nil
}

// NewStream implements grpc.ClientConnInterface.
func (c *channel) NewStream(ctx context.Context, desc *grpc.StreamDesc, name string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.streams.NewStream(ctx, desc, name, opts...)
}

// handingOver is an inprocgrpc.Cloner that copies nothing.
type handingOver struct{}

// Clone implements inprocgrpc.Cloner.
func (handingOver) Clone(message any) (any, error) { return message, nil }

// Copy implements inprocgrpc.Cloner.
func (handingOver) Copy(to, from any) error {
	handOver(to.(proto.Message), from.(proto.Message))
	return nil
}

// handOver moves the contents of a message to another. from must not be used afterwards.
func handOver(to, from proto.Message) {
	target := to.ProtoReflect()
	from.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		target.Set(field, value)
		return true
	})
}

// chainUnary combines interceptors into one, outermost first.
func chainUnary(chain []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		for _, interceptor := range slices.Backward(chain) {
			next := handler
			handler = func(ctx context.Context, req any) (any, error) { return interceptor(ctx, req, info, next) }
		}
		return handler(ctx, req)
	}
}

func chainStream(chain []grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		for _, interceptor := range slices.Backward(chain) {
			next := handler
			handler = func(srv any, stream grpc.ServerStream) error { return interceptor(srv, stream, info, next) }
		}
		return handler(srv, stream)
	}
}
