package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/server/demo"
	"github.com/leadgate/leadgate/worker/crm/simulator"
	"github.com/leadgate/leadgate/worker/crm/simulator/hubspot"
)

// The demo's CRM is slow and fails now and then, so that there is something to see.
var demoFaults = simulator.Faults{FailRate: 0.15, Latency: simulator.Duration(150 * time.Millisecond)}

func newDemo() *cobra.Command {
	var listen, dataDir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try it out: run a gateway, a simulated CRM and a page with a form",
		Long: `Run a gateway, a simulated HubSpot that fails now and then, and a page with a form that shows live what becomes of a lead.
Everything listens on this machine only. Its data is deleted when it ends, unless --data-dir says where to keep it.`,
		Example: `  leadgate demo
  leadgate demo --listen 127.0.0.1:9000 --data-dir ./demo`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dataDir == "" {
				dir, err := os.MkdirTemp("", "leadgate-demo-")
				if err != nil {
					return err
				}
				defer func() { _ = os.RemoveAll(dir) }() // if it fails, the system will clear its temporary directory
				dataDir = dir
			}
			return runDemo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), listen, dataDir)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "address to listen on, host:port")
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "directory to keep leads in (default: a temporary one)")
	return cmd
}

func runDemo(ctx context.Context, out, notes io.Writer, address, dataDir string) (err error) {
	token := uuid.NewString()
	crm := hubspot.New(hubspot.Options{Token: token})
	crm.SetFaults(demoFaults)
	crmListener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	crmContext, stopCRM := context.WithCancel(context.WithoutCancel(ctx)) // it must outlive the gateway's last calls
	crmStopped := make(chan error, 1)
	go func() { crmStopped <- serveSimulator(crmContext, crmListener, crm) }()
	defer func() {
		stopCRM()
		err = errors.Join(err, <-crmStopped)
	}()

	snapshot, err := demoConfig(token, crmListener.Addr())
	if err != nil {
		return err
	}
	(&overrides{listen: address, dataDir: dataDir, logFormat: word{value: "text"}, logLevel: word{value: "error"}}).apply(snapshot.Config)
	g, err := openGateway(ctx, gatewayOptions{snapshot: snapshot, out: notes, routes: map[string]http.Handler{"/demo/": demo.Handler(crm)}})
	if err != nil {
		return err
	}
	printer, err := newEventPrinter(out, notes, "text")
	if err != nil {
		return errors.Join(err, g.close())
	}
	fmt.Fprint(out, demoWelcome(g.listener.Addr().String(), crmListener.Addr().String()))
	stopPrinting := g.journal.Tap(func(events []*leadgatev1.Event) {
		for _, event := range events {
			_ = printer.event(event) // fails if the terminal is gone
		}
	})
	defer stopPrinting()
	return g.run(ctx)
}

// demoConfig returns the demo's configuration, with the simulated CRM as its HubSpot.
func demoConfig(token string, crm net.Addr) (config.Snapshot, error) {
	env := environment()
	env.LookupEnv = func(name string) (string, bool) { return token, name == "HUBSPOT_TOKEN" }
	snapshot, err := config.Parse("demo.yaml", demo.Config, env)
	if err != nil {
		return config.Snapshot{}, err
	}
	snapshot.Config.GetDestinations()["crm"].GetHubspot().BaseUrl = "http://" + crm.String()
	return snapshot, nil
}

func demoWelcome(gateway, crm string) string {
	return fmt.Sprintf(`
leadgate demo: a gateway, a simulated HubSpot that fails now and then, and a page with a form.

  the page       http://%[1]s/demo/
  the console    http://%[1]s/console/
  the CRM holds  http://%[2]s/_sim/contacts
  the API        http://%[1]s/openapi.json

Submit a lead:
  curl http://%[1]s/v1/forms/contact/submissions -d email=grace@example.com -d firstname=Grace
  grpcurl -plaintext -d '{"lead":{"email":"ada@example.com"}}' %[1]s leadgate.v1.LeadService/SubmitLead

Events appear below; Ctrl-C ends it.

`, gateway, crm)
}
