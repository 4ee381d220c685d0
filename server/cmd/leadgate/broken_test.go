package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestClientsThatBreakOffLeaveTheLogJSON(t *testing.T) {
	t.Parallel()
	config := writeFile(t, "leadgate.yaml", `
listen: 127.0.0.1:0
forms: { contact: {} }
destinations: { crm: { http: { url: "http://127.0.0.1:1" }, properties: { mail: email } } }
`)
	p := start(t, nil, "serve", "--config", config, "--data-dir", t.TempDir(), "--log-format", "json")
	leads := make([]string, 3000)
	for i := range leads {
		leads[i] = fmt.Sprintf(`{"lead":{"email":"p%d@example.com"}}`, i)
	}
	if got := request(t, "POST", "http://"+p.address+"/v1/leads:batch", "application/json", `{"leads":[`+strings.Join(leads, ",")+`]}`); got.status != http.StatusOK {
		t.Fatalf("the batch was answered with %d: %s", got.status, got.text)
	}
	for range 20 {
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /v1/deliveries:watch?last=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(conn).ReadByte(); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // Close resets the connection, while data is in transit
		_ = conn.Close()
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(p.lines.text()) {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("a line that is no JSON: %s", line)
		}
	}
}
