package server

import (
	"context"
	"sync/atomic"
	"time"
)

// arriving is the context of an RPC over gRPC. It ends if the RPC's message takes too long to arrive: grpc reads a unary RPC's message
// before any interceptor runs, and would wait for it as long as the connection lives.
type arriving struct {
	context.Context
	late  atomic.Bool
	timer *time.Timer
}

type arrivingKey struct{}

// timeMessage bounds how long an RPC's first message may take to arrive, as timeBody does for a body.
func (s *Server) timeMessage(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	a := &arriving{Context: ctx}
	a.timer = time.AfterFunc(s.bodyTimeout, func() {
		a.late.Store(true)
		cancel()
	})
	return a
}

// arrived lifts the bound of an RPC that has its message, or that reads its messages as they come.
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
