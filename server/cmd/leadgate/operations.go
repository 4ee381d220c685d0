package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

// How often the progress of an operation is read.
const progressInterval = 500 * time.Millisecond

// operate calls an RPC on many under a new operation ID, and shows the progress in a terminal. The operation continues even if the
// command ends first.
func operate[Answer any](cmd *cobra.Command, gateway *services, call func(operationID string) (Answer, error)) (Answer, error) {
	id := uuid.NewString()
	ctx, cancel := context.WithCancel(cmd.Context())
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		bar := newProgress(cmd.ErrOrStderr(), "working")
		defer bar.done()
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if answer, err := gateway.GetOperation(ctx, &leadgatev1.GetOperationRequest{OperationId: id}); err == nil {
				bar.count(answer.GetOperation().GetMatched(), answer.GetOperation().GetTotal())
			}
		}
	}()
	answer, err := call(id)
	cancel()
	<-shown
	if err != nil && cmd.Context().Err() != nil {
		return answer, fmt.Errorf("no longer waiting; if it has begun it goes on, and leadgate operations get %s shows how far it is", id)
	}
	return answer, err
}

func newOperations() *cobra.Command {
	var (
		conn connection
		out  output
	)
	cmd := &cobra.Command{
		Use:   "operations",
		Short: "Show bulk operations on leads or deliveries, and their results",
		RunE:  needsSubcommand,
		Args:  cobra.ArbitraryArgs,
	}
	conn.addFlags(cmd)
	out.addFlag(cmd)
	cmd.AddCommand(&cobra.Command{
		Use:     "list",
		Short:   "List operations in progress and those of the last seven days, newest first",
		Example: "  leadgate operations list",
		Args:    exactArgs(),
		RunE: conn.with(func(cmd *cobra.Command, _ []string, gateway *services) error {
			answer, err := gateway.ListOperations(cmd.Context(), &leadgatev1.ListOperationsRequest{})
			if err != nil {
				return err
			}
			return printAll(&out, cmd.OutOrStdout(), answer.GetOperations(), func(w io.Writer) {
				table(w, "OPERATION\tWHAT\tSTATE\tDONE\tBEGUN\tCAME OF IT", func(w io.Writer) {
					for _, op := range answer.GetOperations() {
						fmt.Fprintf(w, "%s\t%s\t%s\t%d of %d\t%s\t%s\n", op.GetOperationId(), op.GetKind(), enums.Name(op.GetState()),
							op.GetMatched(), op.GetTotal(), ago(op.GetCreateTime(), time.Now()), orDash(countsInWords(op)))
					}
				})
			})
		}),
	}, &cobra.Command{
		Use:     "get OPERATION",
		Short:   "Show an operation, with what went wrong",
		Example: "  leadgate operations get 5f0c54a2-4d44-4c79-9c43-6b3a3a5d4d5e",
		Args:    exactArgs("OPERATION"),
		RunE: conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
			answer, err := gateway.GetOperation(cmd.Context(), &leadgatev1.GetOperationRequest{OperationId: args[0]})
			if err != nil {
				return err
			}
			op := answer.GetOperation()
			return printAll(&out, cmd.OutOrStdout(), []*leadgatev1.Operation{op}, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s, %d of %d\n", op.GetKind(), enums.Name(op.GetState()), op.GetMatched(), op.GetTotal())
				if words := countsInWords(op); words != "" {
					fmt.Fprintln(w, "  "+words)
				}
				if op.GetError() != "" {
					fmt.Fprintln(w, "  "+op.GetError())
				}
				describeProblems(w, op.GetProblems())
			})
		}),
	})
	return cmd
}

func countsInWords(op *leadgatev1.Operation) string {
	var words []string
	for _, word := range slices.Sorted(maps.Keys(op.GetCounts())) {
		words = append(words, fmt.Sprintf("%d %s", op.GetCounts()[word], word))
	}
	return strings.Join(words, ", ")
}

// problemsOf returns what an operation could not do and why; nil if that cannot be read.
func problemsOf(ctx context.Context, gateway *services, operationID string) []*leadgatev1.OperationProblem {
	answer, err := gateway.GetOperation(ctx, &leadgatev1.GetOperationRequest{OperationId: operationID})
	if err != nil {
		return nil
	}
	return answer.GetOperation().GetProblems()
}

func describeProblems(w io.Writer, problems []*leadgatev1.OperationProblem) {
	for _, problem := range problems {
		fmt.Fprintf(w, "  %s: %s\n", problem.GetId(), problem.GetMessage())
	}
}
