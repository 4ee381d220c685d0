package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leadgate/leadgate/worker/store/badger"
)

func newDoctor() *cobra.Command {
	var (
		dir     directory
		salvage string
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Read every file of the data directory, report damage, and save the rest",
		Long: `Read every file of the data directory, and every record in them, and report damage; nothing is changed. The gateway must be
stopped.

With --salvage, everything readable is written to a new data directory. Unfinished deliveries are held there, because their
outcome is uncertain: see leadgate deliveries list --state held. A backup may hold more: see leadgate restore.`,
		Example: `  leadgate doctor --data-dir /var/lib/leadgate
  leadgate doctor --data-dir /var/lib/leadgate --salvage /var/lib/leadgate-saved`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := dir.options()
			if err != nil {
				return err
			}
			path := o.Dir
			if salvage == "" {
				found, err := badger.Examine(o)
				if err != nil {
					return err
				}
				describeExamined(cmd, path, found)
				if len(found.Damages) > 0 {
					return errors.New("it is damaged; save the rest with --salvage NEW_DIR, or restore a backup with leadgate restore")
				}
				return nil
			}
			found, result, err := badger.Salvage(cmd.Context(), o, badger.Options{Dir: salvage, EncryptionKey: o.EncryptionKey})
			if err != nil {
				return err
			}
			describeExamined(cmd, path, found)
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s with %s saved; %d unfinished ones are held\n", salvage, count(int(result.Leads), "lead"), deliveries(result.Deliveries), result.Held)
			sayLeftOut(cmd.OutOrStdout(), result.LeftOut)
			sayHowToSend(cmd.OutOrStdout(), result.Held)
			return nil
		},
	}
	dir.addFlags(cmd)
	cmd.Flags().StringVar(&salvage, "salvage", "", "new data directory to save everything readable into")
	return cmd
}

func describeExamined(cmd *cobra.Command, path string, found badger.Examined) {
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s and %s read, %d damaged\n", path, count(found.Tables, "table"), count(found.Logs, "log"), len(found.Damages))
	for _, d := range found.Damages {
		fmt.Fprintf(cmd.OutOrStdout(), "  %s: %s\n", d.File, d.What)
	}
}
