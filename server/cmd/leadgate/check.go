package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leadgate/leadgate/server/config"
)

func newCheck() *cobra.Command {
	var (
		path    string
		example bool
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration file, as serve would before it starts",
		Example: `  leadgate check
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
			fmt.Fprintf(cmd.OutOrStdout(), "%s is good: %d forms, %d destinations, revision %s\n",
				path, len(snapshot.Config.GetForms()), len(snapshot.Config.GetDestinations()), snapshot.Revision)
			return nil
		},
	}
	addConfigFlag(cmd, &path)
	cmd.Flags().BoolVar(&example, "example", false, "print a commented example instead")
	return cmd
}
