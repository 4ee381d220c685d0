package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// manyDead creates deliveries that the CRM refused for good.
func (h *house) manyDead(n int) {
	h.t.Helper()
	h.faults(`{"status":400}`)
	for i := range n {
		h.post(fmt.Sprint("dead", i), map[string][]string{"email": {fmt.Sprintf("grace%d@example.com", i)}})
	}
	h.awaitMetrics(fmt.Sprintf(`leadgate_deliveries{destination="crm",state="dead"} %d`, n))
}

const focusIsAt = `document.activeElement.dataset.key === %q || document.activeElement.getAttribute("href") === %[1]q`

// For keyboard users, the focus stays in place while the page is updated around it.
func TestTheFocusStaysWhileThePageChanges(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	const button = "button Test now: crm"
	o.do(shows(".card", "flowing"), holds(fmt.Sprintf(`(document.querySelector('[data-key=%q]').focus(), true)`, button)), chromedp.KeyEvent(enter), shows("dialog", "it is up"))
	// Behind the dialog, the card gets other buttons, and then these again.
	h.command("destinations", "pause", "crm")
	o.do(shows(".card", "paused"))
	h.command("destinations", "resume", "crm")
	o.do(shows(".card", "flowing"), chromedp.KeyEvent(escape), holds(fmt.Sprintf(focusIsAt, button)))

	// A list that is reloaded, and an action that shortens it.
	h.manyDead(3)
	// The skip link rebuilds nothing.
	o.goTo("dead", shows(".group", "3 ×"), pressButton("Choose all 3"), shows(".action-bar", "3 chosen"),
		holds(`(document.querySelector(".skip").focus(), true)`), chromedp.KeyEvent(enter), holds(`document.activeElement.id === "main" && location.hash === ""`), shows(".action-bar", "3 chosen"))
	o.goTo("dead", shows(".group", "3 ×"), holds(`(document.querySelector(".group details").open = true, document.querySelectorAll(".group a")[1].focus(), true)`))
	link, err := chromedp.Run(o.ctx, chromedp.Evaluate[string](`document.activeElement.getAttribute("href")`))
	if err != nil {
		t.Fatal(err)
	}
	h.post("another", map[string][]string{"email": {"mary@example.com"}})
	o.do(shows(".group", "4 ×"), holds(fmt.Sprintf(focusIsAt, link)))
	h.faults(`{}`)
	o.do(
		holds(`(document.querySelectorAll(".group a")[1].closest("tr").querySelector("input").click(), document.querySelector('[data-key="action Retry"]').focus(), true)`),
		chromedp.KeyEvent(enter), shows("dialog", "1 to crm"), chromedp.KeyEvent(enter), shows(".group", "3 ×"),
		holds(`document.activeElement !== document.body && document.querySelector("main").contains(document.activeElement)`),
	)

	// New leads are counted on the focused button, and announced once.
	o.goTo("leads", shows("#main table", "grace0@example.com"), holds(`(window.heard = [], new MutationObserver(() => heard.push(document.querySelector(".toolbar [role=status]").textContent)).observe(document.querySelector(".toolbar [role=status]"), { childList: true }), true)`))
	h.post("n1", map[string][]string{"email": {"n1@example.com"}})
	o.do(shows(".toolbar", "1 new"), holds(`([...document.querySelectorAll(".toolbar button")].find((b) => b.innerText.includes("new")).focus(), true)`))
	h.post("n2", map[string][]string{"email": {"n2@example.com"}})
	o.do(
		shows(".toolbar", "2 new"), holds(`document.activeElement.innerText.includes("2 new") && heard.length === 1 && heard[0] === "New leads have arrived"`),
		chromedp.KeyEvent(enter), shows("#main table", "n2@example.com"), holds(`document.activeElement.matches("#main tbody tr:first-child a")`),
	)
	o.wellBehaved()
}

