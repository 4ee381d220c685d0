package main_test

import (
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

const escape = "\u001b"

func TestTheLiveListKeepsStillUnderTheReadersHands(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	submit := func(name string) {
		h.post(name, map[string][]string{"email": {name + "@example.com"}})
	}
	submit("ada")
	o.do(shows("#main table", "success"), chromedp.KeyEvent("j")) // a row has the focus
	submit("grace")
	o.do(
		shows(".more:not([hidden])", "new event"),
		holds(`!document.querySelector("#main tbody").innerText.includes("g***")`),
		chromedp.KeyEvent(escape), // and lets go of it
		shows("#main tbody", "g***@example.com"),
		pressButton("❚❚ pause view"),
	)
	submit("mary")
	o.do(
		shows(".more:not([hidden])", "new event"),
		holds(`!document.querySelector("#main tbody").innerText.includes("m***")`),
		pressButton("▴"),
		shows("#main tbody", "m***@example.com"),
	)
	o.wellBehaved()
}

func TestAViewSaysThatItLoadsWhatFailedAndTriesAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	h.post("k1", ada)
	o.do(shows("#main table", "success"))
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := h.gateway.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP) // it takes its time
	o.do(chromedp.KeyEvent("gl"), shows("#main .skeleton", "Loading"))
	signal(syscall.SIGCONT)
	o.do(shows("#main table", "Ada Lovelace"))
	address := h.gateway.address
	h.gateway.kill()
	o.do(chromedp.KeyEvent("gx"), shows("#main [role=alert]", "could not be read"), shows("#main [role=alert]", "Try again"))
	o.checkAccess("failed")
	h.gateway = start(t, []string{"HUBSPOT_TOKEN=" + token}, "serve", "--config", h.config, "--listen", address, "--data-dir", h.data)
	o.do(pressButton("Try again"), shows("#main", "Nothing is dead"))
	o.wellBehaved()
}

func TestTheConsoleIsWorkedByKeyboard(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	h.post("k1", ada)
	o.do(
		shows("#main table", "success"),
		chromedp.KeyEvent("/"), holds(`document.activeElement.id === "search"`),
		chromedp.KeyEvent(escape), holds(`document.activeElement === document.body`),
		chromedp.KeyEvent("?"), shows("dialog[open]", "next, previous row"),
		chromedp.KeyEvent(escape), holds(`!document.querySelector("dialog[open]")`),
		chromedp.KeyEvent("j"), chromedp.KeyEvent("j"), chromedp.KeyEvent("k"),
		holds(`document.activeElement === document.querySelector("#main [data-row]")`),
		holds(`getComputedStyle(document.activeElement).outlineStyle !== "none"`), // where one is, is seen
	)
	for keys, heading := range map[string]string{"gl": "Leads", "gh": "Held", "gx": "Dead", "gd": "Destinations", "gf": "Drift", "ga": "Alerts"} {
		o.do(chromedp.KeyEvent(keys), shows("#main h1", heading))
	}
	// What was done is said politely.
	o.do(chromedp.KeyEvent("gn"), pressButton("Pause crm"), holds(`document.querySelector("[aria-live=polite]").innerText.trim() !== ""`))
	o.wellBehaved()
}
