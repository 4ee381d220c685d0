package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write manual pages",
		Long:  "Write a manual page for each command into a directory, which is created if it does not exist.",
		Example: `  leadgate man /usr/local/share/man/man1
  man leadgate-deliveries-retry`,
		Args: exactArgs("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("manual pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // make the pages reproducible
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "leadgate " + version, Manual: "leadgate"}, args[0])
		},
	}
}
