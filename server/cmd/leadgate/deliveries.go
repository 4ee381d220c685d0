package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

func newDeliveries() *cobra.Command {
	var (
		conn connection
		out  output
	)
	cmd := &cobra.Command{
		Use:   "deliveries",
		Short: "List, show, retry, move and delete deliveries",
		RunE:  needsSubcommand,
		Args:  cobra.ArbitraryArgs,
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	cmd.AddCommand(newDeliveriesList(&conn, &out), newDeliveriesGet(&conn, &out), newDeliveriesRetry(&conn, &out),
		newDeliveriesMove(&conn, &out), newDeliveriesDelete(&conn, &out))
	return cmd
}

// deliveryFlags select deliveries.
type deliveryFlags struct {
	state, destination, form, lead string
	since                          moment
}

func (f *deliveryFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.state, "state", "", "only in this state, such as dead")
	cmd.Flags().StringVar(&f.destination, "destination", "", "only to this destination")
	cmd.Flags().StringVar(&f.form, "form", "", "only of leads from this form")
	cmd.Flags().StringVar(&f.lead, "lead", "", "only of this lead")
	cmd.Flags().Var(&f.since, "since", "only of leads accepted in the last 2h, 7d etc., or since a day, such as 2026-11-01")
}

func (f *deliveryFlags) filter(now time.Time) (*leadgatev1.DeliveryFilter, error) {
	filter := &leadgatev1.DeliveryFilter{Destination: f.destination, Form: f.form, LeadId: f.lead, Since: f.since.timestamp(now)}
	if f.state != "" {
		var err error
		if filter.State, err = parseName[leadgatev1.DeliveryState]("state", f.state); err != nil {
			return nil, err
		}
	}
	return filter, nil
}

func newDeliveriesList(conn *connection, out *output) *cobra.Command {
	var (
		flags deliveryFlags
		limit int
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List deliveries, newest lead first",
		Example: `  leadgate deliveries list --state dead
  leadgate deliveries list --destination crm --since 2h --output json`,
		Args: exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			now := time.Now()
			filter, err := flags.filter(now)
			if err != nil {
				return err
			}
			var found []*leadgatev1.Delivery
			request := &leadgatev1.ListDeliveriesRequest{
				State: filter.State, Destination: filter.Destination, Form: filter.Form, LeadId: filter.LeadId, Since: filter.Since,
			}
			for {
				request.PageSize = int32(min(limit-len(found), 1000))
				page, err := gateway.ListDeliveries(cmd.Context(), request)
				if err != nil {
					return err
				}
				found = append(found, page.GetDeliveries()...)
				request.PageToken = page.GetNextPageToken()
				if request.PageToken == "" || len(found) >= limit {
					break
				}
			}
			return printAll(out, cmd.OutOrStdout(), found, func(w io.Writer) {
				table(w, "DELIVERY\tSTATE\tATTEMPTS\tCREATED\tDUE\tRECORD\tWHY", func(w io.Writer) {
					for _, d := range found {
						fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", d.GetDeliveryId(), enums.Name(d.GetState()), d.GetAttemptCount(),
							ago(d.GetCreateTime(), now), until(d.GetDueTime(), now), orDash(d.GetRecordId()), orDash(cmp.Or(d.GetReason(), d.GetLastError())))
					}
				})
			})
		}),
	}
	flags.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "at most this many")
	return cmd
}

func until(t *timestamppb.Timestamp, now time.Time) string {
	if t == nil {
		return "-"
	}
	if wait := t.AsTime().Sub(now); wait > 0 {
		return "in " + short(wait)
	}
	return "now"
}

func newDeliveriesGet(conn *connection, out *output) *cobra.Command {
	return &cobra.Command{
		Use:     "get DELIVERY",
		Short:   "Show a delivery with its attempts",
		Example: "  leadgate deliveries get 019a2f7c-53de-7c3a-9f6b-0f2d6a0f8a10.crm",
		Args:    exactArgs("DELIVERY"),
		RunE: conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
			answer, err := gateway.GetDelivery(cmd.Context(), &leadgatev1.GetDeliveryRequest{DeliveryId: args[0]})
			if err != nil {
				return err
			}
			d := answer.GetDelivery()
			return printAll(out, cmd.OutOrStdout(), []*leadgatev1.Delivery{d}, func(w io.Writer) { describeDelivery(w, d, time.Now()) })
		}),
	}
}

