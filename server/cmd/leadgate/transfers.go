package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func newDeliveriesMove(conn *connection, out *output) *cobra.Command {
	var (
		flags    deliveryFlags
		from, to string
		dryRun   bool
		expect   int64
	)
	cmd := &cobra.Command{
		Use:   "move --from DESTINATION --to DESTINATION",
		Short: "Move deliveries to another destination, after one was renamed, removed or changed account",
		Example: `  leadgate deliveries move --from crm-old --to crm --dry-run
  leadgate deliveries move --from crm-old --to crm --state dead`,
		Args: exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			if from == "" || to == "" {
				return usageError{fmt.Errorf("give --from and --to")}
			}
			flags.destination = from
			filter, err := flags.filter(time.Now())
			if err != nil {
				return err
			}
			answer, err := operate(cmd, gateway, func(id string) (*leadgatev1.MoveDeliveriesResponse, error) {
				return gateway.MoveDeliveries(cmd.Context(), &leadgatev1.MoveDeliveriesRequest{
					Filter: filter, To: to, DryRun: dryRun, ExpectedCount: expect, OperationId: id,
				})
			})
			if err != nil {
				return err
			}
			return printAll(out, cmd.OutOrStdout(), []*leadgatev1.MoveDeliveriesResponse{answer}, func(w io.Writer) {
				if dryRun {
					fmt.Fprintf(w, "%d match; nothing was done\n", answer.GetMatched())
					return
				}
				fmt.Fprintf(w, "%d match, %d are due at %s\n", answer.GetMatched(), answer.GetMoved(), to)
				describeProblems(w, problemsOf(cmd.Context(), gateway, answer.GetOperationId()))
			})
		}),
	}
	cmd.Flags().StringVar(&from, "from", "", "the destination they are bound for")
	cmd.Flags().StringVar(&to, "to", "", "the configured destination to move them to")
	cmd.Flags().StringVar(&flags.state, "state", "", "only in this state: pending, retry_wait, held, dead or superseded (default: the first three)")
	cmd.Flags().StringVar(&flags.form, "form", "", "only of leads from this form")
	cmd.Flags().Var(&flags.since, "since", "only of leads accepted in the last 2h, 7d etc., or since a day, such as 2026-11-01")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only count them")
	cmd.Flags().Int64Var(&expect, "expect", 0, "do nothing unless exactly this many match")
	return cmd
}

func newDeliveriesDelete(conn *connection, out *output) *cobra.Command {
	var (
		flags  deliveryFlags
		dryRun bool
		expect int64
	)
	cmd := &cobra.Command{
		Use:   "delete --expect N",
		Short: "Remove deliveries that will not be sent; their leads stay",
		Example: `  leadgate deliveries delete --destination crm --dry-run
  leadgate deliveries delete --destination crm --state dead --expect 27`,
		Args: exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			if !dryRun && expect == 0 {
				return usageError{fmt.Errorf("say how many with --expect; --dry-run counts them")}
			}
			filter, err := flags.filter(time.Now())
			if err != nil {
				return err
			}
			answer, err := operate(cmd, gateway, func(id string) (*leadgatev1.DeleteDeliveriesResponse, error) {
				return gateway.DeleteDeliveries(cmd.Context(), &leadgatev1.DeleteDeliveriesRequest{
					Filter: filter, DryRun: dryRun, ExpectedCount: expect, OperationId: id,
				})
			})
			if err != nil {
				return err
			}
			return printAll(out, cmd.OutOrStdout(), []*leadgatev1.DeleteDeliveriesResponse{answer}, func(w io.Writer) {
				if dryRun {
					fmt.Fprintf(w, "%d match; nothing was done\n", answer.GetMatched())
					return
				}
				fmt.Fprintf(w, "%d match, %d deleted\n", answer.GetMatched(), answer.GetDeleted())
				describeProblems(w, problemsOf(cmd.Context(), gateway, answer.GetOperationId()))
			})
		}),
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only count them")
	cmd.Flags().Int64Var(&expect, "expect", 0, "do nothing unless exactly this many match")
	return cmd
}
