package worker

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// valve forwards connections to a server. When it is shut, those that are open stay open, but nothing passes through them any more.
type valve struct {
	net.Listener
	to    string
	shuts atomic.Int64
}

func newValve(t *testing.T, to string) *valve {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{Listener: l, to: to}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			opened := v.shuts.Load()
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				go v.pass(opened, way[0], way[1])
			}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return v
}

// pass copies bytes, and drops them once the valve was shut.
func (v *valve) pass(opened int64, from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if v.shuts.Load() == opened {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
	}
}

func TestAConnectionThatDiedWithoutAWordIsNotUsedForLong(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	v := newValve(t, server.Listener.Addr().String())
	transport := newTransport()
	defer transport.CloseIdleConnections()
	transport.Proxy = nil
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	transport.HTTP2.SendPingTimeout /= 50 // the same, but faster
	transport.HTTP2.PingTimeout /= 50
	call := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), transport.HTTP2.SendPingTimeout+2*transport.HTTP2.PingTimeout)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+v.Addr().String(), strings.NewReader("lead"))
		if err != nil {
			return "", err
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return string(body), err
	}
	if proto, err := call(); err != nil || proto != "HTTP/2.0" {
		t.Fatalf("answered %q, %v", proto, err)
	}
	v.shuts.Add(1)
	if proto, err := call(); err == nil {
		t.Fatalf("the dead connection answered %q", proto)
	}
	if proto, err := call(); err != nil || proto != "HTTP/2.0" {
		t.Errorf("after that: %q, %v", proto, err)
	}
}
