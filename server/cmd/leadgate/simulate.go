package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leadgate/leadgate/worker/crm/simulator"
)

func newSimulate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run a simulated CRM, to try leadgate without the real one",
		RunE:  needsSubcommand,
		Args:  cobra.ArbitraryArgs,
	}
	for _, kind := range simulatedKinds {
		cmd.AddCommand(newSimulateKind(kind))
	}
	return cmd
}

// simulatedKind is a kind of CRM that can be simulated.
type simulatedKind struct {
	name, title string
	short       string
	// secret is what callers know --token as.
	secret string
	// variable is the environment variable from which the snippet takes the secret.
	variable string
	// snippet configures a destination that calls the simulator at ADDRESS.
	snippet string
	// open returns a simulator.
	open func(token string, seed uint64) simulated
}

// simulated is a simulated CRM.
type simulated interface {
	http.Handler
	Check(simulator.Faults) error
	SetFaults(simulator.Faults)
}

func newSimulateKind(kind simulatedKind) *cobra.Command {
	var (
		address, token string
		faults         faultFlags
		seed           uint64
	)
	cmd := &cobra.Command{
		Use:   kind.name,
		Short: kind.short,
		Long: kind.short + `. Point a destination at it:

` + indented(kind.destination("127.0.0.1:8090"), "  ") + `

GET /_sim/ is a page that shows its records and calls, with buttons that make it fail. For programs, GET /_sim/contacts lists
the records, GET /_sim/requests the calls, and POST /_sim/faults changes how it fails.`,
		Example: strings.ReplaceAll(`  leadgate simulate KIND --token test
  leadgate simulate KIND --token test --fail-rate 0.2 --latency 100ms
  leadgate simulate KIND --token test --status 503 --down-for 1m
  leadgate simulate KIND --token test --fault lost --fault cut --fail-rate 0.1`, "KIND", kind.name),
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sim, set := kind.open(token, seed), faults.faults()
			if err := sim.Check(set); err != nil {
				return usageError{err}
			}
			sim.SetFaults(set)
			listener, err := listen(cmd.Context(), address)
			if err != nil {
				return err
			}
			at := listener.Addr().String()
			fmt.Fprintf(cmd.OutOrStdout(), "simulated %s listening on http://%s, contacts at http://%[2]s/_sim/contacts, to look at http://%[2]s/_sim/\n\n%s\n",
				kind.title, at, kind.destination(at))
			return serveSimulator(cmd.Context(), listener, sim)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "listen", "127.0.0.1:8090", "address to listen on, host:port")
	flags.StringVar(&token, "token", "", kind.secret+" that callers must send (default: any)")
	flags.Uint64Var(&seed, "seed", 1, "seed for random faults; equal seeds fail alike")
	faults.add(flags)
	return cmd
}

// destination returns what to paste into a configuration.
func (k simulatedKind) destination(address string) string {
	return "destinations:\n  crm:\n" + indented(strings.ReplaceAll(k.snippet, "ADDRESS", address), "    ") +
		"\n\nand export " + k.variable + "=…, the value of --token, or anything without it"
}

func indented(text, by string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}

// faultFlags say how a simulated CRM fails.
type faultFlags struct {
	set           simulator.Faults
	kinds         []string
	latency, down time.Duration
	skew          time.Duration
}

func (f *faultFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.kinds, "fault", nil, "how failing calls fail; may be repeated, one is drawn each time: "+simulator.KindNames())
	flags.Float64Var(&f.set.FailRate, "fail-rate", 0, "share of calls that fail, 0 to 1")
	flags.IntVar(&f.set.Status, "status", 0, "HTTP status of failing calls; without --fail-rate and --down-for every call fails")
	flags.IntVar(&f.set.Times, "times", 0, "how many calls fail")
	flags.IntVar(&f.set.Every, "every", 0, "make every n-th call fail: 3 for the third, the sixth, …")
	flags.StringVar(&f.set.Containing, "containing", "", "only calls that contain this text; with the faults partial and omit, only records that do")
	flags.StringVar(&f.set.Path, "path", "", "only calls whose path contains this text")
	flags.StringVar(&f.set.RetryAfter, "retry-after", "", "Retry-After header of failing calls; date sends one minute ahead, as a date")
	flags.DurationVar(&f.latency, "latency", 0, "how long each call takes")
	flags.DurationVar(&f.skew, "clock-skew", 0, "how far the CRM's clock, shown in its Date header, is ahead; negative if behind")
	flags.DurationVar(&f.down, "down-for", 0, "fail every call for this long")
}

func (f *faultFlags) faults() simulator.Faults {
	faults := f.set
	faults.Latency, faults.DownFor, faults.ClockSkew = simulator.Duration(f.latency), simulator.Duration(f.down), simulator.Duration(f.skew)
	for _, kind := range f.kinds {
		faults.Kinds = append(faults.Kinds, simulator.Kind(kind))
	}
	if len(faults.Kinds) == 1 {
		faults.Kind, faults.Kinds = faults.Kinds[0], nil
	}
	return faults
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
