package http

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // some APIs want it; an HMAC by it is not broken
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// signer signs a request, so that the API can verify its sender.
type signer interface {
	sign(w *wardrobe, req *http.Request, r request, now time.Time) error
}

func newSigner(cfg *configv1.HTTPSignature) signer {
	switch kind := cfg.GetKind().(type) {
	case *configv1.HTTPSignature_Hmac:
		return &hmacSigner{kind.Hmac}
	case *configv1.HTTPSignature_StandardWebhooks:
		return &standardSigner{kind.StandardWebhooks}
	}
	return nil
}

// hmacSigner sends an HMAC of the body in a header.
type hmacSigner struct{ cfg *configv1.HTTPHMAC }

func (s *hmacSigner) sign(w *wardrobe, req *http.Request, r request, now time.Time) error {
	algorithm := map[string]func() hash.Hash{"": sha256.New, "sha256": sha256.New, "sha512": sha512.New, "sha1": sha1.New}[s.cfg.GetAlgorithm()]
	if algorithm == nil {
		return fmt.Errorf("http.signature.hmac.algorithm %q is not known", s.cfg.GetAlgorithm())
	}
	mac := hmac.New(algorithm, []byte(w.secret("signature.hmac.secret", s.cfg.GetSecret())))
	if name := s.cfg.GetTimestampHeader(); name != "" {
		stamp := strconv.FormatInt(now.Unix(), 10)
		req.Header.Set(name, stamp)
		mac.Write([]byte(stamp + "."))
	}
	mac.Write(r.body)
	encoded := hex.EncodeToString(mac.Sum(nil))
	if s.cfg.GetEncoding() == "base64" {
		encoded = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	header := cmp.Or(s.cfg.GetHeader(), "X-Signature")
	req.Header.Set(header, s.cfg.GetPrefix()+encoded)
	return nil
}

// standardSigner signs the identifier, time and body with each secret, according to Standard Webhooks. The identifier is the same
// whenever the same bytes are sent again; the time is not.
type standardSigner struct {
	cfg *configv1.HTTPStandardWebhooks
}

func (s *standardSigner) sign(w *wardrobe, req *http.Request, r request, now time.Time) error {
	id, stamp := r.idempotency, strconv.FormatInt(now.Unix(), 10)
	if id == "" { // a batch
		sum := sha256.Sum256(r.body)
		id = "batch_" + hex.EncodeToString(sum[:16])
	}
	signatures := make([]string, len(s.cfg.GetSecrets()))
	for i, reference := range s.cfg.GetSecrets() {
		secret := w.secret("signature.standard_webhooks.secrets", reference)
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil && w.failure == nil {
			return errors.New("http.signature.standard_webhooks.secrets: a secret is not base64, with or without whsec_ before it")
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, stamp, r.body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", stamp)
	req.Header.Set("Webhook-Signature", strings.Join(signatures, " "))
	return nil
}
