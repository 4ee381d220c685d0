package main_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The reader of the log lines may go away, like a collector that restarts, or hang, like a container's log driver.
func TestGatewayOutlivesWhoeverReadsItsLines(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leave func(*os.File) error
		cause string // of the alert
	}{
		"who ends":  {func(lines *os.File) error { return lines.Close() }, "broken pipe"},
		"who hangs": {func(*os.File) error { return nil }, "nobody reads them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInbox(t)
			secret := writeFile(t, "secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
			config := writeFile(t, "leadgate.yaml", fmt.Sprintf(`
listen: 127.0.0.1:0
forms: { contact: {} }
destinations: { crm: { http: { url: "http://127.0.0.1:1" }, properties: { mail: email } } }
alerts:
  notifiers: { inbox: { webhook: { url: %q, secret: "${file:%s}" } } }
  rules: { log_lines: { window: 5s } }
`, in.URL, secret))
			cmd := exec.Command(binary, "serve", "--config", config, "--data-dir", t.TempDir(), "--log-format", "json")
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			cmd.Stdout = writer
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = writer.Close()
			ended := make(chan error, 1)
			t.Cleanup(func() { _ = cmd.Process.Kill() })
			var found []string
			for lines := bufio.NewReaderSize(reader, 16); found == nil; {
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				found = regexp.MustCompile(`listens on ([0-9.:]+),`).FindStringSubmatch(line)
			}
			address := found[1]
			go func() { ended <- cmd.Wait() }()
			if err := test.leave(reader); err != nil {
				t.Fatal(err)
			}
			for i := range 100 { // more lines than fit into a pipe
				body := fmt.Sprintf("email=ada%d@example.com", i)
				if got := request(t, "POST", "http://"+address+"/v1/forms/contact/submissions", "application/x-www-form-urlencoded", body); got.status != http.StatusCreated {
					t.Fatalf("submission %d was answered with %d: %s", i, got.status, got.text)
				}
			}
			if a := in.await(t, "alert.firing log_lines"); !strings.Contains(a.Data.Cause, test.cause) {
				t.Errorf("the cause is %q", a.Data.Cause)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("it ended with %v", err)
				}
			case <-time.After(patience):
				t.Error("still running long after SIGTERM")
			}
		})
	}
}
