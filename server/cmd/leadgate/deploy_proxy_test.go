package main_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/leadgate/leadgate/server"
)

// TestTheProxyLetsFormsWithFilesThrough matters because leadgate never sees what the proxy refuses.
func TestTheProxyLetsFormsWithFilesThrough(t *testing.T) {
	t.Parallel()
	conf := string(recipe(t, "nginx.conf"))
	size := regexp.MustCompile(`client_max_body_size (\d+)m;`).FindStringSubmatch(conf)
	if size == nil {
		t.Fatal("nginx.conf has no client_max_body_size")
	}
	if megabytes, _ := strconv.Atoi(size[1]); megabytes<<20 <= server.MaxUpload {
		t.Errorf("nginx takes %d MiB, and leadgate %d bytes", megabytes, server.MaxUpload)
	}
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is needed to see it")
	}
	h := newHouse(t)
	address, dir := freeAddress(t), t.TempDir()
	for _, r := range []struct{ from, to string }{
		{`(?m)^    listen \[::\].*\n`, ""}, {`listen 443 ssl http2;`, "listen " + address + ";"}, {`(?m)^    ssl_certificate.*\n`, ""}, {`127\.0\.0\.1:8080`, h.gateway.address},
	} {
		changed := regexp.MustCompile(r.from).ReplaceAllString(conf, r.to)
		if changed == conf {
			t.Fatalf("nginx.conf lacks %s", r.from)
		}
		conf = changed
	}
	conf = fmt.Sprintf("daemon off; master_process off; pid nginx.pid; error_log stderr;\nevents {}\nhttp {\naccess_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n%s}\n", conf)
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	proxy := exec.Command(nginx, "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf"))
	proxy.Stderr = &said
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = proxy.Process.Kill()
		_ = proxy.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	awaitListener(t, address)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, _ := form.CreateFormFile("cv", "cv.pdf")
	_, _ = file.Write(make([]byte, 5<<20))
	_ = form.WriteField("email", "large@example.com")
	_ = form.Close()
	if a := request(t, http.MethodPost, "http://"+address+"/v1/forms/contact/submissions", form.FormDataContentType(), body.String()); a.status != http.StatusCreated {
		t.Errorf("a form with a file of 5 MiB is answered with %d: %s", a.status, a.text)
	}
}

func awaitListener(t *testing.T, address string) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}
