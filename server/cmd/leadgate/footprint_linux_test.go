package main_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memory is what a process uses, in MiB (proc(5), status).
type memory struct {
	resident  int // all of it: VmRSS
	anonymous int // not reclaimable by the kernel: RssAnon
	mapped    int // pages of files, the binary's and the store's, which the kernel can reclaim: RssFile
}

func (m memory) String() string {
	return fmt.Sprintf("%d MiB resident: %d of its own, %d of mapped files", m.resident, m.anonymous, m.mapped)
}

func (p *process) memory() (m memory) {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		into := map[string]*int{"VmRSS": &m.resident, "RssAnon": &m.anonymous, "RssFile": &m.mapped}[name]
		if into == nil {
			continue
		}
		kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		if err != nil {
			p.t.Fatal(err)
		}
		*into = (kib + 1023) >> 10
	}
	return m
}

// pace submits leads at a rate for a time, over that many connections, and returns how many were accepted.
func (p *process) pace(rate int, length time.Duration, connections int) (accepted int64) {
	p.t.Helper()
	const tick = 10 * time.Millisecond
	due, all := make(chan struct{}, rate), make(chan int64, 1)
	go func() {
		all <- p.submitMany(connections, func() bool {
			_, more := <-due
			return more
		})
	}()
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for begun, sent := time.Now(), 0; time.Since(begun) < length; {
		<-ticks.C
		for ; sent < int(time.Since(begun).Seconds()*float64(rate)); sent++ {
			select {
			case due <- struct{}{}:
			default: // submitters are a second behind; skip it
			}
		}
	}
	close(due)
	return <-all
}

// memories samples the memory of a process ten times a second until stop is called, which returns median and maximum.
func (p *process) memories() (stop func() (median, most memory)) {
	var all []memory
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticks := time.NewTicker(100 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticks.C:
				all = append(all, p.memory())
			}
		}
	}()
	return func() (median, most memory) {
		close(done)
		<-ended
		slices.SortFunc(all, func(a, b memory) int { return a.anonymous - b.anonymous })
		return all[len(all)/2], all[len(all)-1]
	}
}

func TestSoakIdleItIsSmallAndUnderLoadItStaysSo(t *testing.T) {
	if os.Getenv("LEADGATE_SOAK") == "" {
		t.Skip("it takes minutes; make soak runs it")
	}
	const (
		rate   = 2000
		length = time.Minute
	)
	crm := start(t, nil, "simulate", "hubspot", "--listen", "127.0.0.1:0", "--token", token)
	for _, c := range []struct {
		what   string
		paused bool
	}{
		{"accepting, nothing delivered", true},
		{"accepting and delivering", false},
	} {
		dir := t.TempDir()
		config := filepath.Join(dir, "leadgate.yaml")
		if err := os.WriteFile(config, fmt.Appendf(nil, footprintConfig, crm.address), 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, []string{"HUBSPOT_TOKEN=" + token}, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data-dir", filepath.Join(dir, "data"))
		if c.paused {
			if a := request(t, "POST", "http://"+p.address+"/v1/destinations/crm:pause", "application/json", "{}"); a.status != http.StatusOK {
				t.Fatalf("pause: %d %s", a.status, a.text)
			}
		}
		time.Sleep(20 * time.Second) // memory used for starting is returned
		idle := p.memory()
		stop := p.memories()
		n := p.pace(rate, length, 16)
		median, most := stop()
		t.Logf("idle: %v", idle)
		t.Logf("%s, %.0f leads a second: mostly %v; at most %v", c.what, float64(n)/length.Seconds(), median, most)
		time.Sleep(20 * time.Second)
		t.Logf("20 s later: %v", p.memory())
		if idle.resident > 57 { // 60 MB
			t.Errorf("idle it takes %v", idle)
		}
		// Recently written tables are among the mapped files, which the kernel may keep or drop.
		if median.anonymous > 114 { // 120 MB
			t.Errorf("%s, it takes %v", c.what, median)
		}
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	}
}
