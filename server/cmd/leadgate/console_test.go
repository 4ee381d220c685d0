package main_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// operator uses the console in a browser. It records the browser's requests.
type operator struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	requests []string
}

// Keys without a letter.
const (
	escape = "\u001b"
	enter  = "\r"
)

// countsViolations makes a page record what its security policy blocked.
const countsViolations = `window.violations = []; addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));`

// openConsole opens a gateway's console in its own browser.
func openConsole(t *testing.T, address string) *operator {
	t.Helper()
	o := &operator{t: t, ctx: browser(t, 1440, 900), base: "http://" + address}
	err := chromedp.Listen(o.ctx, func(event any) {
		if sent, ok := event.(*network.EventRequestWillBeSent); ok {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.requests = append(o.requests, sent.Request.URL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(o.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: countsViolations}); err != nil {
		t.Fatal(err)
	}
	o.do(chromedp.Navigate(o.base + "/console/"))
	return o
}

// do takes steps, and fails the test at the first that fails.
func (o *operator) do(steps ...chromedp.Action[chromedp.Void]) {
	o.t.Helper()
	if err := chromedp.Do(o.ctx, steps...); err != nil {
		o.photograph("failed-" + o.t.Name())
		o.t.Fatal(err)
	}
}

// pressButton presses the first button whose text or name begins with words, as soon as there is one.
func pressButton(words string) chromedp.Action[chromedp.Void] {
	return holds(fmt.Sprintf(`(() => {
		const button = [...(document.querySelector("dialog[open]") ?? document).querySelectorAll("button")].find((b) =>
			!b.disabled && b.ariaDisabled !== "true" && !b.closest("[hidden], dialog:not([open])") && (b.textContent.startsWith(%[1]q) || b.ariaLabel?.startsWith(%[1]q)));
		button?.click();
		return button !== undefined;
	})()`, words))
}

// wellBehaved fails the test if a page made a request elsewhere, or its policy blocked something.
func (o *operator) wellBehaved() {
	o.t.Helper()
	violations, err := chromedp.Run(o.ctx, chromedp.Evaluate[[]string]("violations"))
	if err != nil || len(violations) > 0 {
		o.t.Errorf("the security policy refused %v (%v)", violations, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, url := range o.requests {
		if !strings.HasPrefix(url, o.base+"/") {
			o.t.Errorf("a request left the gateway: %s", url)
		}
	}
}

// photograph saves a screenshot in LEADGATE_SCREENSHOTS, if that names a directory.
func (o *operator) photograph(name string) {
	dir := os.Getenv("LEADGATE_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(o.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "console-"+strings.ReplaceAll(name, "/", "-")+".png"), picture, 0o600)
	}
	if err != nil {
		o.t.Error(err)
	}
}

func TestTheConsoleShowsALeadAsItComes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	o.do(shows("#main", "No leads to show yet"), shows(".health", "all well"))
	h.post("k1", ada)
	o.do(
		shows("#main table", "a***@example.com"),
		shows("#main table", "success"),
		// The lead's story by keyboard: select the newest row and open it.
		chromedp.KeyEvent("j"),
		chromedp.KeyEvent("\r"),
		shows("#main h1", "Ada Lovelace"),
		shows("#main", "United States"),
		shows("#main", `"country": "US"`),
		shows("#main", "Record"),
		// Then back, and to a person by search.
		chromedp.KeyEvent("gn"),
		shows("#main", "speed to lead"),
		chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl)),
		chromedp.KeyEvent("ada.lovelace@example.com\r"),
		shows("#main table", "Ada Lovelace"),
		// History, outcomes only.
		chromedp.Navigate(o.base+"/console/?stage=outcomes&form=contact"),
		shows("#main table", "success"),
		holds(`!document.querySelector("#main tbody").innerText.includes("queued")`),
	)
	o.wellBehaved()
}

func TestAnOperatorPausesRedrivesAndReleasesInTheConsole(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := openConsole(t, h.gateway.address)
	o.do(pressButton("Test now: crm"), shows("dialog", "it is up and accepts the credentials"), pressButton("Close"))
	o.do(pressButton("Pause crm"), shows(".health", "crm: paused"), shows(".card", "paused"))
	h.post("k1", ada)
	o.do(shows(".health", "1 waiting"), pressButton("Resume crm"), shows("#main table", "success"), shows(".health", "all well"))
	// The CRM refuses leads.
	h.faults(`{"status":400}`)
	for i := range 3 {
		h.post(fmt.Sprint("refused", i), map[string][]string{"email": {fmt.Sprintf("grace%d@example.com", i)}})
	}
	o.do(
		shows("nav", "Dead 3"),
		chromedp.KeyEvent("gx"),
		shows(".group", "3 ×"),
		pressButton("Choose all 3"),
		pressButton("Retry 3"),
		shows("dialog", "3 to crm"),
	)
	h.faults(`{}`)
	o.do(pressButton("Retry 3"), shows("#main", "Nothing is dead"))
	// The first lead's key with different content: held.
	h.post("k1", map[string][]string{"email": {"mary@example.com"}})
	o.do(
		shows("nav", "Held 1"),
		chromedp.KeyEvent("gh"),
		shows(".group", "key reused"),
		pressButton("Choose all 1"),
		pressButton("Release 1"),
		shows("dialog", "1 lead would be sent"),
		pressButton("Release 1"),
		shows("#main", "Nothing is held"),
	)
	o.wellBehaved()
	events := h.gateway.watch()
	delivered := map[string]bool{}
	for event := range events {
		if event.Lead.Stage == "STAGE_SUCCESS" {
			delivered[event.Lead.LeadID] = true
		}
		if len(delivered) == 5 {
			break
		}
	}
	if got := len(h.contacts()); got != 5 {
		t.Errorf("the CRM has %d contacts, want 5", got)
	}
}

func TestTheConsoleAsksForAKeyWhereThereAreKeys(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.edit("forms:", `api_keys:
  - { name: ops, key: "${env:HUBSPOT_TOKEN}", roles: [read, operate] }
  - { name: viewer, key: "${env:VIEWER}", roles: [read] }
forms:`)
	h.gateway.kill()
	h.gateway = start(t, []string{"HUBSPOT_TOKEN=" + token, "VIEWER=viewer-key"}, "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	o := openConsole(t, h.gateway.address)
	signIn := func(key string) {
		o.do(chromedp.SetValue(chromedp.CSS("#key"), key), pressButton("Sign in"))
	}
	o.do(shows("#app", "Sign in with an API key"))
	signIn("wrong")
	o.do(shows("#app", "not known here"))
	signIn("viewer-key")
	o.do(shows(".card", "flowing"), shows(".who", "viewer"))
	if buttons, err := chromedp.Run(o.ctx, chromedp.Evaluate[int](`document.querySelectorAll(".card button").length`)); err != nil || buttons != 0 {
		t.Errorf("a viewer sees %d buttons (%v)", buttons, err)
	}
	o.do(chromedp.KeyEvent("gf"), shows("#main", "Everything fits"), pressButton("Sign out"), shows("#app", "Sign in with an API key"))
	signIn(token)
	o.do(shows("nav", "Now"), chromedp.KeyEvent("gn"), pressButton("Pause crm"), shows(".health", "crm: paused"))
	if cookie, err := chromedp.Run(o.ctx, chromedp.Evaluate[string]("document.cookie")); err != nil || cookie != "" {
		t.Errorf("a script can read the key: %q (%v)", cookie, err)
	}
	o.wellBehaved()
}

// contrast finds texts with too little contrast to their background (WCAG 2.2, 1.4.3) on the current page.
const contrast = `(() => {
	const parse = (color) => { const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
	const light = ({ r, g, b }) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a === 1) return c; } return { r: 255, g: 255, b: 255, a: 1 }; };
	const found = new Set();
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const element = walker.currentNode.parentElement;
		if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest(".hidden, noscript, option, :disabled, [aria-disabled=true]")) continue;
		const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < 4.5) found.add(ratio.toFixed(2) + " " + element.className + ": " + walker.currentNode.data.trim().slice(0, 40));
	}
	return [...found];
})()`

// mustHaveNames are the roles of controls and regions that mean nothing to a screen reader without a name.
var mustHaveNames = []string{"button", "link", "textbox", "searchbox", "combobox", "checkbox", "table", "region", "dialog", "progressbar", "article", "navigation", "search"}

// checkAccess looks for accessibility problems that axe would report.
func (o *operator) checkAccess(view string) {
	o.t.Helper()
	tree, err := chromedp.Call(o.ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		o.t.Fatal(err)
	}
	count := map[string]int{}
	for _, node := range tree.Nodes {
		if node.Ignored || node.Role == nil {
			continue
		}
		role, name := text(node.Role), text(node.Name)
		count[role]++
		if slices.Contains(mustHaveNames, role) && strings.TrimSpace(name) == "" {
			o.t.Errorf("%s: a %s has no name", view, role)
		}
	}
	landmarks := []string{"main", "banner", "navigation"}
	if count["dialog"] > 0 { // a dialog hides what is behind it
		landmarks = []string{"dialog"}
	}
	for _, landmark := range landmarks {
		if count[landmark] != 1 {
			o.t.Errorf("%s: %s is there %d times, want once", view, landmark, count[landmark])
		}
	}
	const structure = `[document.querySelectorAll("h1").length === 1 ? "" : "not one h1", document.documentElement.lang ? "" : "no language", document.title ? "" : "no title",
		...[...document.querySelectorAll("[id]")].filter((e, i, all) => all.findIndex((o) => o.id === e.id) !== i).map((e) => "two elements have the id " + e.id),
		...[...document.querySelectorAll("time")].filter((e) => !e.dateTime || !e.title).map((e) => "a time without its exact time: " + e.textContent),
		...[...document.querySelectorAll(".state")].filter((e) => !e.querySelector(".shape") || e.textContent.trim().length < 3).map((e) => "a state that is colour alone: " + e.outerHTML),
		document.documentElement.scrollWidth > innerWidth ? "it scrolls sideways" : ""].filter(Boolean)`
	for _, check := range []string{contrast, structure} {
		problems, err := chromedp.Run(o.ctx, chromedp.Evaluate[[]string](check))
		if err != nil {
			o.t.Fatal(err)
		}
		for _, problem := range problems {
			o.t.Errorf("%s: %s", view, problem)
		}
	}
}

func text(value *accessibility.Value) string {
	if value == nil {
		return ""
	}
	return strings.Trim(string(value.Value), `"`)
}

type look struct {
	scheme string
	width  int64
}

// looks returns how to view each page: every width and every scheme once, or all combinations if screenshots are taken.
func looks() []look {
	if os.Getenv("LEADGATE_SCREENSHOTS") == "" {
		return []look{{"light", 1440}, {"light", 768}, {"dark", 360}}
	}
	return []look{{"light", 1440}, {"light", 768}, {"light", 360}, {"dark", 1440}, {"dark", 768}, {"dark", 360}}
}

func TestEveryViewOfTheConsoleCanBeReadByAll(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	leadID := h.post("k1", ada).body["leadId"].(string)
	await(t, events, leadID, "SUCCESS")
	long := h.post("k3", map[string][]string{
		"email": {strings.Repeat("a", 60) + "@" + strings.Repeat("long", 15) + ".example.com"}, "lastname": {"Wolfeschlegelsteinhausenbergerdorff"}, "message": {strings.Repeat("word ", 100)},
	}).body["leadId"].(string)
	await(t, events, long, "SUCCESS")
	h.faults(`{"status":400}`)
	await(t, events, h.post("k2", map[string][]string{"email": {"grace@example.com"}}).body["leadId"].(string), "DEAD")
	o := openConsole(t, h.gateway.address)
	for view, ready := range map[string]chromedp.Action[chromedp.Void]{
		"": shows("#main table", "dead"), "leads": shows("#main table", "delivered crm"), "leads/" + leadID: shows("#main", "What the CRM answered"), "leads/" + long: shows("#main h1", "Wolfeschlegel"), "destinations/crm": shows("#main", "Nothing is waiting"), "preview": shows("#main h1", "Preview"),
		"dead": shows("#main", "1 ×"), "alerts": shows("#main", "Who is notified"), "drift": shows("#main", "Everything fits"), "held": shows("#main", "Nothing is held"), "destinations": shows("#main", "Last hour"), "nowhere": shows("#main", "nothing here"),
	} {
		o.do(chromedp.Navigate(o.base+"/console/"+view), ready)
		for _, look := range looks() {
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: look.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			}}
			if _, err := chromedp.Call(o.ctx, emulation.SetEmulatedMedia, media); err != nil {
				t.Fatal(err)
			}
			o.do(chromedp.EmulateViewport(look.width, 900))
			name := fmt.Sprintf("%s-%d-%s", cmp.Or(strings.ReplaceAll(strings.NewReplacer("s/"+leadID, "", "s/"+long, "-long").Replace(view), "/", "-"), "now"), look.width, look.scheme)
			o.checkAccess(name)
			o.photograph(name)
		}
	}
	o.wellBehaved()
}

func TestARefusalDoesNotLookLikeAnAgreement(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id, _ := request(t, "POST", h.url("/v1/leads"), "application/json",
		`{"lead":{"email":"ada@example.com","consents":[{"purpose":"newsletter","text":"Send me news."},{"purpose":"calls","granted":true}]}}`).body["leadId"].(string)
	if text := h.command("leads", "get", id); !strings.Contains(text, "consents.newsletter.granted false") || !strings.Contains(text, "consents.calls.granted true") {
		t.Errorf("the lead is shown as\n%s", text)
	}
	o := openConsole(t, h.gateway.address)
	o.do(
		chromedp.Navigate(o.base+"/console/leads/"+id),
		shows("#main", "consents.newsletter.granted\tfalse"),
		shows("#main", "consents.newsletter.text\tSend me news."),
		shows("#main", "consents.calls.granted\ttrue"),
	)
	o.wellBehaved()
}
