package crm_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/leadgate/leadgate/worker/crm"
	"github.com/leadgate/leadgate/worker/pace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	soon := noon.Add(90 * time.Second)
	for value, want := range map[string]time.Duration{
		"":                           0,
		"0":                          0,
		"120":                        2 * time.Minute,
		" 120 ":                      2 * time.Minute,
		"-5":                         0,
		"-9223372036854775808":       0,
		"-99999999999999999999":      0,
		"86400":                      24 * time.Hour,
		"86401":                      24 * time.Hour,
		"99999999999999999999":       24 * time.Hour,
		"1.5":                        0,
		"soon":                       0,
		soon.Format(http.TimeFormat): 90 * time.Second,
		soon.Format("Monday, 02-Jan-06 15:04:05 GMT"):    90 * time.Second,
		soon.Format(time.ANSIC):                          90 * time.Second,
		noon.Add(-time.Hour).Format(http.TimeFormat):     0,
		noon.Add(48 * time.Hour).Format(http.TimeFormat): 24 * time.Hour,
	} {
		if got := crm.RetryAfter(http.Header{"Retry-After": {value}}, noon); got != want {
			t.Errorf("Retry-After %q is %v, want %v", value, got, want)
		}
	}
	ahead := http.Header{"Date": {noon.Add(time.Hour).Format(http.TimeFormat)}, "Retry-After": {noon.Add(time.Hour + time.Minute).Format(http.TimeFormat)}}
	if got := crm.RetryAfter(ahead, noon); got != time.Minute {
		t.Errorf("by a clock that is ahead it is %v, want a minute", got)
	}
	if got := crm.RetryAfter(nil, noon); got != 0 {
		t.Errorf("without a header: %v", got)
	}
}

// environment returns an environment whose calls go through a transport; the default one if nil.
func environment(transport http.RoundTripper) crm.Environment {
	return crm.Environment{Client: &http.Client{Transport: transport}, Now: func() time.Time { return noon }}
}

func request(ctx context.Context, t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// closing is a transport that does not keep connections.
func closing(t *testing.T) *http.Transport {
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestACallIsAnsweredWithWhatItSays(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(418)
		_, _ = w.Write([]byte(r.UserAgent() + " sent " + string(sent)))
	}))
	defer server.Close()
	req := request(t.Context(), t, server.URL)
	answer, failure := crm.Call(environment(closing(t)), req)
	if failure != nil {
		t.Fatal(failure)
	}
	if answer.Status != 418 || string(answer.Body) != "leadgate sent {}" || answer.After != 5*time.Second || req.GetBody != nil {
		t.Errorf("answer is %+v", answer)
	}
	got := answer.Outcome(crm.Refused, "a teapot")
	want := crm.Outcome{Kind: crm.Refused, Reason: "a teapot", After: 5 * time.Second, Status: 418, Body: "leadgate sent {}"}
	if got.Kind != want.Kind || got.Reason != want.Reason || got.After != want.After || got.Status != want.Status || got.Body != want.Body {
		t.Errorf("outcome is %+v, want %+v", got, want)
	}
}

func TestABodyIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	answer := &crm.Answer{}
	for shift := range 4 {
		got := answer.Show([]byte(strings.Repeat("x", shift) + strings.Repeat("😀", crm.MaxBody)))
		if len(got) > crm.MaxBody || len(got) < crm.MaxBody-3 || !utf8.ValidString(got) {
			t.Errorf("%d bytes, UTF-8 %t", len(got), utf8.ValidString(got))
		}
	}
	for body, want := range map[string]string{
		"short": "short", "\xff\xfe!": "!", strings.Repeat("\xbf", 2*crm.MaxBody): "", strings.Repeat("y", crm.MaxBody): strings.Repeat("y", crm.MaxBody),
	} {
		if got := answer.Show([]byte(body)); got != want {
			t.Errorf("%.10q is kept as %.10q", body, got)
		}
	}
}

// certificateUntil returns a self-signed certificate for 127.0.0.1 that expires at a time.
func certificateUntil(t *testing.T, end time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: end.AddDate(-1, 0, 0), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestWhatWasSurelyNotSentIsToBeRetried(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	untrusted.Config.ErrorLog = nil
	expired := httptest.NewUnstartedServer(http.NotFoundHandler())
	expired.TLS, expired.Config.ErrorLog = &tls.Config{Certificates: []tls.Certificate{certificateUntil(t, time.Now().Add(-time.Hour))}}, log.New(io.Discard, "", 0)
	expired.StartTLS()
	defer expired.Close()
	trusting := closing(t)
	trusting.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	leaf, err := x509.ParseCertificate(expired.TLS.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	trusting.TLSClientConfig.RootCAs.AddCert(leaf)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	noName := closing(t)
	noName.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "crm.invalid"}
	}
	slow := closing(t)
	slow.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, test := range map[string]struct {
		ctx       context.Context
		transport http.RoundTripper
		url       string
		reason    string
	}{
		"refused":         {t.Context(), closing(t), closed.URL, "refused"},
		"no certificate":  {t.Context(), closing(t), untrusted.URL, "certificate"},
		"expired":         {t.Context(), trusting, expired.URL, "expired"},
		"no such host":    {t.Context(), noName, "http://crm.invalid", "no such host"},
		"slow to connect": {t.Context(), &pace.Transport{Base: slow, Limiter: pace.NewLimiter(0, time.Now), Timeout: time.Millisecond}, "http://crm.invalid", "time limit"},
		"not its turn":    {stopped, &pace.Transport{Base: slow, Limiter: pace.NewLimiter(1, time.Now), Timeout: time.Hour}, "http://crm.invalid", "cut the call short"},
	} {
		answer, failure := crm.Call(environment(test.transport), request(test.ctx, t, test.url+"/hooks/t0ken"))
		if answer != nil || failure.Kind != crm.Retry || !strings.Contains(failure.Reason, "not sent") || !strings.Contains(failure.Reason, test.reason) {
			t.Errorf("%s: %+v, %+v", name, answer, failure)
			continue
		}
		if strings.Contains(failure.Reason, "t0ken") {
			t.Errorf("%s: the reason shows the path, which may be a secret: %s", name, failure.Reason)
		}
	}
}

func TestALostAnswerKeepsItsStatusAndWait(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "9")
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(503)
		_, _ = w.Write([]byte("over"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	answer, failure := crm.Call(environment(closing(t)), request(t.Context(), t, server.URL))
	if answer != nil || failure.Kind != crm.Unknown || failure.Status != 503 || failure.After != 9*time.Second || failure.Body != "over" ||
		!strings.Contains(failure.Reason, "connection was closed") {
		t.Errorf("%+v, %+v", answer, failure)
	}
}

func TestAnAnswerAsLongAsAllowedIsRead(t *testing.T) {
	t.Parallel()
	for length, whole := range map[int]bool{crm.MaxRead: true, crm.MaxRead + 1: false} {
		transport := roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(io.LimitReader(zeroes{}, int64(length)))}, nil
		})
		answer, failure := crm.Call(environment(transport), request(t.Context(), t, "http://crm.example"))
		if (answer != nil) != whole || whole && len(answer.Body) != length || !whole && failure.Kind != crm.Unknown {
			t.Errorf("%d bytes: read %t, %+v", length, answer != nil, failure)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
