package notify

import (
	"fmt"
	"strings"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

// title returns the first line of a message.
func title(m *Message) string {
	return fmt.Sprintf("[%s] %s", word(m), m.Alert.GetSummary())
}

// word returns the type or severity in brackets of the title.
func word(m *Message) string {
	switch m.Type {
	case leadgatev1.NotificationType_NOTIFICATION_TYPE_RESOLVED:
		return "resolved"
	case leadgatev1.NotificationType_NOTIFICATION_TYPE_TEST:
		return "test"
	case leadgatev1.NotificationType_NOTIFICATION_TYPE_REMINDER:
		return "still " + severity(m.Alert)
	}
	return severity(m.Alert)
}

func severity(a *leadgatev1.Alert) string {
	return enums.Name(a.GetSeverity())
}

// line is one detail. link may be empty.
type line struct{ name, text, link string }

// lines returns the details an operator needs besides the title, in order of need: since when, why, which lead, what to do.
func lines(m *Message) []line {
	a := m.Alert
	var all []line
	add := func(name, text, link string) {
		if text != "" {
			all = append(all, line{name, text, link})
		}
	}
	add("Since", since(m), "")
	add("Cause", a.GetCause(), "")
	add("Lead", a.GetLeadId(), a.GetLeadUrl())
	if m.Type != leadgatev1.NotificationType_NOTIFICATION_TYPE_RESOLVED {
		add("Do", a.GetAction(), "")
		add("Command", a.GetCommand(), "")
	}
	add("Console", a.GetUrl(), a.GetUrl())
	return all
}

func since(m *Message) string {
	fired := m.Alert.GetFireTime()
	if fired == nil {
		return ""
	}
	until := m.Time
	if m.Type == leadgatev1.NotificationType_NOTIFICATION_TYPE_RESOLVED {
		until = m.occurred()
	}
	text := fired.AsTime().UTC().Format("2006-01-02 15:04:05 UTC")
	if passed := until.Sub(fired.AsTime()).Round(time.Second); passed >= time.Minute {
		text += fmt.Sprintf(", for %s", passed)
	}
	return text
}

// plain returns the whole message as plain text, for mail.
func plain(m *Message) string {
	var text strings.Builder
	text.WriteString(title(m))
	text.WriteString("\n\n")
	for _, l := range lines(m) {
		fmt.Fprintf(&text, "%-9s%s\n", l.name+":", l.text)
		if l.link != "" && l.link != l.text {
			fmt.Fprintf(&text, "%-9s%s\n", "", l.link)
		}
	}
	fmt.Fprintf(&text, "\nleadgate at %s, alert %s\n", m.Gateway, m.Alert.GetAlertId())
	return text.String()
}
