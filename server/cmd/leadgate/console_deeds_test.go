package main_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// goTo opens a view of the console by URL.
func (o *operator) goTo(view string, ready ...chromedp.Action[chromedp.Void]) {
	o.t.Helper()
	o.do(append([]chromedp.Action[chromedp.Void]{chromedp.Navigate(o.base + "/console/" + view)}, ready...)...)
}

// appears submits a lead from within the page, and returns the milliseconds from the answer to the row.
const appears = `(async (email, person) => {
	const row = new Promise((seen) => {
		const look = () => [...document.querySelectorAll("#main .live tbody tr")].some((row) => row.textContent.includes(person)) && (watch.disconnect(), seen(performance.now()));
		const watch = new MutationObserver(look);
		watch.observe(document.querySelector("#main"), { childList: true, subtree: true, characterData: true });
	});
	const answer = await fetch("/v1/forms/contact/submissions", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ email }) });
	const answered = performance.now();
	if (answer.status !== 201) throw new Error("status " + answer.status);
	return Math.max(0, await row - answered);
})(%q, %q)`

func TestALeadAppearsInTheConsoleWithinASecond(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	o.do(shows("#main", "No leads to show yet"), shows(".health", "all well"))
	var took []float64
	for _, letter := range "abcdefgh" {
		ms, err := chromedp.Run(o.ctx, chromedp.Evaluate[float64](fmt.Sprintf(appears, string(letter)+"da@example.com", string(letter)+"***@example.com"), chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, ms)
	}
	t.Logf("milliseconds from the answer to the row: %.0f", took)
	if slowest := slices.Max(took); slowest >= 1000 {
		t.Errorf("a lead appeared %.0f ms after it was answered", slowest)
	}
	o.wellBehaved()
}

// Drift shows the line to paste. Once it is pasted, leads received meanwhile are replayed from the same card.
func TestARenamedFieldIsMendedFromTheConsole(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	o.do(shows(".health", "all well"))
	h.post("k1", url.Values{"e-mail": {"ada@example.com"}, "firstname": {"Ada"}})
	o.do(
		shows("nav", "Drift 1"),
		chromedp.KeyEvent("gf"),
		shows(".card h2", "e-mail"),
		shows(".card pre", "e-mail: email"),
		shows(".card", "form contact, since"),
		holds(`[...document.querySelectorAll(".card button")].some((b) => b.ariaLabel === "Copy the line for e-mail")`),
	)
	o.checkAccess("drift with a card")
	o.photograph("drift-card")
	events := h.gateway.watch()
	h.edit("email: email", "email: email, e-mail: email")
	awaitSystem(t, events, "CONFIG_APPLIED")
	o.goTo("drift", shows("#main", "Everything fits"))
	o.goTo("leads?form=contact", shows("#main table", "held"), pressButton("Replay the leads of this form"), shows("dialog", "1 held, would be sent"))
	o.checkAccess("a replay, asked for")
	o.photograph("replay")
	o.do(pressButton("Send 1 lead"), shows(".notes", "1 lead is on the way"))
	o.goTo("", shows("#main table", "success"))
	if got := h.onlyContact().Properties["email"]; got != "ada@example.com" {
		t.Errorf("the CRM has the e-mail address %q", got)
	}
	o.wellBehaved()
}

func TestALeadIsReplayedWhileItsDriftIsStillShown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	h.post("k1", url.Values{"e-mail": {"ada@example.com"}})
	o.goTo("drift", pressButton("Replay leads since then"), shows("dialog", "Nothing to replay"), shows("dialog", "1 would stay held"), pressButton("Close"))
	o.wellBehaved()
}

func TestAnOperatorPreviewsWhatALeadWouldBecome(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	leadID := h.post("k1", ada).body["leadId"].(string)
	o := openConsole(t, h.gateway.address)
	o.goTo("leads/"+leadID,
		shows("#main h1", "Ada Lovelace"),
		chromedp.Click(chromedp.CSS(`#main a[href*="preview"]`)),
		shows("#main h1", "Preview"),
		holds(`document.querySelector("textarea").value.includes("message=12 km\n  each way")`),
		shows(".outcome", "It would be accepted and sent"),
		shows(".preview-result table", "+14155550132"),
		shows(".preview-delivery pre", `"country": "US"`),
	)
	o.checkAccess("preview")
	o.photograph("preview")
	// Something else, entered by hand.
	o.do(
		chromedp.SetValue(chromedp.CSS("textarea"), "email=nobody"), pressButton("Preview"),
		shows(".outcome", "It would be refused"), shows(".preview-result", "valid email address"),
	)
	if leads := request(t, "GET", h.url("/v1/leads"), "", ""); strings.Count(leads.text, `"sequence"`) != 1 {
		t.Errorf("a preview left something: %s", leads.text)
	}
	o.wellBehaved()
}

func TestDiscardingIsTakenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.post("k1", ada)
	h.post("k1", url.Values{"email": {"mary@example.com"}}) // held: another lead used the key
	o := openConsole(t, h.gateway.address)
	discard := func() {
		t.Helper()
		o.goTo("held", shows(".group", "key reused"), pressButton("Choose all 1"), pressButton("Discard 1"), shows("dialog", "can be held again"), pressButton("Discard 1"), shows("#main", "Nothing is held"))
	}
	discard()
	o.do(shows(".notes", "1 lead discarded"), pressButton("Undo"), shows(".notes", "1 lead is held again"))
	discard()
	h.post("k2", ada)
	o.goTo("leads?state=DISCARDED", shows("#main table", "discarded"), holds(`document.querySelectorAll("#main tbody tr").length === 1`), chromedp.Click(chromedp.CSS("#main tbody a")), shows(".holds", "was held: key reused"), pressButton("Hold it again"), shows(".notes", "1 lead is held again"), pressButton("Release"))
	o.do(shows("dialog", "1 lead would be sent"), pressButton("Release"), shows("#main", "delivered"))
	o.wellBehaved()
}

func TestTheLeadsOfAFormAreFoundBehindThoseOfOthers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	h.edit("\ndestinations:", "\n    honeypot: [trap]\n  fair: { fields: { email: email }, honeypot: [trap], destinations: [crm] }\ndestinations:")
	awaitSystem(t, events, "CONFIG_APPLIED")
	request(t, "POST", h.url("/v1/forms/fair/submissions"), "application/x-www-form-urlencoded", "email=ada@example.com&trap=x")
	for i := range 600 { // more than one page searches
		h.post(fmt.Sprint("k", i), url.Values{"email": {fmt.Sprintf("p%d@example.com", i)}, "trap": {"x"}})
	}
	o := openConsole(t, h.gateway.address)
	o.goTo("leads?state=HELD&form=fair", pressButton("Older leads"), shows("#main table", "ada@example.com"))
	o.wellBehaved()
}

func TestAnOperatorDeletesAndErases(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.faults(`{"status":400}`)
	events := h.gateway.watch()
	for i := range 2 {
		await(t, events, h.post(fmt.Sprint("refused", i), map[string][]string{"email": {fmt.Sprintf("grace%d@example.com", i)}}).body["leadId"].(string), "DEAD")
	}
	h.faults(`{}`)
	leadID := h.post("k1", ada).body["leadId"].(string)
	await(t, events, leadID, "SUCCESS")
	o := openConsole(t, h.gateway.address)
	o.goTo("dead", shows(".group", "2 ×"), pressButton("Choose all 2"), pressButton("Delete 2"), shows("dialog", "2 deliveries are removed"), pressButton("Delete 2"), shows("#main", "Nothing is dead"), shows(".notes", "2 deliveries deleted"))
	if dead := request(t, "GET", h.url("/v1/deliveries?state=DEAD"), "", ""); strings.Contains(dead.text, "deliveryId") {
		t.Errorf("there are dead deliveries still: %s", dead.text)
	}
	o.goTo("leads/"+leadID, shows("#main h1", "Ada Lovelace"), pressButton("Erase this person"), shows("dialog", "cannot be undone"), shows("dialog", "The CRM keeps 1 of these"))
	o.checkAccess("erasing, asked for")
	o.do(pressButton("Cancel"), pressButton("Erase this person"), pressButton("Erase 1 lead"), shows(".notes", "1 lead erased"), shows(".lead-head", "erased"))
	if lead := request(t, "GET", h.url("/v1/leads/"+leadID), "", ""); strings.Contains(lead.text, "Lovelace") {
		t.Errorf("the lead is still known: %s", lead.text)
	}
	o.wellBehaved()
}

