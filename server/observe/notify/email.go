package notify

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/wneessen/go-mail"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// email sends mail. All mails about one alert form one thread.
type email struct {
	cfg *configv1.EmailNotifier
	env Environment
}

// Kind implements Notifier.
func (*email) Kind() string { return "email" }

// KeepsIncidents implements Notifier.
func (*email) KeepsIncidents() bool { return false }

// Notify implements Notifier.
func (e *email) Notify(ctx context.Context, m *Message) error {
	message, err := e.message(m)
	if err != nil {
		return err
	}
	line := &mailLine{}
	defer line.close()
	client, err := e.client(line)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, message)
}

// mailLine is the connection to the mail server. Notify always closes it, because the library leaves it open if the server does not
// offer encryption.
type mailLine struct{ conn net.Conn }

func (l *mailLine) close() {
	if l.conn != nil {
		_ = l.conn.Close() // already closed if all went well
	}
}

// dial returns a dial function for the connection, with implicit TLS or without.
func (l *mailLine) dial(encrypted bool, host string) mail.DialContextFunc {
	return func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		if encrypted {
			conn, err = (&tls.Dialer{Config: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}).DialContext(ctx, network, address)
		} else {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		}
		if err == nil {
			l.conn = conn
		}
		return conn, err
	}
}

func (e *email) message(m *Message) (*mail.Msg, error) {
	message := mail.NewMsg()
	if err := message.From(e.cfg.GetFrom()); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if err := message.To(e.cfg.GetTo()...); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	message.Subject(title(m))
	message.SetDateWithValue(m.Time)
	message.SetMessageIDWithValue(m.ID + "@leadgate")
	if fired := m.Alert.GetFireTime(); fired != nil {
		message.SetGenHeader("References", fmt.Sprintf("<%s-%d@leadgate>", m.Alert.GetAlertId(), fired.AsTime().UnixMilli()))
	}
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(mail.TypeTextPlain, plain(m))
	return message, nil
}

func (e *email) client(line *mailLine) (*mail.Client, error) {
	options := []mail.Option{
		mail.WithTimeout(sendTimeout), mail.WithDialContextFunc(line.dial(e.cfg.GetEncryption() == "tls", e.cfg.GetHost())),
	}
	switch e.cfg.GetEncryption() {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	port := int(e.cfg.GetPort())
	if port == 0 {
		port = 587
	}
	options = append(options, mail.WithPort(port))
	if e.cfg.GetUsername() != "" {
		password, err := e.env.Secret(e.cfg.GetPassword())
		if err != nil {
			return nil, err
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.cfg.GetUsername()), mail.WithPassword(password))
	}
	client, err := mail.NewClient(e.cfg.GetHost(), options...)
	if err != nil {
		return nil, fmt.Errorf("mail server %s: %w", e.cfg.GetHost(), err)
	}
	return client, nil
}
