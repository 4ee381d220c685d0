package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func newErase() *cobra.Command {
	var (
		conn   connection
		out    output
		email  string
		dryRun bool
		expect int64
	)
	cmd := &cobra.Command{
		Use:   "erase",
		Short: "Remove every trace of a person, and list what the CRMs still have",
		Long: `Remove every trace of a person: leads with their submissions, what was sent to the CRMs and what they answered. Waiting
deliveries are cancelled. Idempotency keys keep answering until they expire. Records that a CRM already has are not touched, but
listed, for you to erase there.

Erased data is unreadable at once. To remove it from the files too, stop the gateway and run leadgate compact. Copies in backups
are erased when they are restored.`,
		Example: `  leadgate erase --email ada@example.com --dry-run
  leadgate erase --email ada@example.com --expect 3`,
		Args: exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			if email == "-" {
				line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
				if err != nil && !errors.Is(err, io.EOF) {
					return fmt.Errorf("read the address: %w", err)
				}
				email = strings.TrimSpace(line)
			}
			if email == "" {
				return usageError{fmt.Errorf("name the person with --email")}
			}
			answer, err := gateway.EraseLeads(cmd.Context(), &leadgatev1.EraseLeadsRequest{
				Email: email, DryRun: dryRun, ExpectedCount: expect,
			})
			if err != nil {
				return err
			}
			return printAll(&out, cmd.OutOrStdout(), []*leadgatev1.EraseLeadsResponse{answer}, func(w io.Writer) { describeErasure(w, email, answer, dryRun) })
		}),
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	cmd.Flags().StringVar(&email, "email", "", "the person's e-mail address; - reads it from standard input, so that it stays in no shell's history")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would be erased")
	cmd.Flags().Int64Var(&expect, "expect", 0, "do nothing unless exactly this many leads would be erased")
	return cmd
}

// deliveries formats a number of deliveries.
func deliveries(n int64) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

func describeErasure(w io.Writer, email string, answer *leadgatev1.EraseLeadsResponse, dryRun bool) {
	if answer.GetMatched() == 0 && answer.GetErasedBefore() == 0 {
		fmt.Fprintf(w, "no lead of %s is kept, and none was erased before: nothing was done\n", email)
		return
	}
	leads, verb := answer.GetErased(), "erased"
	if dryRun {
		leads, verb = answer.GetMatched(), "would be erased"
	}
	fmt.Fprintf(w, "%s %s: %s cancelled, content of %s and %s removed\n", count(int(leads), "lead"), verb,
		deliveries(answer.GetDeliveriesCancelled()), count(int(answer.GetAttemptsErased()), "attempt"), count(int(answer.GetEventsErased()), "event"))
	if before := answer.GetErasedBefore(); before > 0 {
		fmt.Fprintf(w, "%s erased before\n", count(int(before), "lead"))
	}
	if len(answer.GetCrmRecords()) == 0 {
		fmt.Fprintln(w, "no CRM has anything of this person from here")
		return
	}
	fmt.Fprintln(w, "still to be erased in the CRMs:")
	table(w, "DESTINATION\tRECORD\tLINK\tDELIVERY", func(w io.Writer) {
		for _, r := range answer.GetCrmRecords() {
			record := orDash(r.GetRecordId())
			if r.GetUncertain() {
				record = "perhaps: an answer was lost"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.GetDestination(), record, orDash(r.GetRecordUrl()), r.GetDeliveryId())
		}
	})
}
