package server

import (
	"context"
	"sync/atomic"
	"time"
)

// arriving is the context of an rpc over gRPC. It ends if the rpc's message takes too long to arrive: grpc reads that of a unary
// rpc before any interceptor runs, and would wait for it as long as the connection lives.
type arriving struct {
	context.Context
	late  atomic.Bool
	timer *time.Timer
}

type arrivingKey struct{}

// timeMessage bounds the time in which an rpc's first message has to arrive, as timeBody does for a body.
func (s *Server) timeMessage(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	a := &arriving{Context: ctx}
	a.timer = time.AfterFunc(s.bodyTimeout, func() {
		a.late.Store(true)
		cancel()
	})
	return a
}

// arrived takes the bound off an rpc that has its message, or reads its messages as they come.
func arrived(ctx context.Context) {
	if a, ok := ctx.Value(arrivingKey{}).(*arriving); ok {
		a.timer.Stop()
	}
}

// Value implements context.Context.
func (a *arriving) Value(key any) any {
	if key == (arrivingKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// Err implements context.Context.
func (a *arriving) Err() error {
	if err := a.Context.Err(); err != nil && a.late.Load() {
		return context.DeadlineExceeded
	}
	return a.Context.Err()
}
