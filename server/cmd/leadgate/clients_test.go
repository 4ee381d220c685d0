package main_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestEveryLineOfTheClientsREADMEWorks runs the blocks in order, each as a script, against the demo. Calls that are documented to
// fail are followed by || true.
func TestEveryLineOfTheClientsREADMEWorks(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"curl", "sh", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is needed to run the README's commands", tool)
		}
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "clients", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	front, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	demo := startDemo(t)
	dir := reader(t, root, string(front))
	blocks := fenced(string(text), "sh")
	if len(blocks) < 10 {
		t.Errorf("only %d blocks were found: does the test still read the README right?", len(blocks))
	}
	for _, block := range blocks {
		ctx, cancel := context.WithTimeout(t.Context(), 10*patience) // the first run builds grpcurl
		cmd := exec.CommandContext(ctx, "sh", "-e", "-c", strings.ReplaceAll(block, "localhost:8080", demo.address))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+filepath.Join(dir, "path")+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("%s: %v\n%s", block, err, out)
		}
	}
}

// TestTheRecipesByHandKeepAtItUntilThereIsALead runs the README's samples over a network that fails in several ways.
func TestTheRecipesByHandKeepAtItUntilThereIsALead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "clients", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	for _, c := range []struct{ language, needs, call, source, timeout string }{
		{"python", "import requests", "python3 -c", "API_KEY = 'k'\n%s\nprint(submit({'email': %q}, 'py'))", "timeout="},
		{"php", "exit(function_exists('curl_init') && defined('CURLINFO_RETRY_AFTER') ? 0 : 1);", "php -r", "const API_KEY = 'k';\n%s\necho submit(['email' => '%s'], 'php');", "CURLOPT_TIMEOUT => "},
	} {
		t.Run(c.language, func(t *testing.T) {
			t.Parallel()
			execute := func(source string) (string, error) {
				words := strings.Fields(c.call)
				out, err := exec.CommandContext(t.Context(), words[0], words[1], source).CombinedOutput()
				return string(out), err
			}
			if _, err := execute(c.needs); err != nil {
				t.Skipf("%s lacks what the sample needs: %v", c.language, err)
			}
			front, calls := worstNetwork(t, h)
			sample := strings.ReplaceAll(fenced(string(text), c.language)[0], "https://leads.example.com", front)
			impatient := strings.NewReplacer(c.timeout+"30", c.timeout+"1", "0, 1, 2, 4, 8", "0, 0, 0, 0, 0").Replace(sample)
			if len(impatient) != len(sample)-1 {
				t.Fatal("the sample lacks its time-out or its pauses")
			}
			out, err := execute(fmt.Sprintf(c.source, impatient, c.language+"@example.com"))
			if err != nil || calls.Load() != 4 {
				t.Fatalf("%d calls: %v: %s", calls.Load(), err, out)
			}
			(&site{house: h}).onlyLead(t, c.language+"@example.com")
			if out, err := execute(fmt.Sprintf(c.source, sample, "nobody")); err == nil || calls.Load() != 5 || !strings.Contains(out, "violations") {
				t.Errorf("what is refused ends after %d calls: %v: %s", calls.Load(), err, out)
			}
		})
	}
}

// worstNetwork is a proxy in front of a gateway: the first answer comes too late, the second is a proxy's error, the third says
// that the gateway is too busy for a second, and all later ones are the gateway's.
func worstNetwork(t *testing.T, h *house) (address string, calls *atomic.Int32) {
	t.Helper()
	var busy time.Time
	gateway, err := url.Parse("http://" + h.gateway.address)
	if err != nil {
		t.Fatal(err)
	}
	// Without X-Forwarded-For, because the samples call directly from the gateway's machine.
	proxy, calls := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(gateway) }}, new(atomic.Int32)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 1:
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			<-r.Context().Done()
		case 2:
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<html>Bad Gateway</html>"))
		case 3:
			busy = time.Now()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case 4:
			if waited := time.Since(busy); waited < time.Second {
				t.Errorf("sent again after %s, want 1 s as the gateway said", waited)
			}
			fallthrough
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return front.URL, calls
}
