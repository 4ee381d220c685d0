package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// many is a command on many leads: those that are named, or all that match.
type many struct {
	conn *connection
	out  *output
	leadFlags
	all, dryRun bool
	expect      int64
}

func (m *many) addFlags(cmd *cobra.Command) {
	m.add(cmd)
	cmd.Flags().BoolVar(&m.all, "all", false, "all that match the filters")
	cmd.Flags().BoolVar(&m.dryRun, "dry-run", false, "only show what would be done")
	cmd.Flags().Int64Var(&m.expect, "expect", 0, "do nothing unless exactly this many match")
}

// choose returns the filter for the named leads, or for all that match.
func (m *many) choose(args []string) (*leadgatev1.LeadFilter, error) {
	if m.all == (len(args) > 0) {
		return nil, usageError{fmt.Errorf("name leads, or give --all with filters")}
	}
	filter, err := m.filter(time.Now())
	if err != nil {
		return nil, err
	}
	filter.LeadIds = args
	return filter, nil
}

// done says what was done or, in a dry run, would be.
func (m *many) done(what string) string {
	if m.dryRun {
		return "would be " + what
	}
	return what
}

// runMany makes cmd act on many leads: ask calls the gateway with an operation ID, and tell prints the result.
func runMany[Answer interface {
	proto.Message
	GetMatched() int64
}](m *many, cmd *cobra.Command,
	ask func(ctx context.Context, gateway *services, filter *leadgatev1.LeadFilter, id string) (Answer, error),
	tell func(w io.Writer, answer Answer),
) *cobra.Command {
	cmd.RunE = m.conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
		filter, err := m.choose(args)
		if err != nil {
			return err
		}
		answer, err := operate(cmd, gateway, func(id string) (Answer, error) { return ask(cmd.Context(), gateway, filter, id) })
		if err != nil {
			return err
		}
		err = printAll(m.out, cmd.OutOrStdout(), []Answer{answer}, func(w io.Writer) { tell(w, answer) })
		if n := int64(len(args)) - answer.GetMatched(); n > 0 && err == nil {
			err = fmt.Errorf("%d of %s not found or not in that state: see leadgate leads get LEAD", n, count(len(args), "lead"))
		}
		return err
	})
	m.addFlags(cmd)
	return cmd
}

func newLeadsRelease(conn *connection, out *output) *cobra.Command {
	m := &many{conn: conn, out: out}
	return runMany(m, &cobra.Command{
		Use:   "release [LEAD ...]",
		Short: "Send held leads: those named, or with --all those that match",
		Long: `Send held leads: those named, or with --all those that match. Each is mapped again with the current configuration, and goes where
that says. A lead that still breaks a rule stays held, and is listed with the reason.`,
		Example: `  leadgate leads release 019a2f7c-53de-7c3a-9f6b-0f2d6a0f8a10
  leadgate leads release --all --reason key_reused --dry-run`,
	}, func(ctx context.Context, gateway *services, filter *leadgatev1.LeadFilter, id string) (*leadgatev1.ReleaseLeadsResponse, error) {
		return gateway.ReleaseLeads(ctx, &leadgatev1.ReleaseLeadsRequest{Filter: filter, DryRun: m.dryRun, ExpectedCount: m.expect, OperationId: id})
	}, func(w io.Writer, answer *leadgatev1.ReleaseLeadsResponse) {
		fmt.Fprintf(w, "%d match, %d %s, %d stay held\n", answer.GetMatched(), answer.GetReleased(), m.done("released"), answer.GetMatched()-answer.GetReleased())
		describeProblems(w, answer.GetProblems())
	})
}

func newLeadsDiscard(conn *connection, out *output) *cobra.Command {
	m, why := &many{conn: conn, out: out}, ""
	cmd := runMany(m, &cobra.Command{
		Use:   "discard [LEAD ...]",
		Short: "Discard held leads: those named, or with --all those that match",
		Example: `  leadgate leads discard 019a2f7c-53de-7c3a-9f6b-0f2d6a0f8a10 --why "a test of ours"
  leadgate leads discard --all --reason key_reused --since 2h --expect 3`,
	}, func(ctx context.Context, gateway *services, filter *leadgatev1.LeadFilter, id string) (*leadgatev1.DiscardLeadsResponse, error) {
		return gateway.DiscardLeads(ctx, &leadgatev1.DiscardLeadsRequest{Filter: filter, DryRun: m.dryRun, ExpectedCount: m.expect, OperationId: id, Reason: why})
	}, func(w io.Writer, answer *leadgatev1.DiscardLeadsResponse) {
		fmt.Fprintf(w, "%d match, %d %s\n", answer.GetMatched(), answer.GetDiscarded(), m.done("discarded"))
	})
	cmd.Flags().StringVar(&why, "why", "", "why, for others to see")
	return cmd
}

func newLeadsUndiscard(conn *connection, out *output) *cobra.Command {
	m := &many{conn: conn, out: out}
	return runMany(m, &cobra.Command{
		Use:   "undiscard [LEAD ...]",
		Short: "Hold discarded leads again: those named, or with --all those that match",
		Example: `  leadgate leads undiscard 019a2f7c-53de-7c3a-9f6b-0f2d6a0f8a10
  leadgate leads undiscard --all --form contact --since 2h --dry-run`,
	}, func(ctx context.Context, gateway *services, filter *leadgatev1.LeadFilter, id string) (*leadgatev1.UndiscardLeadsResponse, error) {
		return gateway.UndiscardLeads(ctx, &leadgatev1.UndiscardLeadsRequest{Filter: filter, DryRun: m.dryRun, ExpectedCount: m.expect, OperationId: id})
	}, func(w io.Writer, answer *leadgatev1.UndiscardLeadsResponse) {
		fmt.Fprintf(w, "%d match, %d %s\n", answer.GetMatched(), answer.GetHeld(), m.done("held again"))
	})
}
