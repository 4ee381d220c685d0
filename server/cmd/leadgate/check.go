package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/worker"
)

func newCheck() *cobra.Command {
	var (
		path    string
		example bool
		online  bool
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration file as serve does before it starts",
		Example: `  leadgate check
  leadgate check --online
  leadgate check --config /etc/leadgate.yaml
  leadgate check --example > leadgate.yaml`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if example {
				_, err := fmt.Fprint(cmd.OutOrStdout(), config.Example)
				return err
			}
			snapshot, err := config.Load(path, environment())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is good: %s, %s, revision %s\n",
				path, count(len(snapshot.Config.GetForms()), "form"), count(len(snapshot.Config.GetDestinations()), "destination"), snapshot.Revision)
			for _, hint := range snapshot.Hints {
				fmt.Fprintf(cmd.OutOrStdout(), "hint: %s\n", hint)
			}
			if online {
				return checkOnline(cmd, snapshot)
			}
			return nil
		},
	}
	addConfigFlag(cmd, &path)
	cmd.Flags().BoolVar(&online, "online", false, "also call every destination's CRM to check credentials, account and properties; changes nothing there")
	cmd.Flags().BoolVar(&example, "example", false, "print a commented example instead")
	return cmd
}

// checkOnline calls the CRM of every destination. It returns an error if one cannot be used. Properties that do not fit are only
// shown, because leads are delivered without them, and so are destinations that only the gateway may call.
func checkOnline(cmd *cobra.Command, snapshot config.Snapshot) error {
	reports, untested, err := worker.TestAll(cmd.Context(), workerConfig(snapshot))
	if err != nil {
		return err
	}
	var unusable []string
	for _, r := range reports {
		describeReport(lines{cmd.OutOrStdout()}, r)
		if !r.GetReachable() {
			unusable = append(unusable, r.GetDestination())
		}
	}
	for _, name := range untested {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: not called, because its CRM may take a refresh token once only, and the present one is the gateway's: while leadgate runs, "+
			"leadgate destinations test %s calls it\n", name, name)
	}
	if len(unusable) > 0 {
		return fmt.Errorf("these destinations cannot be used: %s", strings.Join(unusable, ", "))
	}
	return nil
}
