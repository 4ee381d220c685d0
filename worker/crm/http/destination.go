// Package http delivers leads to any HTTP API that takes a lead as a JSON object: one request a lead.
//
// There is no telling whether such an API knows a lead that comes twice, so each request carries the header Idempotency-Key,
// which is the same whenever the same bytes are sent again.
package http

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/mapping"
)

type destination struct {
	env      crm.Environment
	cfg      *configv1.HTTP
	method   string
	recordID pointer // nil if the answer is not asked for one
	account  string  // the host: who gets the leads
}

// New returns the destination that is configured. It makes no call. It keeps cfg, which is not to be changed any more.
func New(cfg *configv1.HTTP, env crm.Environment) (crm.Destination, error) {
	d := &destination{env: env, cfg: cfg, method: cfg.GetMethod()}
	if d.method == "" {
		d.method = http.MethodPost
	}
	if cfg.GetRecordId() != "" {
		var err error
		if d.recordID, err = parsePointer(cfg.GetRecordId()); err != nil {
			return nil, fmt.Errorf("http.record_id: %w", err)
		}
	}
	req, err := http.NewRequest(d.method, cfg.GetUrl(), nil) //nolint:noctx // it is not sent, only checked
	if err != nil {
		return nil, fmt.Errorf("http.url: %w", err)
	}
	d.account = req.URL.Host
	return d, nil
}

// Traits implements crm.Destination.
func (d *destination) Traits() crm.Traits {
	return crm.Traits{Kind: "http", MaxBatch: 1, Defaults: defaults()}
}

// defaults are the lead's own fields under their own names. Where it came from is sent by those who ask for it.
func defaults() map[string]string {
	properties := map[string]string{}
	for _, name := range mapping.Fields() {
		if !strings.Contains(name, ".") {
			properties[name] = name
		}
	}
	return properties
}

// Encode implements crm.Destination: a JSON object, its keys sorted.
func (d *destination) Encode(properties []mapping.Property) ([]byte, error) {
	object := make(map[string]any, len(properties))
	for _, p := range properties {
		object[p.Name] = p.Value
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // it goes to an API, and operators read it
	if err := encoder.Encode(object); err != nil {
		return nil, fmt.Errorf("make a JSON object of the lead: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// Deliver implements crm.Destination.
func (d *destination) Deliver(ctx context.Context, batch []crm.Item, _ leadgatev1.DeliveryMode) []crm.Outcome {
	outcomes := make([]crm.Outcome, len(batch))
	for i, item := range batch { // MaxBatch is 1
		outcomes[i] = d.deliver(ctx, item)
	}
	return outcomes
}

func (d *destination) deliver(ctx context.Context, item crm.Item) crm.Outcome {
	answer, failure := d.call(ctx, d.method, item.Payload, item.IdempotencyValue)
	if failure != nil {
		return *failure
	}
	return d.outcome(answer)
}

// Ping implements crm.Destination. The API's only known address is the one that takes leads, so it is asked with HEAD,
// which changes nothing anywhere: whatever it answers shows that it is up, unless it complains of credentials or itself.
func (d *destination) Ping(ctx context.Context) crm.Outcome {
	answer, failure := d.call(ctx, http.MethodHead, nil, "")
	if failure != nil {
		return *failure
	}
	outcome := pong(answer)
	outcome.Account = d.account
	return outcome
}

// Schema implements crm.Destination: there is no telling what properties an API takes.
func (*destination) Schema(context.Context) (*crm.Schema, crm.Outcome) {
	return nil, crm.Outcome{Kind: crm.Delivered}
}

func (d *destination) call(ctx context.Context, method string, body []byte, idempotencyValue string) (*crm.Answer, *crm.Outcome) {
	req, err := http.NewRequestWithContext(ctx, method, d.cfg.GetUrl(), bytes.NewReader(body))
	if err != nil {
		return nil, &crm.Outcome{Kind: crm.Retry, Reason: "not sent: the request cannot be made; check http.url"}
	}
	secrets, err := d.dress(req)
	if err != nil {
		return nil, &crm.Outcome{Kind: crm.CredentialsRefused, Reason: "not sent: a secret cannot be read: " + err.Error()}
	}
	if idempotencyValue != "" {
		req.Header.Set("Idempotency-Key", idempotencyValue)
	}
	return crm.Call(d.env, req, secrets...)
}
