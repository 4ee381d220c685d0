package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leadgate/leadgate/worker/store/badger"
)

func newCompact() *cobra.Command {
	var dir directory
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Rewrite the data directory, so that no file contains erased data",
		Long: `Rewrite the data directory with only what is still kept: no file then contains erased or replaced data, and its space is
free. The gateway must be stopped. Meanwhile the disk holds both copies; a crash leaves one of them complete.`,
		Example: `  leadgate compact
  leadgate compact --data-dir /var/lib/leadgate`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := dir.options()
			if err != nil {
				return err
			}
			bar := newProgress(cmd.ErrOrStderr(), "compacting")
			result, err := badger.Compact(o, bar.bytes)
			bar.done()
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d keys, %s became %s\n", o.Dir, result.Keys, size(result.Before), size(result.After))
			return nil
		},
	}
	dir.addFlags(cmd)
	return cmd
}