// Pressing Enter at once does no harm, and errors are shown at their field.
func TestAQuestionBeginsWhereEnterDoesNoHarm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.manyDead(2)
	o := openConsole(t, h.gateway.address)
	o.goTo("dead", pressButton("Choose all 2"), pressButton("Delete 2"), shows("dialog", "2 deliveries are removed"), chromedp.KeyEvent(enter), holds(`!document.querySelector("dialog")`))
	h.awaitMetrics(`leadgate_deliveries{destination="crm",state="dead"} 2`)
	o.do(pressButton("Move 2"), shows("dialog", "no other destination"), chromedp.KeyEvent(escape), pressButton("Delete 2"), pressButton("Delete 2"), shows("#main", "Nothing is dead"))
	o.goTo("leads", shows("#main table", "grace0@example.com"), pressButton("Replay the leads of this form"),
		holds(`document.activeElement.name === "form" && document.activeElement.validationMessage.startsWith("Enter the form") && document.querySelector("#forms option")?.value === "contact"`),
		chromedp.KeyEvent("contact"), holds(`document.activeElement.validationMessage === ""`))
	o.wellBehaved()
}

func TestWhoComesBackToAListIsAtTheSameRow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.manyDead(60)
	o := openConsole(t, h.gateway.address)
	o.goTo("dead", shows(".group", "60 ×"), holds(`(document.querySelector(".group summary").click(), document.querySelectorAll(".group a").length === 50)`))
	o.do(holds(`(document.querySelectorAll(".group a")[40].focus(), scrollY > 0)`))
	link, err := chromedp.Run(o.ctx, chromedp.Evaluate[string](`document.activeElement.getAttribute("href")`))
	if err != nil {
		t.Fatal(err)
	}
	// While moving up, the focus is never hidden by the sticky bars.
	for range 30 {
		o.do(chromedp.KeyEvent("k"))
	}
	o.do(holds(`(() => {
		const { left, top } = document.activeElement.getBoundingClientRect();
		return document.activeElement.contains(document.elementFromPoint(left + 2, top + 2));
	})()`), holds(`(document.querySelectorAll(".group a")[40].focus(), document.querySelector(".group input[aria-label^='Choose lead ']") !== null)`))
	o.do(
		chromedp.KeyEvent(enter), shows("#main", "No more calls will be made"), holds(`scrollY === 0 && (history.back(), true)`),
		holds(`document.querySelector(".group details")?.open && scrollY > 0`), holds(fmt.Sprintf(focusIsAt, link)),
	)
	o.wellBehaved()
}

// While the gateway is away, what was loaded stays readable, and nothing is announced repeatedly.
func TestWhatIsKnownStaysWhileTheGatewayIsAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	o.do(shows(".card", "flowing"), holds(`(window.alerts = 0, new MutationObserver((all) => all.forEach((m) => m.addedNodes.forEach((n) => n.nodeType === 1 && (n.matches("[role=alert]") || n.querySelector("[role=alert]")) && alerts++))).observe(document.body, { childList: true, subtree: true }), true)`))
	h.gateway.kill()
	o.do(shows(".lost", "Disconnected"), shows(".health", "does not answer"), shows(".card", "flowing"), holds(`alerts === 0`))
	// A view that was never loaded says so, and loads by itself later.
	o.do(chromedp.KeyEvent("gx"), shows("#main [role=alert]", "could not be read"))
	address := h.gateway.address
	h.gateway = start(t, []string{"HUBSPOT_TOKEN=" + token}, "serve", "--config", h.config, "--listen", address, "--data-dir", h.data)
	o.do(shows("#main", "Nothing is dead"), holds(`document.querySelector(".lost").hidden`))
	o.wellBehaved()
}

