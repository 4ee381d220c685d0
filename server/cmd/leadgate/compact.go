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
		Short: "Write the data directory anew, so that what was erased is in no file any more",
		Long: `Write the data directory anew with what is kept and nothing else: what was erased or replaced is then in no file any
more, and its space is free. The gateway must be stopped. Meanwhile the disk holds both; a crash leaves one of them whole.`,
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
