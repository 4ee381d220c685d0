package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	leadgate "github.com/leadgate/leadgate/clients/go"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

func newSubmit() *cobra.Command {
	var (
		conn      connection
		out       output
		form, key string
		file      string
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
			client, err := conn.client()
			if err != nil {
				return err
			}
			defer client.Close()
			answer, err := submit(cmd.Context(), client, form, key, pairs, body)
			if err != nil {
				return err
			}
			shown := &leadgatev1.SubmitLeadResponse{LeadId: answer.LeadID, Replayed: &answer.Replayed}
			return printAll(&out, cmd.OutOrStdout(), []*leadgatev1.SubmitLeadResponse{shown}, func(w io.Writer) {
				if answer.Replayed {
					fmt.Fprintf(w, "accepted before: lead %s\n", answer.LeadID)
					return
				}
				fmt.Fprintf(w, "accepted: lead %s\n", answer.LeadID)
			})
		},
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	cmd.Flags().StringVar(&form, "form", "", "submit through this form")
	cmd.Flags().StringVar(&key, "key", "", "idempotency key (default: a new one)")
	cmd.Flags().StringVar(&file, "file", "", "read a lead (with --form: a submission's fields) as JSON from this file, - for standard input")
	return cmd
}

// submit sends what was given on the command line.
func submit(ctx context.Context, client *leadgate.Client, form, key string, pairs []pair, body []byte) (leadgate.Accepted, error) {
	if form == "" {
		lead, err := leadOf(pairs, body)
		if err != nil {
			return leadgate.Accepted{}, err
		}
		return client.Submit(ctx, lead, leadgate.WithKey(key))
	}
	fields, err := formFieldsOf(pairs, body)
	if err != nil {
		return leadgate.Accepted{}, err
	}
	return client.SubmitForm(ctx, form, fields, leadgate.WithKey(key))
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

// formFieldsOf reads a form's fields from a JSON object, then adds the named ones.
func formFieldsOf(pairs []pair, body []byte) ([]leadgate.Field, error) {
	var fields []leadgate.Field
	if len(body) > 0 {
		decoded, err := intake.Decode("application/json", body)
		if err != nil {
			return nil, usageError{fmt.Errorf("the file does not hold a form's fields: %w", err)}
		}
		for _, field := range decoded {
			fields = append(fields, leadgate.Field{Name: field.GetName(), Values: field.GetValues()})
		}
	}
	for _, p := range pairs {
		fields = append(fields, leadgate.Field{Name: p.name, Values: []string{p.value}})
	}
	return fields, nil
}
