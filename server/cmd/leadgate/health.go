package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is how long a gateway may take to answer.
const healthTimeout = 3 * time.Second

func newHealth() *cobra.Command {
	var conn connection
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a gateway whether it accepts leads",
		Long:  "Ask a gateway whether it accepts leads now; for containers that have no other HTTP client. Exits with 0 if it does, with 1 if not.",
		Example: `  leadgate health
  leadgate health --server https://leads.example.com`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := conn.ready(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return nil
		},
	}
	conn.addFlags(cmd)
	return cmd
}

// ready returns nil if the gateway accepts leads.
func (c *connection) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	base := strings.TrimSuffix(c.server, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return usageError{fmt.Errorf("--server %q: %w", c.server, err)}
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return c.away(err.Error())
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	var problem struct{ Detail string }
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil || json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		return fmt.Errorf("what answers at %s is no gateway, or not reached through its proxy: GET /readyz says %s", c.server, answer.Status)
	}
	return fmt.Errorf("not ready: %s", problem.Detail)
}
