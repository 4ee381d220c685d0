package http

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/crm"
)

// request is a request to send.
type request struct {
	method      string
	url         string
	values      map[string]string // for placeholders in headers
	contentType string            // empty without a body
	body        []byte
	idempotency string
	traceParent string
}

// Deliver implements crm.Destination.
func (d *destination) Deliver(ctx context.Context, items []crm.Item, _ leadgatev1.DeliveryMode) []crm.Outcome {
	outcomes := make([]crm.Outcome, len(items))
	if d.batch == nil {
		for i, item := range items { // MaxBatch is 1
			outcomes[i] = d.deliver(ctx, item)
		}
		return outcomes
	}
	var (
		bodies [][]byte
		sent   []int
	)
	for i, item := range items {
		_, body, err := d.open(item.Payload)
		if err != nil {
			outcomes[i] = unreadable
			continue
		}
		bodies, sent = append(bodies, d.mark(body, item)), append(sent, i)
	}
	if len(bodies) == 0 {
		return outcomes
	}
	for i, outcome := range d.deliverBatch(ctx, bodies) {
		outcomes[sent[i]] = outcome
	}
	return outcomes
}

// unreadable is the outcome of a payload that this configuration cannot have produced.
var unreadable = crm.Outcome{Kind: crm.Refused, Reason: "not sent: what was stored for it was made by another configuration of http; retry it, and it is made anew"}

func (d *destination) deliver(ctx context.Context, item crm.Item) crm.Outcome {
	values, body, err := d.open(item.Payload)
	if err != nil {
		return unreadable
	}
	answer, failure := d.call(ctx, request{
		method: d.method, url: d.url.fill(values, inURL), values: values,
		contentType: d.body.contentType, body: d.mark(body, item), idempotency: item.IdempotencyValue, traceParent: item.TraceParent,
	})
	if failure != nil {
		return *failure
	}
	return d.reading.one(answer)
}

func (d *destination) deliverBatch(ctx context.Context, bodies [][]byte) []crm.Outcome {
	answer, failure := d.call(ctx, request{
		method: d.method, url: d.url.fill(nil, inURL), contentType: d.batch.contentType(d.body), body: d.batch.join(bodies),
	})
	if failure != nil {
		return repeat(*failure, len(bodies))
	}
	return d.reading.many(answer, len(bodies))
}

// mark adds the idempotency value to a JSON object, if a member is configured for it.
func (d *destination) mark(body []byte, item crm.Item) []byte {
	field := d.cfg.GetIdempotencyField()
	if field == "" || !d.body.isJSON() {
		return body
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return body
	}
	members[field], _ = json.Marshal(item.IdempotencyValue)
	if marked, err := crm.Marshal(members); err == nil {
		return marked
	}
	return body
}

// call makes a request, and makes it once more with a new access token if the API refuses one that has not expired.
func (d *destination) call(ctx context.Context, r request) (*crm.Answer, *crm.Outcome) {
	answer, access, failure := d.try(ctx, r)
	if failure != nil || answer.Status != http.StatusUnauthorized || access == "" || !d.tokens.Refuse(access) {
		return answer, failure
	}
	answer, _, failure = d.try(ctx, r)
	return answer, failure
}

// try makes a request. access is the access token that it carried, if any.
func (d *destination) try(ctx context.Context, r request) (answer *crm.Answer, access string, failure *crm.Outcome) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, "", &crm.Outcome{Kind: crm.Retry, Reason: "not sent: the request cannot be made; check http.url"}
	}
	secrets, access, failure := d.dress(ctx, req, r)
	if failure != nil {
		return nil, "", failure
	}
	answer, failure = crm.Call(d.env, req, secrets...)
	return answer, access, failure
}

// repeat returns the outcome of a whole call for each of its n leads. If there are several, it has no body: the answer may quote
// several people, and no lead may store data of another.
func repeat(outcome crm.Outcome, n int) []crm.Outcome {
	if n > 1 {
		outcome.Body = ""
	}
	outcomes := make([]crm.Outcome, n)
	for i := range outcomes {
		outcomes[i] = outcome
	}
	return outcomes
}
