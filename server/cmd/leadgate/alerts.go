package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/server/observe/alert"
	"github.com/leadgate/leadgate/server/observe/prometheus"
	"github.com/leadgate/leadgate/worker/enums"
)

func newAlerts() *cobra.Command {
	var (
		conn connection
		out  output
	)
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "List and acknowledge alerts, and test the notifiers",
		Example: `  leadgate alerts list
  leadgate alerts acknowledge breaker/crm --for 2h
  leadgate alerts test`,
		RunE: needsSubcommand,
		Args: cobra.ArbitraryArgs,
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	cmd.AddCommand(newAlertsList(&conn, &out), newAlertsAcknowledge(&conn, &out), newAlertsRules(), newAlertsTest(&conn, &out))
	return cmd
}

func newAlertsList(conn *connection, out *output) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the alerts that are firing",
		Example: `  leadgate alerts list
  leadgate alerts list --all --output json`,
		Args: exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			request := &leadgatev1.ListAlertsRequest{State: leadgatev1.AlertState_ALERT_STATE_FIRING}
			if all {
				request.State = leadgatev1.AlertState_ALERT_STATE_UNSPECIFIED
			}
			answer, err := gateway.ListAlerts(cmd.Context(), request)
			if err != nil {
				return err
			}
			return printAll(out, cmd.OutOrStdout(), answer.GetAlerts(), func(w io.Writer) { printAlerts(w, answer, time.Now()) })
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those resolved in the last week")
	return cmd
}

func printAlerts(w io.Writer, answer *leadgatev1.ListAlertsResponse, now time.Time) {
	if len(answer.GetAlerts()) == 0 {
		fmt.Fprintln(w, "All is well.")
	}
	for _, a := range answer.GetAlerts() {
		state := enums.Name(a.GetSeverity())
		if a.GetResolveTime() != nil {
			state = "over, " + ago(a.GetResolveTime(), now)
		}
		fmt.Fprintf(w, "▲ %s\n", a.GetSummary())
		fmt.Fprintf(w, "  %s, began %s (%s)\n", state, ago(a.GetFireTime(), now), a.GetAlertId())
		for _, line := range []struct{ name, text string }{
			{"on it", onIt(a, now)}, {"cause", a.GetCause()}, {"lead", a.GetLeadId()}, {"do", a.GetAction()}, {"command", a.GetCommand()}, {"console", a.GetUrl()},
		} {
			if line.text != "" {
				fmt.Fprintf(w, "  %-8s %s\n", line.name, line.text)
			}
		}
	}
	for _, n := range answer.GetNotifiers() {
		if n.GetLastError() != "" {
			fmt.Fprintf(w, "notifier %s (%s) fails, %d wait for it: %s\n", n.GetName(), n.GetKind(), n.GetWaiting(), n.GetLastError())
		}
	}
	if len(answer.GetNotifiers()) == 0 {
		fmt.Fprintln(w, "Nobody is notified of alerts: add a notifier under alerts: notifiers: in the configuration.")
	}
}

// onIt says who acknowledged a firing alert and until when there are no reminders; empty if it is not acknowledged.
func onIt(a *leadgatev1.Alert, now time.Time) string {
	until := a.GetAcknowledgedUntil()
	if a.GetResolveTime() != nil || until == nil || !now.Before(until.AsTime()) {
		return ""
	}
	return strings.Join(words("since "+ago(a.GetAcknowledgeTime(), now), a.GetAcknowledgeNote(), "nobody is reminded until "+until.AsTime().Local().Format("2006-01-02 15:04:05")), "; ")
}

