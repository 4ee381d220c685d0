package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

func newDestinations() *cobra.Command {
	var (
		conn connection
		out  output
	)
	cmd := &cobra.Command{
		Use:   "destinations",
		Short: "List, pause, resume and test destinations",
		RunE:  needsSubcommand,
		Args:  cobra.ArbitraryArgs,
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	var reason string
	pause := newDestinationsAct(&conn, &out, "pause", "Stop sending to a destination until it is resumed; leads are still accepted",
		`  leadgate destinations pause crm --reason "cleaning up duplicates"`,
		func(ctx context.Context, gateway *services, name string) (*leadgatev1.Destination, error) {
			answer, err := gateway.PauseDestination(ctx, &leadgatev1.PauseDestinationRequest{Name: name, Reason: reason})
			return answer.GetDestination(), err
		})
	pause.Flags().StringVar(&reason, "reason", "", "why, for other operators to see")
	resume := newDestinationsAct(&conn, &out, "resume", "Resume sending to a destination paused by a person or at its CRM's request",
		`  leadgate destinations resume crm`,
		func(ctx context.Context, gateway *services, name string) (*leadgatev1.Destination, error) {
			answer, err := gateway.ResumeDestination(ctx, &leadgatev1.ResumeDestinationRequest{Name: name})
			return answer.GetDestination(), err
		})
	cmd.AddCommand(newDestinationsList(&conn, &out), pause, resume, newDestinationsTest(&conn, &out))
	return cmd
}

func newDestinationsList(conn *connection, out *output) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Show every destination and its state",
		Example: "  leadgate destinations list",
		Args:    exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			answer, err := gateway.ListDestinations(cmd.Context(), &leadgatev1.ListDestinationsRequest{})
			if err != nil {
				return err
			}
			return printDestinations(out, cmd.OutOrStdout(), answer.GetDestinations())
		}),
	}
}

func newDestinationsAct(conn *connection, out *output, verb, about, example string,
	act func(context.Context, *services, string) (*leadgatev1.Destination, error),
) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " NAME",
		Short:   about,
		Example: example,
		Args:    exactArgs("NAME"),
		RunE: conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
			d, err := act(cmd.Context(), gateway, args[0])
			if err != nil {
				return err
			}
			return printDestinations(out, cmd.OutOrStdout(), []*leadgatev1.Destination{d})
		}),
	}
}

func printDestinations(out *output, w io.Writer, destinations []*leadgatev1.Destination) error {
	now := time.Now()
	return printAll(out, w, destinations, func(w io.Writer) {
		table(w, "NAME\tKIND\tSTATUS\tWAITING\tOLDEST\tIN FLIGHT\tDELIVERED\tHELD\tDEAD\tRATE\tLAST ERROR", func(w io.Writer) {
			for _, d := range destinations {
				state := enums.Words(d.GetStatus())
				rate := fmt.Sprintf("%.0f/s", d.GetRequestsPerSecond())
				if limit := d.GetRequestsPerSecondLimit(); limit > 0 {
					rate = fmt.Sprintf("%.0f of %s", d.GetRequestsPerSecond(), perTime(limit))
				}
				if d.GetPauseReason() != "" {
					state += ": " + d.GetPauseReason()
				}
				if resumes := resumption(d, now); resumes != "" {
					state += ", " + resumes
				}
				problem := orDash(d.GetLastError())
				if d.GetLastErrorTime() != nil && d.GetLastError() != "" {
					problem = fmt.Sprintf("%s (%s)", d.GetLastError(), ago(d.GetLastErrorTime(), now))
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", d.GetName(), d.GetKind(), state, d.GetWaiting(),
					shortDuration(d.GetOldestWaiting()), d.GetInFlight(), d.GetDelivered(), d.GetHeld(), d.GetDead(), rate, problem)
			}
		})
	})
}

// resumption says when a waiting destination will be called again; empty if that is unknown or up to a person.
func resumption(d *leadgatev1.Destination, now time.Time) string {
	if d.GetResumeTime() == nil {
		return ""
	}
	in := short(d.GetResumeTime().AsTime().Sub(now))
	if d.GetStatus() == leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE {
		return "asked again in " + in
	}
	return "goes on in " + in
}

// perTime formats a rate in the first unit in which it is at least one: 9/s, 30/min, 1/h.
func perTime(perSecond float64) string {
	unit := "s"
	for _, longer := range []string{"min", "h"} {
		if perSecond >= 1 {
			break
		}
		perSecond, unit = 60*perSecond, longer
	}
	return strconv.FormatFloat(math.Round(100*perSecond)/100, 'f', -1, 64) + "/" + unit
}
