package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

func newLeads() *cobra.Command {
	var (
		conn connection
		out  output
	)
	cmd := &cobra.Command{
		Use:   "leads",
		Short: "List and show leads; release or discard held ones",
		RunE:  needsSubcommand,
		Args:  cobra.ArbitraryArgs,
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	cmd.AddCommand(newLeadsList(&conn, &out), newLeadsGet(&conn, &out), newLeadsRelease(&conn, &out), newLeadsDiscard(&conn, &out), newLeadsUndiscard(&conn, &out))
	return cmd
}

// leadFlags select leads.
type leadFlags struct {
	reason, form, email string
	since               moment
}

func (f *leadFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.reason, "reason", "", "only those held for this reason, such as key_reused")
	cmd.Flags().StringVar(&f.form, "form", "", "only from this form")
	cmd.Flags().StringVar(&f.email, "email", "", "only of this person")
	cmd.Flags().Var(&f.since, "since", "only those accepted in the last 2h, 7d etc., or since a day, such as 2026-11-01")
}

func (f *leadFlags) filter(now time.Time) (*leadgatev1.LeadFilter, error) {
	filter := &leadgatev1.LeadFilter{Form: f.form, Email: f.email, Since: f.since.timestamp(now)}
	if f.reason != "" {
		var err error
		if filter.Reason, err = parseName[leadgatev1.HoldReason]("reason", f.reason); err != nil {
			return nil, err
		}
	}
	return filter, nil
}

func newLeadsList(conn *connection, out *output) *cobra.Command {
	var (
		flags leadFlags
		state string
		limit int
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List leads, newest first",
		Example: `  leadgate leads list --state held
  leadgate leads list --form contact --since 2h --output json`,
		Args: exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			now := time.Now()
			filter, err := flags.filter(now)
			if err != nil {
				return err
			}
			request := &leadgatev1.ListLeadsRequest{
				Reason: filter.GetReason(), Form: filter.GetForm(), Email: filter.GetEmail(), Since: filter.GetSince(), WithDeliveries: true,
			}
			if state != "" {
				if request.State, err = parseName[leadgatev1.LeadState]("state", state); err != nil {
					return err
				}
			}
			var found []*leadgatev1.LeadRecord
			deliveries := map[string][]string{} // in words, by lead
			for {
				request.PageSize = int32(min(limit-len(found), 1000))
				page, err := gateway.ListLeads(cmd.Context(), request)
				if err != nil {
					return err
				}
				found = append(found, page.GetLeads()...)
				for _, d := range page.GetDeliveries() {
					deliveries[d.GetLeadId()] = append(deliveries[d.GetLeadId()], d.GetDestination()+" "+enums.Name(d.GetState()))
				}
				request.PageToken = page.GetNextPageToken()
				if request.PageToken == "" || len(found) >= limit {
					break
				}
			}
			return printAll(out, cmd.OutOrStdout(), found, func(w io.Writer) {
				table(w, "LEAD\tSTATE\tACCEPTED\tFORM\tPERSON\tDELIVERIES\tHELD BECAUSE", func(w io.Writer) {
					for _, r := range found {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.GetLeadId(), enums.Name(r.GetState()), ago(r.GetCreateTime(), now),
							orDash(r.GetLead().GetSource().GetForm()), orDash(personOf(r.GetLead())),
							orDash(strings.Join(deliveries[r.GetLeadId()], ", ")), orDash(holdsInWords(r)))
					}
				})
			})
		}),
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&state, "state", "", "only in this state: open, held, discarded, erased")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most this many")
	return cmd
}

// personOf returns the e-mail address of a lead's person, or else the phone number.
func personOf(lead *leadgatev1.Lead) string {
	if lead.GetEmail() != "" {
		return lead.GetEmail()
	}
	return lead.GetPhone()
}

