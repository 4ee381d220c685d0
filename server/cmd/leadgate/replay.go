package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func newReplay() *cobra.Command {
	var (
		conn          connection
		out           output
		flags         leadFlags
		dryRun        bool
		allowIdentity bool
		expect        int64
	)
	cmd := &cobra.Command{
		Use:   "replay [LEAD ...]",
		Short: "Map submissions again with the current configuration, and send what changed",
		Long: `Map submissions again with the current configuration, and send what changed: held leads whose reason is gone are sent, leads whose
CRM values would differ are sent again, and leads that now have more destinations go there too. All others are left alone, and
nothing is taken back from a destination.

Use it after fixing a form's fields: or a destination's properties:.`,
		Example: `  leadgate replay --form contact --since 2h --dry-run
  leadgate replay --form contact --since 2h`,
		RunE: conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
			if flags.form == "" && len(args) == 0 {
				return usageError{fmt.Errorf("name the form with --form, or leads")}
			}
			filter, err := flags.filter(time.Now())
			if err != nil {
				return err
			}
			filter.LeadIds = args
			answer, err := operate(cmd, gateway, func(id string) (*leadgatev1.ReplayLeadsResponse, error) {
				return gateway.ReplayLeads(cmd.Context(), &leadgatev1.ReplayLeadsRequest{
					Filter: filter, DryRun: dryRun, ExpectedCount: expect, OperationId: id, AllowIdentityChange: allowIdentity,
				})
			})
			if err != nil {
				return err
			}
			err = printAll(&out, cmd.OutOrStdout(), []*leadgatev1.ReplayLeadsResponse{answer}, func(w io.Writer) { describeReplay(w, answer, dryRun) })
			if n := int64(len(args)) - answer.GetMatched(); n > 0 && err == nil {
				err = fmt.Errorf("%d of %s not found: see leadgate leads get LEAD", n, count(len(args), "lead"))
			}
			return err
		}),
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	flags.add(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would change")
	cmd.Flags().BoolVar(&allowIdentity, "allow-identity-change", false, "send leads even if their e-mail address would change")
	cmd.Flags().Int64Var(&expect, "expect", 0, "do nothing unless exactly this many leads match")
	return cmd
}

func describeReplay(w io.Writer, answer *leadgatev1.ReplayLeadsResponse, dryRun bool) {
	for _, change := range answer.GetChanges() {
		what := "sent before"
		if change.GetHeld() {
			what = "held"
		}
		fmt.Fprintf(w, "%s (%s)\n", change.GetLeadId(), what)
		for _, field := range change.GetFields() {
			fmt.Fprintf(w, "  %-20s %s -> %s\n", field.GetLeadField(), orDash(field.GetFrom()), orDash(field.GetTo()))
		}
		if len(change.GetUpdated()) > 0 {
			fmt.Fprintf(w, "  again to %s\n", strings.Join(change.GetUpdated(), ", "))
		}
		if len(change.GetAdded()) > 0 {
			fmt.Fprintf(w, "  to %s\n", strings.Join(change.GetAdded(), ", "))
		}
	}
	verb := ""
	if dryRun {
		verb = "would be "
	}
	fmt.Fprintf(w, "%s: %d held ones %ssent, %d %ssent again, %d %ssent to further destinations, %d unchanged, %d stay held, %d left alone\n",
		count(int(answer.GetMatched()), "lead"), answer.GetSent(), verb, answer.GetUpdated(), verb, answer.GetAdded(), verb,
		answer.GetUnchanged(), answer.GetHeld(), answer.GetRefused())
	describeProblems(w, answer.GetProblems())
}
