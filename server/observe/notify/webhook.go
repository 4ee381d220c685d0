package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/worker/enums"
)

// webhook posts the alert as JSON, signed according to Standard Webhooks (https://www.standardwebhooks.com) if it has a secret.
type webhook struct {
	cfg *configv1.WebhookNotifier
	env Environment
}

// Kind implements Notifier.
func (*webhook) Kind() string { return "webhook" }

// KeepsIncidents implements Notifier.
func (*webhook) KeepsIncidents() bool { return false }

// Notify implements Notifier.
func (w *webhook) Notify(ctx context.Context, m *Message) error {
	alert, err := protojson.Marshal(m.Alert)
	if err != nil {
		return err
	}
	body, err := json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{"alert." + enums.Name(m.Type), m.occurred().UTC(), alert})
	if err != nil {
		return err
	}
	now := strconv.FormatInt(w.env.Now().Unix(), 10)
	headers := map[string]string{"webhook-id": m.ID, "webhook-timestamp": now}
	if w.cfg.GetSecret() != "" {
		secret, err := w.env.Secret(w.cfg.GetSecret())
		if err != nil {
			return err
		}
		key, err := signingKey(secret)
		if err != nil {
			return err
		}
		headers["webhook-signature"] = signature(key, m.ID, now, body)
	}
	return w.env.post(ctx, w.cfg.GetUrl(), body, headers)
}

// signingKey decodes a secret: whsec_ followed by base64.
func signingKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) == 0 {
		return nil, errors.New("the secret is not whsec_ followed by base64, as Standard Webhooks wants it; make one with: echo whsec_$(openssl rand -base64 24)")
	}
	return key, nil
}

func signature(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
