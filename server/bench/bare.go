package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

	"google.golang.org/grpc"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// listen listens on a free port and prints the address, for the parent process.
func listen(ctx context.Context) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	fmt.Println("listening on", l.Addr())
	return l, nil
}

// keepNothing is the keep of a bare server that stores nothing.
func keepNothing() error { return nil }

// serveBareHTTP answers each JSON object with itself, after keep: the least that any HTTP service in Go costs.
func serveBareHTTP(ctx context.Context, keep func() error) error {
	l, err := listen(ctx)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := json.Marshal(body)
		if err = errors.Join(err, keep()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(answer) // the client went away
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

// serveBareGRPC answers SubmitLead after keep, and does nothing else: the least that any gRPC service in Go costs.
func serveBareGRPC(ctx context.Context, keep func() error) error {
	l, err := listen(ctx)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	leadgatev1.RegisterLeadServiceServer(server, bareLeads{keep: keep})
	context.AfterFunc(ctx, server.Stop)
	return server.Serve(l)
}

type bareLeads struct {
	leadgatev1.UnimplementedLeadServiceServer
	keep func() error
}

func (b bareLeads) SubmitLead(_ context.Context, r *leadgatev1.SubmitLeadRequest) (*leadgatev1.SubmitLeadResponse, error) {
	if err := b.keep(); err != nil {
		return nil, err
	}
	return &leadgatev1.SubmitLeadResponse{LeadId: r.GetIdempotencyKey()}, nil
}