func newAlertsAcknowledge(conn *connection, out *output) *cobra.Command {
	var (
		hold = span(8 * time.Hour)
		note string
	)
	cmd := &cobra.Command{
		Use:     "acknowledge ALERT",
		Aliases: []string{"ack"},
		Short:   "Acknowledge an alert: nobody is reminded of it for a time",
		Long: `Acknowledge an alert: for a time nobody is reminded of it, nor notified if it fires again. Its resolution is still sent; if it is
still firing when the time is up, a reminder goes out at once. --for 0s takes it back.`,
		Example: `  leadgate alerts acknowledge breaker/crm
  leadgate alerts acknowledge breaker/crm --for 2h --note "Ada: called HubSpot"
  leadgate alerts acknowledge breaker/crm --for 0s`,
		Args: exactArgs("ALERT"),
		RunE: conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
			answer, err := gateway.AcknowledgeAlert(cmd.Context(), &leadgatev1.AcknowledgeAlertRequest{
				AlertId: args[0], Duration: durationpb.New(time.Duration(hold)), Note: note,
			})
			if err != nil {
				return err
			}
			return printAll(out, cmd.OutOrStdout(), []*leadgatev1.Alert{answer.GetAlert()}, func(w io.Writer) {
				if hold == 0 {
					fmt.Fprintf(w, "The acknowledgement of %s is withdrawn; reminders continue.\n", args[0])
					return
				}
				fmt.Fprintf(w, "Nobody is reminded of %s until %s.\n", args[0], answer.GetAlert().GetAcknowledgedUntil().AsTime().Local().Format("2006-01-02 15:04:05"))
			})
		}),
	}
	cmd.Flags().Var(&hold, "for", "how long nobody is reminded, up to 7d; 0s takes it back")
	cmd.Flags().StringVar(&note, "note", "", "who is working on it, or why, for others to see")
	return cmd
}

func newAlertsRules() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Print the alert rules for Prometheus, with a configuration's thresholds",
		Long: `Print the alert rules for Prometheus, with the thresholds of a configuration's alerts: rules:. They leave out thresholds of single
forms and destinations; only leadgate's own alerts use those.`,
		Example: `  leadgate alerts rules --config leadgate.yaml > leadgate-rules.yml`,
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			snapshot, err := config.Load(path, environment())
			if err != nil {
				return err
			}
			alerts := snapshot.Config.GetAlerts()
			for _, own := range []struct {
				what  string
				rules map[string]*configv1.AlertRules
			}{{"form", alerts.GetForms()}, {"destination", alerts.GetDestinations()}} {
				for _, name := range slices.Sorted(maps.Keys(own.rules)) {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s %s has rules of its own, which are not in these.\n", own.what, name)
				}
			}
			rules, err := prometheus.Rules(alert.Rules(alerts.GetRules()))
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(rules)
			return err
		},
	}
	addConfigFlag(cmd, &path)
	return cmd
}

func newAlertsTest(conn *connection, out *output) *cobra.Command {
	return &cobra.Command{
		Use:   "test [NOTIFIER]...",
		Short: "Send a test to the notifiers, and show whether they accept it",
		Example: `  leadgate alerts test
  leadgate alerts test team night`,
		Args: cobra.ArbitraryArgs,
		RunE: conn.with(func(cmd *cobra.Command, names []string, gateway *services) error {
			answer, err := gateway.TestAlerts(cmd.Context(), &leadgatev1.TestAlertsRequest{Notifiers: names})
			if err != nil {
				return err
			}
			failed := 0
			for _, r := range answer.GetResults() {
				if r.GetError() != "" {
					failed++
				}
			}
			err = printAll(out, cmd.OutOrStdout(), answer.GetResults(), func(w io.Writer) {
				table(w, "NOTIFIER\tKIND\tTOOK\tRESULT", func(w io.Writer) {
					for _, r := range answer.GetResults() {
						result := "taken"
						if r.GetError() != "" {
							result = r.GetError()
						}
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.GetName(), r.GetKind(), shortDuration(r.GetDuration()), result)
					}
				})
			})
			switch {
			case err != nil:
				return err
			case failed > 0:
				return fmt.Errorf("%d of %d notifiers did not accept the test", failed, len(answer.GetResults()))
			case len(answer.GetResults()) == 0:
				return errors.New("nobody is notified of alerts: add a notifier under alerts: notifiers: in the configuration")
			}
			return nil
		}),
	}
}
