package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

func newSubmit() *cobra.Command {
	var (
		conn       connection
		out        output
		form, key  string
		file       string
		submission submitter
	)
	cmd := &cobra.Command{
		Use:   "submit [NAME=VALUE ...]",
		Short: "Submit a lead",
		Long: `Submit a lead to a running gateway: as a backend would, or with --form as a page would.

Without --form the names are lead fields: email, first_name, custom.budget. With --form they are the form's own.`,
		Example: `  leadgate submit email=ada@example.com first_name=Ada country=GB custom.budget=4000
  leadgate submit --form contact email=ada@example.com firstname=Ada
  leadgate submit --file lead.json
  echo '{"email":"ada@example.com"}' | leadgate submit --file -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			pairs, err := parsePairs(args)
			if err != nil {
				return err
			}
			body, err := readFile(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			if len(pairs) == 0 && len(body) == 0 {
				return usageError{fmt.Errorf("nothing to submit: give NAME=VALUE arguments or --file; see leadgate submit --help")}
			}
			if key == "" {
				key = uuid.NewString()
			}
			client, err := conn.dial()
			if err != nil {
				return err
			}
			defer client.Close()
			submission.service = leadgatev1.NewLeadServiceClient(client)
			ctx := metadata.AppendToOutgoingContext(cmd.Context(), "idempotency-key", key)
			answer, err := submission.submit(ctx, form, pairs, body)
			if err != nil {
				return err
			}
			return printAll(&out, cmd.OutOrStdout(), []*leadgatev1.SubmitLeadResponse{answer}, func(w io.Writer) {
				if answer.GetReplayed() {
					fmt.Fprintf(w, "accepted before: lead %s\n", answer.GetLeadId())
					return
				}
				fmt.Fprintf(w, "accepted: lead %s\n", answer.GetLeadId())
			})
		},
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	cmd.Flags().StringVar(&form, "form", "", "submit through this form")
	cmd.Flags().StringVar(&key, "key", "", "idempotency key; a new one if left out")
	cmd.Flags().StringVar(&file, "file", "", "read a lead (with --form: a submission's fields) as JSON from this file, - for standard input")
	return cmd
}

// submitter sends what was given on the command line.
type submitter struct{ service leadgatev1.LeadServiceClient }

func (s *submitter) submit(ctx context.Context, form string, pairs []pair, body []byte) (*leadgatev1.SubmitLeadResponse, error) {
	if form == "" {
		lead, err := leadOf(pairs, body)
		if err != nil {
			return nil, err
		}
		return s.service.SubmitLead(ctx, &leadgatev1.SubmitLeadRequest{Lead: lead})
	}
	submission, err := submissionOf(pairs, body)
	if err != nil {
		return nil, err
	}
	answer, err := s.service.SubmitForm(ctx, &leadgatev1.SubmitFormRequest{Form: form, Submission: submission})
	if err != nil {
		return nil, err
	}
	return &leadgatev1.SubmitLeadResponse{LeadId: answer.GetLeadId(), Replayed: answer.Replayed}, nil
}

type pair struct{ name, value string }

func parsePairs(args []string) ([]pair, error) {
	var pairs []pair
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("%q is not NAME=VALUE", arg)}
		}
		pairs = append(pairs, pair{name, value})
	}
	return pairs, nil
}

func readFile(stdin io.Reader, name string) ([]byte, error) {
	switch name {
	case "":
		return nil, nil
	case "-":
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

// leadOf reads a lead from JSON, then sets the named fields in it. A dotted name is a field of a nested object.
func leadOf(pairs []pair, body []byte) (*leadgatev1.Lead, error) {
	lead := &leadgatev1.Lead{}
	if len(body) > 0 {
		if err := protojson.Unmarshal(body, lead); err != nil {
			return nil, usageError{fmt.Errorf("the file does not hold a lead: %w", err)}
		}
	}
	for _, p := range pairs {
		if err := setField(lead, p); err != nil {
			return nil, err
		}
	}
	return lead, nil
}

// submissionOf reads a submission's fields from a JSON object of strings and lists of strings, then adds the named ones.
func submissionOf(pairs []pair, body []byte) (*leadgatev1.Submission, error) {
	submission := &leadgatev1.Submission{ContentType: "application/json"}
	if len(body) > 0 {
		fields, err := intake.Decode(submission.GetContentType(), body)
		if err != nil {
			return nil, usageError{fmt.Errorf("the file does not hold a form's fields: %w", err)}
		}
		submission.Fields = fields
	}
	for _, p := range pairs {
		submission.Fields = append(submission.Fields, &leadgatev1.Submission_Field{Name: p.name, Values: []string{p.value}})
	}
	return submission, nil
}
