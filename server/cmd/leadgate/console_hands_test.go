//go:build unix

package main_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestTheLiveListKeepsStillUnderTheReadersHands(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	submit := func(name string) {
		h.post(name, map[string][]string{"email": {name + "@example.com"}})
	}
	submit("ada")
	o.do(shows("#main table", "success"), chromedp.KeyEvent("j")) // focuses a row
	submit("grace")
	o.do(
		shows(".more:not([hidden])", "new event"),
		holds(`!document.querySelector("#main tbody").innerText.includes("g***")`),
		chromedp.KeyEvent(escape), // removes the focus
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
	signal(syscall.SIGSTOP) // the gateway stops responding
	o.do(chromedp.KeyEvent("gl"), shows("#main .skeleton", "Loading"))
	signal(syscall.SIGCONT)
	o.do(shows("#main table", "Ada Lovelace"))
	address := h.gateway.address
	h.gateway.kill()
	o.do(chromedp.KeyEvent("gx"), shows("#main [role=alert]", "could not be read"), shows("#main [role=alert]", "Try again"))
	o.checkAccess("failed")
	h.gateway = start(t, []string{"HUBSPOT_TOKEN=" + token}, "serve", "--config", h.config, "--listen", address, "--data-dir", h.data)
	o.do(shows("#main", "Nothing is dead")) // without pressing the button, which only saves waiting
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
		holds(`getComputedStyle(document.activeElement).outlineStyle !== "none"`), // the focus is visible
	)
	for keys, heading := range map[string]string{"gl": "Leads", "gh": "Held", "gx": "Dead", "gd": "Destinations", "gf": "Drift", "ga": "Alerts"} {
		o.do(chromedp.KeyEvent(keys), shows("#main h1", heading))
	}
	// After a button's action, the focus is on the button again.
	o.do(chromedp.KeyEvent("gn"), holds(`(document.querySelector('[data-key="button Test now: crm"]')?.focus(), document.activeElement.tagName === "BUTTON")`),
		chromedp.KeyEvent(enter), shows("dialog", "it is up and accepts the credentials"),
		chromedp.KeyEvent(escape), holds(`!document.querySelector("dialog[open]") && document.activeElement.dataset.key === "button Test now: crm" && document.activeElement.ariaDisabled !== "true"`))
	// Results are announced politely.
	o.do(chromedp.KeyEvent("gn"), pressButton("Pause crm"), holds(`document.querySelector("[aria-live=polite]").innerText.trim() !== ""`))
	o.wellBehaved()
}

// A lead's page shows its story, and the button for the next step.
func TestALeadIsSentAgainAndReleasedFromItsOwnPage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	h.faults(`{"status":400}`)
	leadID := h.post("k1", ada).body["leadId"].(string)
	await(t, events, leadID, "DEAD")
	h.faults(`{}`)
	o := openConsole(t, h.gateway.address)
	o.goTo("leads/"+leadID, shows("#main", "VALIDATION_ERROR"), shows("#main", "What the CRM answered"), pressButton("Retry now: crm"), shows("#main", "Record"), shows("#main", "delivered"))
	await(t, events, leadID, "SUCCESS")

	// Held: the first lead's key with different content.
	h.post("k1", map[string][]string{"email": {"mary@example.com"}})
	o.do(
		chromedp.KeyEvent("gh"), shows(".group", "key reused"),
		holds(`(document.querySelector("#main .group a[data-row]")?.click(), location.pathname.startsWith("/console/leads/"))`),
		shows("#main", "mary@example.com"), pressButton("Release …"), shows("dialog", "Release this lead?"), pressButton("Release"), shows("#main", "Record"),
	)
	o.wellBehaved()
}

func TestWhatIsDoneToManyShowsHowFarItIs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.faults(`{"status":400}`)
	const many = 40
	for i := range many {
		h.post(fmt.Sprint("k", i), map[string][]string{"email": {fmt.Sprintf("a%d@example.com", i)}})
	}
	o := openConsole(t, h.gateway.address)
	h.awaitMetrics(fmt.Sprintf(`leadgate_deliveries{destination="crm",state="dead"} %d`, many))
	h.faults(`{}`)
	o.goTo("dead", pressButton("Choose all 40"), pressButton("Retry 40"), shows("dialog", "40 to crm"),
		holds(`(window.told = new Set(), new MutationObserver(() => told.add(document.querySelector(".progress [role=status]")?.textContent)).observe(document.body, { childList: true, subtree: true, characterData: true }), true)`),
		pressButton("Retry 40"), shows("#main", "Nothing is dead"),
		holds(`[...told].some((text) => /^Retry.*: \d+ of 40$/.test(text))`),
	)
	o.wellBehaved()
}
