// Command leadgate is the gateway between a website and its CRM.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc/grpclog"
)

// version is set in release builds.
var version = "dev"

// Exit codes.
const (
	exitDone    = 0
	exitFailed  = 1
	exitMisused = 2
)

// usageError is an error in how a command was used. The process then exits with exitMisused.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	// grpc and grpc-gateway write to standard error whenever a client disconnects. What matters of that is in the log.
	if os.Getenv("GRPC_GO_LOG_SEVERITY_LEVEL") == "" {
		grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// The first Ctrl-C asks the command to end. Not everything reacts, such as reading from the terminal; the second kills it.
	context.AfterFunc(ctx, func() { signal.Reset(syscall.SIGINT) })
	os.Exit(run(ctx, newRoot(), os.Stderr.WriteString))
}

func run(ctx context.Context, root *cobra.Command, complain func(string) (int, error)) int {
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	_, _ = complain("leadgate: " + paragraphs(err.Error()) + "\n")
	if misused := (usageError{}); errors.As(err, &misused) {
		return exitMisused
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "leadgate",
		Short: "The gateway between a website and its CRM",
		Long: `leadgate accepts leads from forms and backends, answers once they are on disk, and makes sure that each reaches the CRM
once, clean, at the CRM's pace, however long the CRM is down.

Every flag can also be set in the environment: --data-dir is LEADGATE_DATA_DIR. A flag overrides the environment, the
environment overrides the configuration file.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return flagsFromEnvironment(cmd.Flags()) },
		RunE:              needsSubcommand,
		Args:              cobra.ArbitraryArgs,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(
		newServe(), newDemo(), newCheck(), newSubmit(), newWatch(),
		newErase(), newExport(), newBackup(), newRestore(), newCompact(), newDoctor(),
		newPreview(), newLeads(), newReplay(), newDeliveries(), newOperations(), newDestinations(), newAlerts(), newSimulate(), newVersion(),
	)
	root.AddCommand(newSnippet(), newImport(), newHealth(), newMan())
	return root
}

// needsSubcommand is the RunE of commands that only group others.
func needsSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	message := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += fmt.Sprintf("; did you mean %q?", near[0])
	}
	return usageError{fmt.Errorf("%s; see %s --help", message, cmd.CommandPath())}
}

// exactArgs is cobra.ExactArgs with a more helpful message.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		want := "no argument"
		if len(names) > 0 {
			want = strings.Join(names, " ")
		}
		return usageError{fmt.Errorf("%s takes %s, not %s; see %[1]s --help", cmd.CommandPath(), want, count(len(args), "argument"))}
	}
}

// flagsFromEnvironment sets each flag that was not given from LEADGATE_NAME, unless that is empty.
func flagsFromEnvironment(flags *pflag.FlagSet) error {
	var problems []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "LEADGATE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := os.Getenv(name)
		if f.Changed || value == "" {
			return
		}
		err := flags.Set(f.Name, value)
		if err != nil && f.Value.Type() == "bool" {
			err = errors.New("it is true or false")
		}
		if err != nil {
			problems = append(problems, usageError{fmt.Errorf("%s=%q: %w", name, value, err)})
		}
	})
	return errors.Join(problems...)
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  leadgate version",
		Args:    exactArgs(),
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "leadgate", version)
		},
	}
}
