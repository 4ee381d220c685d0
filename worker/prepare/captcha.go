package prepare

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// provider is a CAPTCHA service. All three have the same API to verify tokens.
type provider struct {
	field string // the form field in which its widget puts the token
	url   string // where tokens are verified
}

// CaptchaField returns the form field in which the widget of a configured CAPTCHA puts its token.
func CaptchaField(cfg *configv1.Captcha) string {
	if cfg.GetField() != "" {
		return cfg.GetField()
	}
	return providerOf(cfg).field
}

func providerOf(cfg *configv1.Captcha) provider {
	switch cfg.GetProvider() {
	case "turnstile":
		return provider{"cf-turnstile-response", "https://challenges.cloudflare.com/turnstile/v0/siteverify"}
	case "hcaptcha":
		return provider{"h-captcha-response", "https://api.hcaptcha.com/siteverify"}
	}
	return provider{"g-recaptcha-response", "https://www.google.com/recaptcha/api/siteverify"}
}

// The default of min_score, which is also the score that Google recommends to start with.
const defaultMinScore = 0.5

// captcha verifies the tokens of one form.
type captcha struct {
	p        *Preparer
	name     string
	field    string
	url      string
	secret   string
	minScore float64
}

func (p *Preparer) newCaptcha(cfg *configv1.Captcha, secret func(string) (string, error)) (*captcha, error) {
	c := &captcha{p: p, name: cfg.GetProvider(), field: CaptchaField(cfg), url: cfg.GetUrl(), minScore: cfg.GetMinScore()}
	c.url = cmp.Or(c.url, providerOf(cfg).url)
	c.minScore = cmp.Or(c.minScore, defaultMinScore)
	var err error
	if c.secret, err = secret(cfg.GetSecret()); err != nil {
		return nil, fmt.Errorf("captcha: %w", err)
	}
	return c, nil
}

// verify checks the token that came with a submission. A lead without a submission comes from a backend and needs no token. If the
// service cannot be asked, the lead goes on.
func (c *captcha) verify(ctx context.Context, submission *leadgatev1.Submission) finding {
	if submission == nil {
		return finding{}
	}
	var token string
	for _, field := range submission.GetFields() {
		if field.GetName() == c.field && len(field.GetValues()) > 0 {
			token = field.GetValues()[0]
		}
	}
	if strings.TrimSpace(token) == "" {
		return c.hold("no token arrived in " + c.field)
	}
	answer, err := c.ask(ctx, token, submission.GetAddress())
	if err != nil {
		if ctx.Err() == nil {
			c.p.failed("captcha "+c.url, fmt.Sprintf("tokens of %s cannot be verified, and leads are accepted without: %v", c.name, err))
		}
		return finding{without: "captcha: " + err.Error()}
	}
	switch {
	case !answer.Success && slices.Contains(answer.Errors, "timeout-or-duplicate"):
		return c.hold("its token has expired or was already used")
	case !answer.Success:
		return c.hold("its token is not valid: " + strings.Join(answer.Errors, ", "))
	case answer.Score != nil && *answer.Score < c.minScore:
		return c.hold(fmt.Sprintf("it has the score %.1f, below %.1f", *answer.Score, c.minScore))
	}
	return finding{}
}

func (c *captcha) hold(why string) finding {
	return finding{hold: &leadgatev1.Hold{
		Reason: leadgatev1.HoldReason_HOLD_REASON_SPAM, Detail: fmt.Sprintf("%s does not confirm that a person sent it: %s (captcha)", c.name, why),
	}}
}

// verification is the answer of a service.
type verification struct {
	Success bool     `json:"success"`
	Errors  []string `json:"error-codes"`
	Score   *float64 `json:"score"`
}

// faults are error codes that are not about the token.
var faults = map[string]bool{
	"missing-input-secret": true, "invalid-input-secret": true, "bad-request": true, "internal-error": true, "sitekey-secret-mismatch": true,
	"not-using-dummy-passcode": true, "invalid-keys": true,
}

func (c *captcha) ask(ctx context.Context, token, address string) (*verification, error) {
	form := url.Values{"secret": {c.secret}, "response": {token}}
	if address != "" {
		form.Set("remoteip", address)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("url: it is not one")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.p.client.Do(req)
	if err != nil {
		return nil, errors.New("the service cannot be reached")
	}
	defer func() { _ = res.Body.Close() }()
	answer := &verification{}
	err = json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(answer)
	isVerdict := answer.Success || len(answer.Errors) > 0 || res.StatusCode == http.StatusOK // and not an answer of a proxy
	if err != nil || !isVerdict || res.StatusCode >= http.StatusInternalServerError {
		return nil, fmt.Errorf("the service answered HTTP %d", res.StatusCode)
	}
	for _, code := range answer.Errors {
		if faults[code] {
			return nil, errors.New("the service says " + code)
		}
	}
	return answer, nil
}
