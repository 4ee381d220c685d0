package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The live list draws only so much, however much happens: the whole browser, painting included, uses about the same share of the
// machine at 500 events a second as at 5.
func TestSoakTheConsoleCostsTheSameHoweverMuchHappens(t *testing.T) {
	if os.Getenv("LEADGATE_SOAK") == "" {
		t.Skip("takes a minute, and measures: set LEADGATE_SOAK=1")
	}
	h := newHouse(t)
	h.edit("requests_per_second: 100", "requests_per_second: 400")
	h.gateway.kill()
	h.restart()
	o := openConsole(t, h.gateway.address)
	o.do(shows("#main", "No leads to show yet"), shows(".health", "all well"))
	root := chromedp.FromContext(o.ctx).Browser.Process().Pid
	const warm, measured = 4 * time.Second, 15 * time.Second
	share := func(leadsPerSecond int) float64 {
		stop := h.visit(leadsPerSecond)
		defer stop()
		time.Sleep(warm)
		before := ticksOf(t, root)
		time.Sleep(measured)
		return float64(ticksOf(t, root)-before) / 100 / measured.Seconds() // Linux counts in hundredths of a second
	}
	few := share(1)
	many := share(100)
	t.Logf("the browser takes %.1f %% of a core at 5 events a second, %.1f %% at 500", 100*few, 100*many)
	if many > 1.25*few+.02 { // a margin for other load on the machine
		t.Errorf("the browser takes %.1f %% of a core at 500 events a second, and %.1f %% at 5", 100*many, 100*few)
	}
	o.do(shows(".sampled", "busy"), holds(`document.querySelectorAll("#main .live tbody tr").length <= 500`))
	o.wellBehaved()
}

// visit submits that many forms per second until stop is called.
func (h *house) visit(perSecond int) (stop func()) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	end := make(chan struct{})
	var visitors sync.WaitGroup
	visitors.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-end:
				return
			case <-ticker.C:
			}
			visitors.Go(func() {
				answer, err := client.Post(h.url("/v1/forms/contact/submissions"), "application/json", strings.NewReader(fmt.Sprintf(`{"email":"visitor%d.%d@example.com"}`, perSecond, n)))
				if err != nil {
					h.t.Error(err)
					return
				}
				answer.Body.Close()
			})
		}
	})
	return func() {
		ticker.Stop()
		close(end)
		visitors.Wait()
		client.CloseIdleConnections()
	}
}

// ticksOf returns how much processor time a process and its descendants have used, in ticks.
func ticksOf(t *testing.T, root int) (ticks int64) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parent, own := map[int]int{}, map[int]int64{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:])) // from the third on: state, parent, …
		parent[pid], _ = strconv.Atoi(fields[1])
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		own[pid] = user + system
	}
	for pid, n := range own {
		for p := pid; p > 1; p = parent[p] {
			if p == root {
				ticks += n
				break
			}
		}
	}
	return ticks
}
