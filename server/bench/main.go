// Command bench measures the cost of accepting a lead, compared with bare servers on the same machine in the same run, and prints a
// table. It has no pass or fail.
//
// Each server is a process of its own: a bare net/http server that decodes and encodes JSON, a bare gRPC server, each of these
// again with one small Badger entry per request and with a lead's entries, and the built gateway, which logs to a file and whose
// destination is paused, so that only accepting is measured. The servers are measured in turn, so that a slow phase of the machine
// affects all. The cost of logs, metrics, alerts and watchers is measured on the gateway's parts, served with and without them.
//
// Usage: go run ./server/bench [-gateway bin/leadgate] [-rounds 3] [-time 3s] [-callers 64]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bareServers are the processes for comparison: bare servers that store nothing, see serveBareHTTP and serveBareGRPC; those that
// store something, see serveKept; and the gateway's parts, see serveParts.
var bareServers = []string{"http", "kept-http", "lead-http", "grpc", "kept-grpc", "lead-grpc", "quiet", "observed"}

func main() {
	var o options
	flag.StringVar(&o.gateway, "gateway", "bin/leadgate", "the built gateway")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each server is measured; the table shows medians")
	flag.DurationVar(&o.time, "time", 3*time.Second, "how long each measurement takes")
	flag.IntVar(&o.callers, "callers", 64, "how many requests are under way at one time")
	flag.StringVar(&o.only, "only", "", "measure only what has this in its name, and what that is compared with")
	bare := flag.String("bare", "", "serve one of "+strings.Join(bareServers, ", ")+" instead, on a free port that is printed")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch *bare {
	case "http":
		err = serveBareHTTP(ctx, keepNothing)
	case "grpc":
		err = serveBareGRPC(ctx, keepNothing)
	case "kept-http", "kept-grpc", "lead-http", "lead-grpc":
		err = serveKept(ctx, *bare)
	case "quiet", "observed":
		err = serveParts(ctx, *bare == "observed")
	case "":
		err = measureAll(ctx, o)
	default:
		err = fmt.Errorf("-bare %q: it is one of %s", *bare, strings.Join(bareServers, ", "))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	gateway string
	rounds  int
	time    time.Duration
	callers int
	only    string
}

func measureAll(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "leadgate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	servers := map[string]*server{}
	for _, bare := range bareServers {
		server, err := startServer(ctx, dir, self, "-bare", bare)
		if err != nil {
			return fmt.Errorf("-bare %s: %w", bare, err)
		}
		defer server.stop()
		servers[bare] = server
	}
	gateway, err := startGateway(ctx, dir, o.gateway)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	defer gateway.stop()
	subjects := choose(subjectsOf(servers, gateway, dir), o.only)
	for _, s := range subjects { // warm up: connections, caches, first memtable
		if s.halfOf != nil {
			continue
		}
		if _, err := s.measure(ctx, o.callers, o.time/3); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for range o.rounds {
		for _, s := range subjects {
			result, err := s.measure(ctx, o.callers, o.time)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			s.results = append(s.results, result)
		}
	}
	report(os.Stdout, o, subjects)
	return nil
}

// subjectsOf returns everything to measure, on the bare servers by name, a gateway, and the disk of a directory.
func subjectsOf(bare map[string]*server, gateway *server, dir string) []*subject {
	plainHTTP := &subject{name: "bare net/http JSON echo", server: bare["http"], load: httpLoad}
	leadHTTP := &subject{name: "the same, a lead's entries", server: bare["lead-http"], load: httpLoad, bare: plainHTTP}
	plainGRPC := &subject{name: "bare gRPC echo", server: bare["grpc"], load: grpcLoad}
	rest := &subject{name: "REST, durable accept", server: gateway, load: httpLoad, bare: plainHTTP}
	alone := &subject{name: "gRPC, durable accept, nothing observes", server: bare["quiet"], load: grpcLoad}
	return []*subject{
		{name: "disk, one write with its sync", disk: dir},
		plainHTTP,
		{name: "the same, one entry in Badger", server: bare["kept-http"], load: httpLoad, bare: plainHTTP},
		leadHTTP,
		{name: "a lead's entries, half that load", server: bare["lead-http"], load: httpLoad, halfOf: leadHTTP},
		rest,
		{name: "REST, durable accept, half that load", server: gateway, load: httpLoad, halfOf: rest},
		{name: "REST, replayed key", server: gateway, load: httpReplay, bare: plainHTTP},
		plainGRPC,
		{name: "the same, one entry in Badger", server: bare["kept-grpc"], load: grpcLoad, bare: plainGRPC},
		{name: "the same, a lead's entries", server: bare["lead-grpc"], load: grpcLoad, bare: plainGRPC},
		{name: "gRPC, durable accept", server: gateway, load: grpcLoad, bare: plainGRPC},
		alone,
		{name: "logs, metrics and alerts", server: bare["observed"], load: grpcLoad, bare: alone},
		{name: "the same, 1 watcher", server: bare["observed"], load: grpcLoad, bare: alone, watchers: 1},
		{name: "the same, 1,000 watchers", server: bare["observed"], load: grpcLoad, bare: alone, watchers: 1000},
	}
}

// choose returns the subjects with only in their names, and those they are compared with.
func choose(subjects []*subject, only string) []*subject {
	wanted := map[*subject]bool{}
	for _, s := range subjects {
		if strings.Contains(s.name, only) {
			wanted[s], wanted[s.bare], wanted[s.halfOf] = true, true, true
		}
	}
	return slices.DeleteFunc(subjects, func(s *subject) bool { return !wanted[s] })
}