func holdsInWords(r *leadgatev1.LeadRecord) string {
	var words []string
	for _, hold := range r.GetHolds() {
		words = append(words, enums.Name(hold.GetReason()))
	}
	return strings.Join(words, ", ")
}

func newLeadsGet(conn *connection, out *output) *cobra.Command {
	return &cobra.Command{
		Use:   "get LEAD",
		Short: "Show a lead with its submission, deliveries and timeline, or a person's leads, newest first",
		Example: `  leadgate leads get 019a2f7c-53de-7c3a-9f6b-0f2d6a0f8a10
  leadgate leads get ada@example.com`,
		Args: exactArgs("LEAD"),
		RunE: conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
			ids, err := leadsOf(cmd.Context(), gateway, args[0])
			if err != nil {
				return err
			}
			var answers []*leadgatev1.GetLeadResponse
			for _, id := range ids {
				answer, err := gateway.GetLead(cmd.Context(), &leadgatev1.GetLeadRequest{LeadId: id})
				if err != nil {
					return err
				}
				answers = append(answers, answer)
			}
			return printAll(out, cmd.OutOrStdout(), answers, func(w io.Writer) {
				for i, answer := range answers {
					if i > 0 {
						fmt.Fprintln(w)
					}
					describeLead(w, answer, time.Now())
				}
			})
		}),
	}
}

// leadsOf returns the IDs of a person's newest leads if wanted is an e-mail address; otherwise wanted is itself an ID.
func leadsOf(ctx context.Context, service leadgatev1.LeadServiceClient, wanted string) ([]string, error) {
	if !strings.Contains(wanted, "@") {
		return []string{wanted}, nil
	}
	page, err := service.ListLeads(ctx, &leadgatev1.ListLeadsRequest{Email: wanted, PageSize: 20})
	if err != nil {
		return nil, err
	}
	if len(page.GetLeads()) == 0 {
		return nil, fmt.Errorf("there is no lead of %s", wanted)
	}
	var ids []string
	for _, r := range page.GetLeads() {
		ids = append(ids, r.GetLeadId())
	}
	return ids, nil
}

func describeLead(w io.Writer, answer *leadgatev1.GetLeadResponse, now time.Time) {
	r := answer.GetRecord()
	fmt.Fprintf(w, "%s: %s, accepted %s\n", r.GetLeadId(), enums.Name(r.GetState()), ago(r.GetCreateTime(), now))
	for _, hold := range r.GetHolds() {
		held := "held"
		if r.GetState() != leadgatev1.LeadState_LEAD_STATE_HELD {
			held = "was held"
		}
		fmt.Fprintf(w, "  %s: %s: %s\n", held, enums.Name(hold.GetReason()), hold.GetDetail())
	}
	if r.GetLinkedLeadId() != "" {
		fmt.Fprintf(w, "  belongs to lead %s\n", r.GetLinkedLeadId())
	}
	fmt.Fprintln(w, "lead")
	printFields(w, r.GetLead())
	if fields := r.GetSubmission().GetFields(); len(fields) > 0 {
		fmt.Fprintln(w, "as the page sent it")
		for _, field := range fields {
			fmt.Fprintf(w, "  %-20s %s\n", field.GetName(), strings.Join(field.GetValues(), " | "))
		}
	}
	for _, d := range answer.GetDeliveries() {
		describeDelivery(w, d, now)
	}
	fmt.Fprintln(w, "timeline")
	for _, e := range answer.GetTimeline() {
		lead := e.GetLead()
		fmt.Fprintf(w, "  %s  %-13s %s\n", e.GetTime().AsTime().Format("2006-01-02 15:04:05.000"), enums.Name(lead.GetStage()),
			strings.Join(words(lead.GetDestination(), lead.GetError(), lead.GetDetail()), "; "))
	}
}

// words returns the words that are not empty.
func words(all ...string) []string {
	var some []string
	for _, word := range all {
		if word != "" {
			some = append(some, word)
		}
	}
	return some
}
