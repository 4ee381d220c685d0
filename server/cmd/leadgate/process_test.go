package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// How long a test waits for something that should happen at once, on a busy machine.
const patience = 30 * time.Second

// binary is the built leadgate, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "leadgate-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "leadgate")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build leadgate: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a running leadgate.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string // host:port that it listens on
	lines   *lines
	ended   chan struct{}
	err     error // from the ended process
}

// start runs leadgate until the test ends, and waits until it prints its address.
func start(t *testing.T, environment []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), lines: newLines(), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), environment...)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.lines
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(p.lines, out)
		p.err = p.cmd.Wait()
		p.lines.close()
		close(p.ended)
	}()
	t.Cleanup(func() {
		if p.address == "" && t.Failed() { // it did not get there: say where it is
			_ = p.cmd.Process.Signal(syscall.SIGQUIT)
			select {
			case <-p.ended:
			case <-time.After(patience):
			}
		}
		p.kill()
		if t.Failed() {
			t.Logf("leadgate %s said:\n%s", strings.Join(args, " "), p.lines.text())
		}
	})
	line := p.lines.wait(t, regexp.MustCompile(`(?:listens on|listening on) (?:http://)?([0-9.]+:[0-9]+)`))
	p.address = line[1]
	return p
}

// startDemo runs the demo with a TMPDIR that the test removes, because the demo is killed.
func startDemo(t *testing.T) *process {
	t.Helper()
	return start(t, []string{"TMPDIR=" + t.TempDir()}, "demo", "--listen", "127.0.0.1:0")
}

// kill ends the process abruptly, like a power failure.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

// stop asks the process to end, and returns its error.
func (p *process) stop() error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		p.t.Fatal("still running long after SIGTERM")
		return nil
	}
}

// lines collects what a process prints, and lets a test wait for a line.
type lines struct {
	mu      sync.Mutex
	all     strings.Builder
	changed chan struct{}
	closed  bool
}

func newLines() *lines { return &lines{changed: make(chan struct{})} }

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Write(b)
	close(l.changed)
	l.changed = make(chan struct{})
	return len(b), nil
}

func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func (l *lines) wait(t *testing.T, pattern *regexp.Regexp) []string {
	t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		found, closed, changed := pattern.FindStringSubmatch(l.all.String()), l.closed, l.changed
		l.mu.Unlock()
		if found != nil {
			return found
		}
		if closed {
			t.Fatalf("ended without saying %s", pattern)
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("did not say %s", pattern)
		}
	}
}

// run runs a command of leadgate until it ends.
func run(t *testing.T, environment []string, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), environment...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), complaints.String(), cmd.ProcessState.ExitCode()
}

// answer is the answer to a request.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

// request sends a request and reads the whole answer.
func request(t *testing.T, method, url, contentType, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.body) // some answers are not objects
	return a
}

// event is an event as watched over REST.
type event struct {
	ID   string `json:"id"`
	Lead struct {
		Stage      string `json:"stage"`
		LeadID     string `json:"leadId"`
		DeliveryID string `json:"deliveryId"`
		Attempt    int    `json:"attempt"`
		Error      string `json:"error"`
		Detail     string `json:"detail"`
	} `json:"lead"`
	Destination struct {
		Type   string `json:"type"`
		Detail string `json:"detail"`
	} `json:"destination"`
	System struct {
		Type   string `json:"type"`
		Detail string `json:"detail"`
	} `json:"system"`
	Form struct {
		Type       string `json:"type"`
		Field      string `json:"field"`
		Suggestion string `json:"suggestion"`
	} `json:"form"`
}

// watch streams the gateway's events, starting with the remembered ones.
func (p *process) watch() <-chan event {
	p.t.Helper()
	return p.watchFrom("last=1000")
}

// watchFrom streams the events that the query asks for.
func (p *process) watchFrom(query string) <-chan event {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.address+"/v1/deliveries:watch?"+query, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		p.t.Fatalf("watch: %s", response.Status)
	}
	events := make(chan event)
	go func() {
		defer close(events)
		defer response.Body.Close()
		scanner := bufio.NewScanner(response.Body)
		for scanner.Scan() {
			var frame struct {
				Result struct {
					Event *event `json:"event"`
				} `json:"result"`
			}
			if json.Unmarshal(scanner.Bytes(), &frame) != nil || frame.Result.Event == nil {
				continue
			}
			select {
			case events <- *frame.Result.Event:
			case <-p.t.Context().Done():
				return
			}
		}
	}()
	return events
}

// await reads the events of a lead until one has the stage, and returns the stages so far.
func await(t *testing.T, events <-chan event, leadID, stage string) []string {
	t.Helper()
	var stages []string
	deadline := time.After(patience)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the watch ended; the lead's stages so far: %v", stages)
			}
			if e.Lead.LeadID != leadID {
				continue
			}
			stages = append(stages, strings.TrimPrefix(e.Lead.Stage, "STAGE_"))
			if stages[len(stages)-1] == stage {
				return stages
			}
		case <-deadline:
			t.Fatalf("the lead did not reach %s; its stages so far: %v", stage, stages)
		}
	}
}
