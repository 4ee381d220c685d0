package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/leadgate/leadgate/worker/crm/simulator"
	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
)

func newSimulate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run a simulated CRM, to see how leadgate behaves without the real one",
		RunE:  needsSubcommand,
		Args:  cobra.ArbitraryArgs,
	}
	cmd.AddCommand(newSimulateHubSpot())
	return cmd
}

func newSimulateHubSpot() *cobra.Command {
	var (
		address, token string
		faults         simulator.Faults
		seed           uint64
		latency, down  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "hubspot",
		Short: "Answer like HubSpot's contacts API, contacts in memory",
		Long: `Answer like HubSpot's contacts API. Point a destination at it:

  hubspot: { token: "${env:HUBSPOT_TOKEN}", base_url: "http://127.0.0.1:8090" }

GET /_sim/contacts lists what it holds, GET /_sim/requests what it was asked, POST /_sim/faults changes how it fails.`,
		Example: `  leadgate simulate hubspot --token test
  leadgate simulate hubspot --token test --fail-rate 0.2 --latency 100ms
  leadgate simulate hubspot --token test --status 503 --down-for 1m`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			faults.Latency, faults.DownFor = simulator.Duration(latency), simulator.Duration(down)
			if err := faults.Check(); err != nil {
				return usageError{err}
			}
			sim := hubspot.New(hubspot.Options{Token: token, Seed: seed})
			sim.SetFaults(faults)
			listener, err := listen(cmd.Context(), address)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "simulated HubSpot listening on http://%s, contacts at http://%[1]s/_sim/contacts\n", listener.Addr())
			return serveSimulator(cmd.Context(), listener, sim)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "listen", "127.0.0.1:8090", "address to listen on, host:port")
	flags.StringVar(&token, "token", "", "access token that callers must send; any if left out")
	flags.Float64Var(&faults.FailRate, "fail-rate", 0, "share of calls that fail, 0 to 1")
	flags.IntVar(&faults.Status, "status", 0, "HTTP status of failing calls; without --fail-rate and --down-for every call fails")
	flags.DurationVar(&latency, "latency", 0, "time that each call takes")
	flags.DurationVar(&down, "down-for", 0, "fail every call for this long")
	flags.Uint64Var(&seed, "seed", 1, "equal seeds fail alike")
	return cmd
}

// serveSimulator serves until ctx ends.
func serveSimulator(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