func describeDelivery(w io.Writer, d *leadgatev1.Delivery, now time.Time) {
	fmt.Fprintf(w, "%s to %s: %s", d.GetLeadId(), d.GetDestination(), enums.Name(d.GetState()))
	if d.GetDueTime() != nil {
		fmt.Fprintf(w, ", due %s", until(d.GetDueTime(), now))
	}
	fmt.Fprintln(w)
	for _, line := range []struct{ name, value string }{
		{"reason", d.GetReason()}, {"record", d.GetRecordId()}, {"link", d.GetRecordUrl()}, {"form", d.GetForm()},
	} {
		if line.value != "" {
			fmt.Fprintf(w, "  %-7s %s\n", line.name, line.value)
		}
	}
	for _, a := range d.GetAttempts() {
		fmt.Fprintf(w, "  attempt %d, %s, %s: %s", a.GetNumber(), ago(a.GetStartTime(), now), shortDuration(a.GetDuration()), enums.Words(a.GetOutcome()))
		if a.GetCrmStatus() != 0 {
			fmt.Fprintf(w, ", HTTP %d", a.GetCrmStatus())
		}
		fmt.Fprintln(w)
		for _, line := range []struct{ name, value string }{
			{"error", a.GetError()}, {"left out", strings.Join(a.GetDroppedProperties(), ", ")}, {"sent", a.GetPayload()}, {"answer", a.GetCrmBody()},
		} {
			if line.value != "" {
				fmt.Fprintf(w, "    %-8s %s\n", line.name, line.value)
			}
		}
	}
}

func newDeliveriesRetry(conn *connection, out *output) *cobra.Command {
	var (
		flags  deliveryFlags
		all    bool
		dryRun bool
		expect int64
		force  bool
	)
	cmd := &cobra.Command{
		Use:   "retry [DELIVERY ...]",
		Short: "Retry deliveries now: those named, or with --all those that match",
		Example: `  leadgate deliveries retry 019a2f7c-53de-7c3a-9f6b-0f2d6a0f8a10.crm
  leadgate deliveries retry --all --destination crm --dry-run
  leadgate deliveries retry --all --destination crm --expect 27`,
		RunE: conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
			switch {
			case all == (len(args) > 0):
				return usageError{fmt.Errorf("name deliveries, or give --all with filters")}
			case all && force:
				return usageError{fmt.Errorf("--force is for deliveries that are named")}
			case !all && (dryRun || expect != 0 || flags != deliveryFlags{}):
				return usageError{fmt.Errorf("filters, --dry-run and --expect go with --all, not with deliveries that are named")}
			}
			filter, err := flags.filter(time.Now())
			if err != nil {
				return err
			}
			if all {
				return retryAll(cmd, gateway, out, &leadgatev1.RetryDeliveriesRequest{Filter: filter, DryRun: dryRun, ExpectedCount: expect})
			}
			return retryNamed(cmd, gateway, out, args, force)
		}),
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all that match the filters: dead ones, or --state held, superseded or retry_wait")
	cmd.Flags().BoolVar(&force, "force", false, "send it even though a newer lead of the same person was already delivered")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "with --all: only count them")
	cmd.Flags().Int64Var(&expect, "expect", 0, "with --all: do nothing unless exactly this many match")
	return cmd
}

func retryAll(cmd *cobra.Command, gateway *services, out *output, request *leadgatev1.RetryDeliveriesRequest) error {
	answer, err := operate(cmd, gateway, func(id string) (*leadgatev1.RetryDeliveriesResponse, error) {
		request.OperationId = id
		return gateway.RetryDeliveries(cmd.Context(), request)
	})
	if err != nil {
		return err
	}
	return printAll(out, cmd.OutOrStdout(), []*leadgatev1.RetryDeliveriesResponse{answer}, func(w io.Writer) {
		if request.GetDryRun() {
			fmt.Fprintf(w, "%d match; nothing was done\n", answer.GetMatched())
			return
		}
		fmt.Fprintf(w, "%d match, %d due now\n", answer.GetMatched(), answer.GetRetried())
		describeProblems(w, problemsOf(cmd.Context(), gateway, answer.GetOperationId()))
	})
}

func retryNamed(cmd *cobra.Command, gateway *services, out *output, ids []string, force bool) error {
	for _, id := range ids {
		answer, err := gateway.RetryDelivery(cmd.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: id, Force: force})
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		d := answer.GetDelivery()
		err = printAll(out, cmd.OutOrStdout(), []*leadgatev1.Delivery{d}, func(w io.Writer) {
			fmt.Fprintf(w, "%s is due now\n", d.GetDeliveryId())
		})
		if err != nil {
			return err
		}
	}
	return nil
}
