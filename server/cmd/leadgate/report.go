package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func newDestinationsTest(conn *connection, out *output) *cobra.Command {
	return &cobra.Command{
		Use:     "test NAME",
		Short:   "Test a destination's CRM without changing anything there",
		Example: "  leadgate destinations test crm",
		Args:    exactArgs("NAME"),
		RunE: conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
			answer, err := gateway.TestDestination(cmd.Context(), &leadgatev1.TestDestinationRequest{Name: args[0]})
			if err != nil {
				return err
			}
			report := answer.GetReport()
			err = printAll(out, cmd.OutOrStdout(), []*leadgatev1.DestinationReport{report}, func(w io.Writer) { describeReport(w, report) })
			if err == nil && !report.GetReachable() {
				err = fmt.Errorf("%s cannot be used", report.GetDestination())
			}
			return err
		}),
	}
}

func describeReport(w io.Writer, r *leadgatev1.DestinationReport) {
	fmt.Fprintf(w, "%s (%s): ", r.GetDestination(), r.GetKind())
	if !r.GetReachable() {
		fmt.Fprintln(w, r.GetProblem())
		return
	}
	fmt.Fprintf(w, "reachable, takes the credentials, answered in %s", max(time.Millisecond, r.GetLatency().AsDuration().Round(time.Millisecond)))
	if r.GetAccount() != "" {
		fmt.Fprintf(w, ", account %s", r.GetAccount())
	}
	fmt.Fprintln(w)
	switch {
	case r.GetPropertiesProblem() != "":
		fmt.Fprintf(w, "  its properties could not be read: %s\n", r.GetPropertiesProblem())
	case r.GetProperties() == 0:
		fmt.Fprintln(w, "  it cannot be asked which properties it has")
	case len(r.GetDrifts()) == 0:
		fmt.Fprintf(w, "  everything that is mapped is among its %d properties\n", r.GetProperties())
	}
	for _, d := range r.GetDrifts() {
		fmt.Fprintf(w, "  %s\n", d.GetDetail())
		if d.GetSuggestion() != "" {
			fmt.Fprintf(w, "    properties: { %s }\n", d.GetSuggestion())
		}
	}
	for _, q := range r.GetQuotas() {
		if q.GetLimit() > 0 {
			fmt.Fprintf(w, "  %d of %d calls in %s are left\n", q.GetRemaining(), q.GetLimit(), windowWords(q.GetWindow()))
		} else {
			fmt.Fprintf(w, "  %d calls in %s are left\n", q.GetRemaining(), windowWords(q.GetWindow()))
		}
	}
}

// windowWords formats the window of a quota, which is a round one: a day, not "1 d 0 h".
func windowWords(window *durationpb.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		word string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if d := window.AsDuration(); d >= unit.of && d%unit.of == 0 {
			return count(int(d/unit.of), unit.word)
		}
	}
	return shortDuration(window)
}
