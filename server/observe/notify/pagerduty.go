package notify

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	pagerDutyAddress = "https://events.pagerduty.com"
	// The longest summary that PagerDuty accepts.
	pagerDutySummary = 1024
)

// pagerDuty sends events to PagerDuty's Events API v2. The deduplication key is the gateway's address and the alert's identifier,
// so that a reminder adds to the open incident, an acknowledgement stops its escalation and a resolved alert closes it, without
// touching another gateway's incidents under the same routing key.
type pagerDuty struct {
	cfg *configv1.PagerDutyNotifier
	env Environment
}

// Kind implements Notifier.
func (*pagerDuty) Kind() string { return "pagerduty" }

// KeepsIncidents implements Notifier.
func (*pagerDuty) KeepsIncidents() bool { return true }

type pagerDutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action"`
	DedupKey   string            `json:"dedup_key"`
	Client     string            `json:"client"`
	ClientURL  string            `json:"client_url,omitempty"`
	Payload    *pagerDutyPayload `json:"payload,omitempty"`
	Links      []pagerDutyLink   `json:"links,omitempty"`
}

type pagerDutyPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp time.Time         `json:"timestamp"`
	Component string            `json:"component,omitempty"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details"`
}

type pagerDutyLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// Notify implements Notifier.
func (p *pagerDuty) Notify(ctx context.Context, m *Message) error {
	key, err := p.env.Secret(p.cfg.GetRoutingKey())
	if err != nil {
		return err
	}
	// A test opens an incident of the lowest severity, to prove that the key works.
	event := pagerDutyEvent{RoutingKey: key, Action: "trigger", DedupKey: m.Gateway + "/" + m.Alert.GetAlertId(), Client: "leadgate", ClientURL: m.Alert.GetUrl()}
	switch m.Type {
	case leadgatev1.NotificationType_NOTIFICATION_TYPE_RESOLVED:
		event.Action = "resolve"
	case leadgatev1.NotificationType_NOTIFICATION_TYPE_ACKNOWLEDGED:
		event.Action = "acknowledge"
	default:
		event.Payload, event.Links = pagerDutyContent(m)
	}
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	address := p.cfg.GetBaseUrl()
	if address == "" {
		address = pagerDutyAddress
	}
	return p.env.post(ctx, strings.TrimSuffix(address, "/")+"/v2/enqueue", body, nil)
}

func pagerDutyContent(m *Message) (*pagerDutyPayload, []pagerDutyLink) {
	a := m.Alert
	payload := &pagerDutyPayload{
		Summary: shorten(a.GetSummary(), pagerDutySummary), Source: m.Gateway, Severity: severity(a), Timestamp: m.occurred().UTC(),
		Component: a.GetDestination() + a.GetForm(), Class: a.GetRule(), Details: map[string]string{},
	}
	if m.Type == leadgatev1.NotificationType_NOTIFICATION_TYPE_TEST {
		payload.Severity = "info"
	}
	var links []pagerDutyLink
	for _, l := range lines(m) {
		payload.Details[strings.ToLower(l.name)] = l.text
		if l.link != "" {
			links = append(links, pagerDutyLink{l.link, l.name})
		}
	}
	return payload, links
}

// shorten cuts a text to at most size bytes, between characters.
func shorten(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}
