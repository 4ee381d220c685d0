package main_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

func TestTabsShareOneStream(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	o.do(shows(".health", "all well"))
	second, closeSecond := chromedp.NewContext(o.ctx)
	t.Cleanup(closeSecond)
	other := &operator{t: t, ctx: second, base: o.base}
	other.do(chromedp.Navigate(o.base+"/console/"), shows(".health", "all well"))
	h.post("k1", ada)
	other.do(shows("#main table", "success"))
	h.awaitMetrics("leadgate_watchers 1")
	closeSecond() // the other tab takes over the stream
	h.post("k2", map[string][]string{"email": {"grace@example.com"}})
	o.do(shows("#main table", "g***@example.com"))
	h.awaitMetrics("leadgate_watchers 1")
}

func TestTheConsoleGoesOnWithoutAGapWhenTheGatewayIsBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	h.post("k1", ada)
	o.do(shows("#main table", "success"))
	address := h.gateway.address
	h.gateway.kill()
	o.do(shows(".lost", "Disconnected"), shows(".health", "does not answer"))
	h.gateway = start(t, []string{"HUBSPOT_TOKEN=" + token}, "serve", "--config", h.config, "--listen", address, "--data-dir", h.data)
	h.post("k2", map[string][]string{"email": {"grace@example.com"}})
	o.do(
		// It reconnects by itself; the button only saves waiting.
		holds(`(document.querySelector(".lost:not([hidden]) button")?.click(), true)`),
		shows("#main table", "g***@example.com"),
		holds(`document.querySelector(".lost").hidden`),
		shows(".health", "all well"),
	)
	for _, text := range []string{"missing", "a***@example.com"} {
		n, err := chromedp.Run(o.ctx, chromedp.Evaluate[int](`[...document.querySelectorAll("#main tbody tr")].filter((row) => row.innerText.includes("`+text+`")).length`))
		if want := map[string]int{"missing": 0, "a***@example.com": 5}[text]; err != nil || n != want {
			t.Errorf("%d rows with %q, want %d (%v)", n, text, want, err)
		}
	}
}
