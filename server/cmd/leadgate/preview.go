package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
	"github.com/leadgate/leadgate/worker/enums"
)

// How much standard input is read: more than any form may send.
const maxPreview = 16 << 20

func newPreview() *cobra.Command {
	var (
		conn        connection
		out         output
		form        string
		contentType string
	)
	cmd := &cobra.Command{
		Use:   "preview --form FORM < BODY",
		Short: "Show what would become of a submission, without keeping it",
		Long: `Show what would become of a submission, read from standard input as a page would send it: the lead, every change with its
reason, and what would be sent to each destination. Nothing is kept.`,
		Example: `  leadgate preview --form contact < body.json
  echo 'email=Ada@Example.com&country=Germany' | leadgate preview --form contact`,
		Args: exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			if form == "" {
				return usageError{fmt.Errorf("name the form with --form")}
			}
			body, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPreview))
			if err != nil {
				return err
			}
			if contentType == "" {
				contentType = "application/x-www-form-urlencoded"
				if start := strings.TrimSpace(string(body[:min(len(body), 100)])); strings.HasPrefix(start, "{") {
					contentType = "application/json"
				}
			}
			fields, err := intake.Decode(contentType, []byte(strings.TrimSpace(string(body))))
			if err != nil {
				return err
			}
			answer, err := gateway.PreviewForm(cmd.Context(), &leadgatev1.PreviewFormRequest{
				Form: form, Submission: &leadgatev1.Submission{Fields: fields, ContentType: contentType},
			})
			if err != nil {
				return err
			}
			return printAll(&out, cmd.OutOrStdout(), []*leadgatev1.PreviewFormResponse{answer}, func(w io.Writer) { describePreview(w, answer) })
		}),
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	cmd.Flags().StringVar(&form, "form", "", "the form")
	cmd.Flags().StringVar(&contentType, "content-type", "", "the body's content type (default: JSON or urlencoded, whichever it looks like)")
	return cmd
}

func describePreview(w io.Writer, answer *leadgatev1.PreviewFormResponse) {
	condition := "" // under which what is shown would be sent
	switch answer.GetOutcome() {
	case leadgatev1.PreviewOutcome_PREVIEW_OUTCOME_REJECTED:
		condition = ", if it were taken"
		fmt.Fprintln(w, "would be refused:")
		for _, problem := range answer.GetProblems() {
			fmt.Fprintf(w, "  %s\n", strings.TrimPrefix(problem.GetField()+": "+problem.GetMessage(), ": "))
		}
	case leadgatev1.PreviewOutcome_PREVIEW_OUTCOME_HELD:
		condition = ", once it is released"
		fmt.Fprintln(w, "would be held:")
		for _, hold := range answer.GetHolds() {
			fmt.Fprintf(w, "  %s: %s\n", enums.Name(hold.GetReason()), hold.GetDetail())
		}
	default:
		fmt.Fprintln(w, "would be sent")
	}
	fmt.Fprintln(w, "lead")
	printFields(w, answer.GetLead())
	if len(answer.GetChanges()) > 0 {
		fmt.Fprintln(w, "changes")
		for _, change := range answer.GetChanges() {
			fmt.Fprintf(w, "  %-20s %q -> %q  %s\n", change.GetLeadField(), change.GetFrom(), change.GetTo(), change.GetReason())
		}
	}
	if answer.GetDetail() != "" {
		fmt.Fprintln(w, "note")
		fmt.Fprintln(w, "  "+answer.GetDetail())
	}
	for _, d := range answer.GetDeliveries() {
		fmt.Fprintln(w, "to "+d.GetDestination()+condition)
		if d.GetPayload() != "" {
			fmt.Fprintln(w, "  "+d.GetPayload())
		}
		if d.GetError() != "" {
			fmt.Fprintln(w, "  nothing can be sent: "+d.GetError())
		}
		for _, omitted := range d.GetOmitted() {
			fmt.Fprintln(w, "  left out: "+omitted)
		}
	}
}