func TestWhoeverMayOnlyReadIsToldSo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.manyDead(1)
	keys := t.TempDir()
	for _, name := range []string{"viewer", "shop"} {
		if err := os.WriteFile(filepath.Join(keys, name), []byte(name+"-key-"+name+"-key-1"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	viewer := `  - { name: viewer, key: "${file:` + keys + `/viewer}", roles: [read] }
`
	h.edit("forms:", `api_keys:
  - { name: ops, key: "${env:HUBSPOT_TOKEN}", roles: [read, operate] }
`+viewer+`  - { name: shop, key: "${file:`+keys+`/shop}", roles: [submit] }
forms:`)
	h.gateway.kill()
	h.restart()
	o := openConsole(t, h.gateway.address)
	signIn := func(key string) {
		o.do(chromedp.SetValue(chromedp.CSS("#key"), key), pressButton("Sign in"))
	}
	o.do(shows("#app", "Sign in with an API key"))
	// A key without the role read does not lock its owner in.
	signIn("shop-key-shop-key-1")
	o.do(shows("#app", "does not have the role read"), pressButton("Sign out"), shows("#app", "Sign in with an API key"))
	signIn("viewer-key-viewer-key-1")
	o.do(shows(".who", "viewer (read-only)"))
	o.goTo("dead", shows(".group", "1 ×"), holds(`(document.querySelector(".group details").open = true, document.querySelectorAll(".group a").length === 1 && document.querySelectorAll("main input, main button").length === 0)`))
	o.checkAccess("dead, to be read")
	// The key is removed from the configuration, and the page says why it asks for one.
	h.edit(viewer, "")
	o.do(shows("#app", "You were signed out"), shows("#app", "Sign in with an API key"))
	o.do(chromedp.Reload(), holds(`document.querySelector("#key") && !document.body.innerText.includes("You were signed out")`))
	o.wellBehaved()
}

func TestSingleKeysCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	o.do(
		shows(".card", "flowing"), pressButton("Keyboard shortcuts"), shows("dialog", "next, previous row"),
		chromedp.Click(chromedp.CSS("dialog input")), pressButton("Close"), holds(`!document.querySelector("dialog")`),
		chromedp.KeyEvent("gl"), chromedp.KeyEvent("/"), holds(`document.title.startsWith("Now") && document.activeElement.id !== "search"`),
		chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)), holds(`document.activeElement.id === "search"`), chromedp.KeyEvent(escape),
		pressButton("Keyboard shortcuts"), chromedp.Click(chromedp.CSS("dialog input")), pressButton("Close"), holds(`!document.querySelector("dialog")`),
		chromedp.KeyEvent("gl"), shows("#main h1", "Leads"),
	)
	o.wellBehaved()
}

// dayLater makes a page's clock run two days ahead.
const dayLater = `(() => { const Today = Date, later = 2 * 86400e3; Date = class extends Today { constructor(...a) { a.length ? super(...a) : super(Today.now() + later); } static now() { return Today.now() + later; } }; })()`

func TestALeadsPageSaysAtOnceWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.command("destinations", "pause", "crm")
	leadID := h.post("k1", map[string][]string{"email": {"ada@example.com"}, "message": {" two  lines \n"}}).body["leadId"].(string)
	o := openConsole(t, h.gateway.address)
	o.goTo("leads", shows("#main table", "waiting crm"))
	h.command("destinations", "resume", "crm")
	o.do(shows("#main table", "delivered crm")) // without reloading
	h.manyDead(1)
	o.goTo("leads/"+leadID,
		shows(".lead-head", "delivered crm"), shows(".lead-head", "lead 1, accepted"), holds(`document.title === "Lead 1 · leadgate"`),
		shows("#main", "white space tidied"), holds(`document.querySelector("del") === null`), // a diff of two texts that look the same would say nothing
	)
	o.goTo("leads", holds(`(document.querySelector("#main tbody a")?.click(), document.querySelector(".lead-head")?.innerText.includes("dead crm") ?? false)`))
	if _, err := chromedp.Call(o.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: dayLater}); err != nil {
		t.Fatal(err)
	}
	o.goTo("leads/"+leadID, holds(`/^[A-Z][a-z]+ \d+ \d\d:\d\d:\d\d\.\d{3}$/.test(document.querySelector(".story h2 time")?.textContent)`))
	o.wellBehaved()
}
