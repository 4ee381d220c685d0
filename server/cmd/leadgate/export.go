package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

func newExport() *cobra.Command {
	var (
		conn         connection
		form, email  string
		since, until string
	)
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print leads with their deliveries, one JSON object a line",
		Example: `  leadgate export > leads.ndjson
  leadgate export --form contact --since 2026-11-01 --until 2026-12-01
  leadgate export --email ada@example.com`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			request := &leadgatev1.ExportLeadsRequest{Form: form, Email: email}
			for _, bound := range []struct {
				flag, value string
				field       **timestamppb.Timestamp
			}{{"since", since, &request.Since}, {"until", until, &request.Until}} {
				if bound.value == "" {
					continue
				}
				at, err := parseTime(bound.value)
				if err != nil {
					return usageError{fmt.Errorf("--%s: %w", bound.flag, err)}
				}
				*bound.field = timestamppb.New(at)
			}
			client, err := conn.dial()
			if err != nil {
				return err
			}
			defer client.Close()
			stream, err := leadgatev1.NewLeadServiceClient(client).ExportLeads(cmd.Context(), request)
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
				line, err := protojson.Marshal(lead)
				if err != nil {
					return err
				}
				if _, err := out.Write(append(line, '\n')); err != nil {
					return err
				}
			}
		},
	}
	conn.addFlags(cmd)
	cmd.Flags().StringVar(&form, "form", "", "only leads from this form")
	cmd.Flags().StringVar(&email, "email", "", "only leads of this person")
	cmd.Flags().StringVar(&since, "since", "", "only leads accepted at or after this time, such as 2026-11-01 or 2026-11-01T12:00:00Z")
	cmd.Flags().StringVar(&until, "until", "", "only leads accepted before this time")
	return cmd
}

// parseTime reads a day, which begins at midnight UTC, or a time as RFC 3339 has it.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time, such as 2026-11-01 or 2026-11-01T12:00:00Z", text)
}