// A destination is replaced by another, and what waits for it is moved.
func TestAnOperatorMovesWhatWaits(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	o := openConsole(t, h.gateway.address)
	o.do(pressButton("Pause crm"), shows(".health", "crm: paused"))
	for i := range 3 {
		h.post(fmt.Sprint("k", i), map[string][]string{"email": {fmt.Sprintf("grace%d@example.com", i)}})
	}
	o.goTo("destinations/crm", shows(".waiting", "lead 3"), shows(".card", "paused"))
	o.checkAccess("a destination")
	o.photograph("destination")
	// A second one is added, and one lead is moved there; then the first is removed.
	h.edit("destinations:\n  crm:\n", fmt.Sprintf(`leads: { destinations: [crm] }
destinations:
  erp:
    hubspot: { token: "${env:HUBSPOT_TOKEN}", base_url: "http://%s" }
  crm:
`, h.crm.address))
	awaitSystem(t, events, "CONFIG_APPLIED")
	o.goTo("destinations/crm", shows(".waiting", "lead 3"), pressButton("Move to another destination"), shows("dialog", "3 deliveries go to"), pressButton("Move 3 deliveries"), shows(".notes", "3 deliveries moved to erp"), shows("#main", "Nothing is waiting"))
	o.goTo("", shows("#main table", "success"), shows("#main table", "erp"))
	if got := len(h.contacts()); got != 3 {
		t.Errorf("the CRM has %d contacts, want 3", got)
	}
	o.wellBehaved()
}

func TestAnOperatorSaysThatTheyAreOnAnAlert(t *testing.T) {
	t.Parallel()
	h, in := alarmed(t, "")
	h.faults(`{"status":401}`)
	h.submit(1)
	in.await(t, "alert.firing credentials/crm")
	o := openConsole(t, h.gateway.address)
	o.goTo("alerts", shows(".card h2", "crm refuses the credentials"), shows(".card", "notified: inbox"), shows(".card pre", "leadgate destinations test crm"))
	o.checkAccess("an alert")
	o.photograph("alert-card")
	o.do(
		pressButton("I am on it"), shows("dialog", "nobody is reminded"),
		typeInto("dialog input", "Ada calls HubSpot\r"),
		shows(".card", "somebody is on it"), shows(".card", "Ada calls HubSpot"),
	)
	o.photograph("alert-acknowledged")
	out, _, code := run(t, nil, "", "alerts", "list", "--server", h.gateway.address)
	if code != 0 || !strings.Contains(out, "on it    since") || !strings.Contains(out, "Ada calls HubSpot; nobody is reminded until") {
		t.Errorf("the terminal says %q", out)
	}
	h.gateway.kill() // the acknowledgement survives a restart
	h.restart()
	if alerts := request(t, "GET", h.url("/v1/alerts"), "", ""); !strings.Contains(alerts.text, `"acknowledgeNote":"Ada calls HubSpot"`) {
		t.Errorf("after a restart: %s", alerts.text)
	}
	for _, step := range []struct{ args, want string }{
		{"credentials/crm --for 0s", "The acknowledgement of credentials/crm is withdrawn"}, {"credentials/crm --for 2h --note Grace", "Nobody is reminded of credentials/crm until"},
	} {
		out, complaints, code := run(t, nil, "", append([]string{"alerts", "acknowledge", "--server", h.gateway.address}, strings.Fields(step.args)...)...)
		if code != 0 || !strings.Contains(out, step.want) {
			t.Errorf("acknowledge %s: %d %q %q", step.args, code, out, complaints)
		}
	}
	if _, complaints, code := run(t, nil, "", "alerts", "ack", "credentials", "--server", h.gateway.address); code != 1 || !strings.Contains(complaints, "these are: credentials/crm") {
		t.Errorf("an alert that there is not: %d %q", code, complaints)
	}
	o.wellBehaved()
}

// firstPaint is the maximum number of bytes to transfer before a reader sees something.
const firstPaint = 100_000

// bytesUntilNow is how many bytes the page and its requests have transferred, apart from streams.
const bytesUntilNow = `[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
	.filter((e) => e.responseEnd > 0 && !e.name.includes(":watch")).reduce((sum, e) => sum + e.transferSize, 0)`

func TestTheConsoleTakesLittleUntilItShowsSomething(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	await(t, events, h.post("k1", ada).body["leadId"].(string), "SUCCESS")
	o := openConsole(t, h.gateway.address)
	o.do(shows("#main table", "success"), shows(".card", "flowing"))
	size, err := chromedp.Run(o.ctx, chromedp.Evaluate[int](bytesUntilNow))
	if err != nil || size == 0 || size >= firstPaint {
		t.Errorf("%d bytes travelled, want less than %d (%v)", size, firstPaint, err)
	}
	paint, err := chromedp.Run(o.ctx, chromedp.Evaluate[float64](`performance.getEntriesByName("first-contentful-paint")[0].startTime`))
	if err != nil || paint > float64(patience/time.Millisecond) {
		t.Errorf("it painted after %.0f ms (%v)", paint, err)
	}
	t.Logf("%d bytes, first paint after %.0f ms", size, paint)
}
