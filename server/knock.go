package server

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
)

// How many RPCs of strangers may be open at a time. They count until their message has arrived, or for as long as they watch the health.
// Each takes memory, and a compressed message a thousand times what was sent.
const (
	maxStrangers          = 1000
	maxStrangersOfNetwork = 50
)

// knock checks an RPC over gRPC by its method and metadata, before its message is read: interceptors run only once the message was
// received and decoded. Callers who may not call are refused; strangers who may are limited in number. The returned context carries the
// call, and ends if the message does not arrive in time.
func (s *Server) knock(ctx context.Context, c *call, method string) (context.Context, error) {
	c.intake = bringsLeads(method)
	h, want := s.house(), roleOf(method)
	if !s.rpcs[method] {
		want = known // they learn that there is no such method
	}
	if err := s.letIn(c, want); err != nil {
		s.refused(c, err)
		s.logRPC(withCall(ctx, c), method, err)
		return nil, err
	}
	ctx = withCall(ctx, c)
	if want != anyone || h.authorize(c, submit) == nil {
		return s.timeMessage(ctx), nil
	}
	network := c.network()
	if !s.strangers.take(network) {
		err := worker.Failure(nil, codes.Unavailable, &errdetails.ErrorInfo{Reason: "TOO_MANY_CALLS"},
			"too many calls without an API key are open at a time; end some, or send a key", &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
		s.refused(c, err)
		return nil, err
	}
	c.stranger = true
	ctx = s.timeMessage(ctx)
	context.AfterFunc(ctx, func() { s.strangers.give(network) })
	return ctx, nil
}

// bringsLeads reports whether an RPC submits leads, so that refusing it is an event.
func bringsLeads(method string) bool {
	switch method {
	case leadgatev1.LeadService_SubmitLead_FullMethodName, leadgatev1.LeadService_SubmitForm_FullMethodName,
		leadgatev1.LeadService_BatchSubmitLeads_FullMethodName, leadgatev1.LeadService_SubmitLeads_FullMethodName:
		return true
	}
	return false
}

// tapped is knock for grpc's own transport.
func (s *Server) tapped(ctx context.Context, info *tap.Info) (context.Context, error) {
	return s.knock(ctx, s.grpcCall(ctx), info.FullMethodName)
}

// serveGRPC serves an RPC that came through net/http: from clients that offer HTTP/1 beside HTTP/2, and with cleartext_http2: mixed.
func (s *Server) serveGRPC(w http.ResponseWriter, r *http.Request) {
	c := s.traced(newCall(s.now(), s.house().proxies, r.RemoteAddr, r.Host, headersOf(r)))
	ctx, err := s.knock(r.Context(), c, r.URL.Path)
	if err != nil {
		writeGRPCFailure(w, err)
		return
	}
	if c.stranger { // grpc reads the whole body, wanted or not
		r.Body = http.MaxBytesReader(w, r.Body, maxBatchBody)
	}
	s.grpcHTTP.ServeHTTP(w, r.WithContext(ctx))
}

// writeGRPCFailure answers an RPC with a status alone ("Trailers-Only" in gRPC over HTTP/2).
func writeGRPCFailure(w http.ResponseWriter, err error) {
	st, header := status.Convert(err), w.Header()
	header.Set("Content-Type", "application/grpc")
	header.Set("Grpc-Status", strconv.Itoa(int(st.Code())))
	header.Set("Grpc-Message", url.PathEscape(st.Message()))
	if details, err := proto.Marshal(st.Proto()); err == nil {
		header.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(details))
	}
	w.WriteHeader(http.StatusOK)
}
