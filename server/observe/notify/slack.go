package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// slack posts to a Slack incoming webhook. It sends only "text", which every compatible service understands.
type slack struct {
	cfg *configv1.SlackNotifier
	env Environment
}

// Kind implements Notifier.
func (*slack) Kind() string { return "slack" }

// KeepsIncidents implements Notifier.
func (*slack) KeepsIncidents() bool { return false }

// Notify implements Notifier.
func (s *slack) Notify(ctx context.Context, m *Message) error {
	address, err := s.env.Secret(s.cfg.GetUrl())
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"text": slackText(m)})
	if err != nil {
		return err
	}
	return s.env.post(ctx, address, body, nil)
}

// slackText returns the message in Slack's mrkdwn.
func slackText(m *Message) string {
	// Slack requires these escapes and no others. A backtick would end the code span.
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	var text strings.Builder
	fmt.Fprintf(&text, "*%s*", escape.Replace(title(m)))
	for _, l := range lines(m) {
		shown := escape.Replace(l.text)
		switch {
		case l.link != "":
			shown = fmt.Sprintf("<%s|%s>", escape.Replace(l.link), shown)
		case l.name == "Command":
			shown = "`" + strings.ReplaceAll(shown, "`", "'") + "`"
		}
		fmt.Fprintf(&text, "\n%s: %s", l.name, shown)
	}
	return text.String()
}
