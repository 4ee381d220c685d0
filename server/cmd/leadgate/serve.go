package main

import (
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// overrides are the flags that override the configuration file.
type overrides struct {
	listen, dataDir     string
	logFormat, logLevel word
}

func (o *overrides) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.listen, "listen", "", "address to listen on, host:port")
	cmd.Flags().StringVar(&o.dataDir, "data-dir", "", "directory for all of leadgate's data")
	o.logFormat.known, o.logLevel.known = []string{"json", "text"}, []string{"debug", "info", "warn", "error"}
	cmd.Flags().Var(&o.logFormat, "log-format", "json or text")
	cmd.Flags().Var(&o.logLevel, "log-level", "debug, info, warn or error")
}

func (o *overrides) apply(cfg *configv1.Config) {
	if o.listen != "" {
		cfg.Listen = o.listen
	}
	if o.dataDir != "" {
		cfg.DataDir = o.dataDir
	}
	if cfg.Log == nil {
		cfg.Log = &configv1.Log{}
	}
	if o.logFormat.value != "" {
		cfg.Log.Format = o.logFormat.value
	}
	if o.logLevel.value != "" {
		cfg.Log.Level = o.logLevel.value
	}
}

func addConfigFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "config", "leadgate.yaml", "configuration file")
}

func newServe() *cobra.Command {
	var (
		path string
		over overrides
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Run the gateway until it gets SIGTERM or SIGINT. It then stops accepting leads, finishes calls in progress, and exits; a second
Ctrl-C ends it at once. No lead answered with 201 is lost, however it ends.

The configuration file and the files it refers to are watched: a valid change takes effect at once, an invalid one is refused
with the reason while the previous configuration stays in force. SIGHUP makes it check at once.`,
		Example: `  leadgate serve
  leadgate serve --config /etc/leadgate.yaml --listen :8080 --data-dir /var/lib/leadgate`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer keepSmall()()
			defer spareThreads()()
			signal.Ignore(syscall.SIGPIPE) // if the reader of the log goes away, leads are still accepted
			source := &source{path: path, over: over}
			snapshot, err := source.load()
			if err != nil {
				return err
			}
			g, err := openGateway(cmd.Context(), gatewayOptions{snapshot: snapshot, source: source, out: cmd.OutOrStdout(), ballast: true})
			if err != nil {
				return err
			}
			return g.run(cmd.Context())
		},
	}
	addConfigFlag(cmd, &path)
	over.addFlags(cmd)
	return cmd
}
