package main

import (
	"bufio"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func newExport() *cobra.Command {
	var (
		conn         connection
		form, email  string
		since, until moment
	)
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print leads with their deliveries, one JSON object per line",
		Example: `  leadgate export > leads.ndjson
  leadgate export --form contact --since 2026-11-01 --until 2026-12-01
  leadgate export --email ada@example.com`,
		Args: exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			now := time.Now()
			request := &leadgatev1.ExportLeadsRequest{Form: form, Email: email, Since: since.timestamp(now), Until: until.timestamp(now)}
			stream, err := gateway.ExportLeads(cmd.Context(), request)
			if err != nil {
				return conn.explain(err)
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			for {
				lead, err := stream.Recv()
				if errors.Is(err, io.EOF) {
					return out.Flush()
				}
				if err != nil {
					return errors.Join(conn.explain(err), out.Flush())
				}
				line, err := jsonLine(lead)
				if err != nil {
					return err
				}
				if _, err := out.WriteString(line + "\n"); err != nil {
					return err
				}
			}
		}),
	}
	conn.addFlags(cmd)
	cmd.Flags().StringVar(&form, "form", "", "only leads from this form")
	cmd.Flags().StringVar(&email, "email", "", "only leads of this person")
	cmd.Flags().Var(&since, "since", "only leads accepted in the last 2h, 7d etc., or since a day, such as 2026-11-01")
	cmd.Flags().Var(&until, "until", "only leads accepted before then, in the same form")
	return cmd
}
