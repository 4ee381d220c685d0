package main_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// site is a web site with a form, on its own origin, that submits to a gateway over a network that the test controls.
type site struct {
	*house
	pages *httptest.Server
	front *httptest.Server // the gateway's address for pages
	// markup is the content of /contact, policy is added to its security policy, scripts is what else it loads, and script is the
	// content of /site.js.
	markup, policy, scripts, script string
	// sent counts the submissions that reached the network. fault handles the n-th one, counted from 1, and reports whether that
	// was all.
	sent  atomic.Int32
	fault func(n int32, w http.ResponseWriter, r *http.Request) bool
}

const contactMarkup = `<form data-leadgate="contact" action="%[1]s/v1/forms/contact/submissions" method="post" %[2]s>
<label>E-mail <input name="email" type="email" aria-describedby="hint"></label><small id="hint">We never share it.</small>
<label>Name <input name="firstname"></label>
<label>Phone <input name="phone"></label>
<button id="send">Send</button>
</form>`

// newSite serves a page at /contact, whose form has the attributes, and the site's other pages.
func newSite(t *testing.T, h *house, language, attributes string) *site {
	t.Helper()
	s := &site{house: h}
	gateway, err := url.Parse("http://" + h.gateway.address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(gateway)
	s.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if n := s.sent.Add(1); s.fault != nil && s.fault(n, w, r) {
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	s.pages = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// As strict as a security policy gets.
		w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src %[1]s %[2]s; connect-src %[1]s; form-action %[1]s; %[3]s", s.front.URL, s.pages.URL, s.policy))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store") // chromedp loses pages restored from the back/forward cache
		body := "<p id=place>" + r.URL.Path + "</p>"
		switch r.URL.Path {
		case "/site.js":
			w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
			fmt.Fprint(w, s.script)
			return
		case "/leadgate.js":
			proxy.ServeHTTP(w, r)
			return
		case "/contact":
			body += s.markup
		}
		fmt.Fprintf(w, `<!doctype html><html lang=%q><link rel="icon" href="data:,"><title>Site</title>%s%s`, language, s.scripts, body)
	}))
	s.markup = fmt.Sprintf(contactMarkup, s.front.URL, attributes)
	s.scripts = fmt.Sprintf(`<script src="%s/leadgate.js" defer></script>`, s.front.URL)
	t.Cleanup(s.pages.Close)
	t.Cleanup(s.front.CloseClientConnections)
	t.Cleanup(s.front.Close)
	return s
}

// until holds a submission in the network until release is closed or the client gives up.
func until(release <-chan struct{}) func(int32, http.ResponseWriter, *http.Request) bool {
	return func(_ int32, _ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return false
	}
}

// forward sends a submission to the gateway and returns the answer without passing it on.
func (s *site) forward(t *testing.T, r *http.Request) answer {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return request(t, http.MethodPost, s.url(r.URL.Path), r.Header.Get("Content-Type"), string(body))
}

// leadsOf returns the leads with an e-mail address, including held ones.
func (s *site) leadsOf(t *testing.T, email string) []map[string]any {
	t.Helper()
	a := request(t, http.MethodPost, s.url("/v1/leads:search"), "application/json", `{"email":"`+email+`"}`)
	var leads []map[string]any
	for _, lead := range a.body["leads"].([]any) {
		leads = append(leads, lead.(map[string]any))
	}
	return leads
}

// onlyLead fails the test unless exactly one lead has the address, including held ones.
func (s *site) onlyLead(t *testing.T, email string) map[string]any {
	t.Helper()
	leads := s.leadsOf(t, email)
	if len(leads) != 1 {
		t.Fatalf("%d leads of %s, want exactly 1: %s", len(leads), email, leads)
	}
	return leads[0]["lead"].(map[string]any)
}

func (s *site) contact() chromedp.Action[chromedp.Void] {
	return chromedp.Navigate(s.pages.URL + "/contact")
}

// fill enters what a visitor would.
func fill(email string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(
		chromedp.Clear(chromedp.CSS("[name=email]")), // the browser may have restored it
		typeInto("[name=email]", email),
		chromedp.SetValue(chromedp.CSS("[name=firstname]"), "Ada"),
	)
}

// typeInto types text into an element. It replaces [chromedp.SendKeys], which reads the element's attributes while the page may
// change them (a data race in chromedp 0.23).
func typeInto(selector, text string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(chromedp.Focus(chromedp.CSS(selector), chromedp.NodeVisible), chromedp.KeyEvent(text))
}

func press() chromedp.Action[chromedp.Void] { return chromedp.Click(chromedp.CSS("#send")) }

// holds waits until an expression is true in the page, or in the next one after a navigation.
func holds(expression string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		for {
			_, err := chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(patience))(ctx, target)
			switch {
			case err == nil:
				return chromedp.Void{}, nil
			case !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context with specified id"):
				return chromedp.Void{}, fmt.Errorf("it never holds that %s: %w", expression, err)
			}
		}
	}
}

func offline(on bool) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		conditions := []*network.Conditions{}
		if on {
			conditions = append(conditions, &network.Conditions{Offline: true, DownloadThroughput: -1, UploadThroughput: -1})
		}
		if _, err := cdp.Call(ctx, target, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: conditions}); err != nil {
			return chromedp.Void{}, err
		}
		_, err := cdp.Call(ctx, target, network.OverrideNetworkState, network.OverrideNetworkStateParams{
			Offline: on, DownloadThroughput: -1, UploadThroughput: -1,
		})
		return chromedp.Void{}, err
	}
}

const thanks = "Thank you"

// visitors returns a function that opens a tab for a new visitor.
func visitors(t *testing.T) func(t *testing.T) browserTab {
	t.Helper()
	start := browser(t, 800, 800)
	return func(t *testing.T) browserTab {
		t.Helper()
		ctx, cancel := chromedp.NewContext(start, chromedp.WithNewBrowserContext())
		t.Cleanup(cancel)
		return ctx
	}
}

// browserTab is the context of a browser tab.
type browserTab context.Context

func do(t *testing.T, tab browserTab, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}

// TestOneSubmissionMakesOneLead covers what visitors and the network may do.
func TestOneSubmissionMakesOneLead(t *testing.T) {
	t.Parallel()
	visit := visitors(t)
	h := newHouse(t)

	t.Run("double click", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		do(t, tab, s.contact(), fill("double@example.com"), chromedp.DoubleClick(chromedp.CSS("#send")), shows("[role=status]", thanks))
		s.onlyLead(t, "double@example.com")
		if n := s.sent.Load(); n != 1 {
			t.Errorf("%d requests were sent, want 1", n)
		}
	})

	t.Run("slow network", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		release := make(chan struct{})
		s.fault = until(release)
		do(t, tab, s.contact(), fill("slow@example.com"), press(), shows("[role=status]", "Sending"),
			// Keyboard users keep their place.
			holds(`document.activeElement.id === "send" && document.activeElement.ariaDisabled === "true" && document.forms[0].ariaBusy === "true"`), press())
		close(release)
		do(t, tab, shows("[role=status]", thanks), holds(`document.activeElement.ariaDisabled === "false" && document.forms[0].email.value === ""`))
		s.onlyLead(t, "slow@example.com")
	})

	t.Run("server error, then 201", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		s.fault = func(n int32, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.WriteHeader(http.StatusInternalServerError)
			}
			return n == 1
		}
		do(t, tab, s.contact(), fill("again@example.com"), press(), shows("[role=status]", thanks))
		s.onlyLead(t, "again@example.com")
		if n := s.sent.Load(); n != 2 {
			t.Errorf("%d requests were sent, want 2", n)
		}
	})

	t.Run("too many, then 201", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		var refused time.Time
		s.fault = func(n int32, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				refused = time.Now()
				w.Header().Set("Access-Control-Allow-Origin", s.pages.URL)
				w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
				w.Header().Set("Retry-After", "2")
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			if waited := time.Since(refused); waited < 2*time.Second {
				t.Errorf("sent again after %s, want 2 s as the gateway said", waited)
			}
			return false
		}
		do(t, tab, s.contact(), fill("patient@example.com"), press(), shows("[role=status]", thanks))
		s.onlyLead(t, "patient@example.com")
	})

	t.Run("the answer is lost", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		s.fault = func(n int32, _ http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				return false
			}
			s.forward(t, r)
			panic(http.ErrAbortHandler)
		}
		do(t, tab, s.contact(), fill("lost@example.com"), press(), shows("[role=status]", thanks))
		s.onlyLead(t, "lost@example.com")
	})

	t.Run("offline, then online", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		do(t, tab, s.contact(), fill("offline@example.com"), offline(true), press(), shows("[role=status]", "offline"),
			holds(`localStorage.leadgate.includes("offline%40example.com")`))
		if n := s.sent.Load(); n != 0 {
			t.Fatalf("%d requests were sent offline", n)
		}
		do(t, tab, offline(false), shows("[role=status]", thanks), holds(`!localStorage.leadgate.includes("example.com")`))
		s.onlyLead(t, "offline@example.com")
	})

	t.Run("reload in mid-flight", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		arrived, ended := make(chan struct{}), make(chan struct{})
		defer close(ended)
		s.fault = func(n int32, _ http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				return false
			}
			s.forward(t, r)
			close(arrived)
			<-ended // the visitor never gets the answer
			return true
		}
		do(t, tab, s.contact(), fill("reload@example.com"), press())
		<-arrived
		do(t, tab, chromedp.Reload(), shows("[role=status]", thanks))
		// The visitor submits again.
		do(t, tab, fill("reload@example.com"), press(), holds(`document.forms[0].email.value === ""`), shows("[role=status]", thanks))
		s.onlyLead(t, "reload@example.com")
	})

	t.Run("back button", func(t *testing.T) {
		s, tab := newSite(t, h, "en", `data-redirect="/thanks"`), visit(t)
		for range 2 {
			do(t, tab, s.contact(), fill("back@example.com"), press(), holds(`location.pathname === "/thanks"`))
		}
		do(t, tab, holds("(history.back(), true)"), holds(`location.pathname === "/contact" && !!document.forms[0]`), fill("back@example.com"), press(), holds(`location.pathname === "/thanks"`))
		s.onlyLead(t, "back@example.com")
	})

	t.Run("two tabs", func(t *testing.T) {
		s, first := newSite(t, h, "en", ""), visit(t)
		release := make(chan struct{})
		s.fault = until(release)
		do(t, first, s.contact())
		second, cancel := chromedp.NewContext(first)
		defer cancel()
		do(t, first, fill("tabs@example.com"), press(), shows("[role=status]", "Sending"))
		do(t, second, s.contact(), fill("tabs@example.com"))
		do(t, second, chromedp.Func(func(context.Context, *chromedp.Target) error { close(release); return nil }))
		do(t, first, shows("[role=status]", thanks))
		do(t, second, press(), shows("[role=status]", thanks))
		s.onlyLead(t, "tabs@example.com")
	})

	t.Run("without script", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		do(t, tab, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
			return chromedp.Void{}, err
		}, s.contact(), fill("plain@example.com"), press(), chromedp.WaitVisible(chromedp.CSS("main h1")))
		s.onlyLead(t, "plain@example.com")
	})

	t.Run("another submission is another lead", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		for _, email := range []string{"one@example.com", "two@example.com"} {
			do(t, tab, s.contact(), fill(email), press(), shows("[role=status]", thanks))
			s.onlyLead(t, email)
		}
	})

	t.Run("a mistake is shown beside its field, in the page's language", func(t *testing.T) {
		s, tab := newSite(t, h, "de", ""), visit(t)
		do(t, tab, s.contact(), chromedp.SetValue(chromedp.CSS("[name=phone]"), "no number"), press(),
			shows("form", "Bitte prüfen"), shows("label:has([name=email]) + .leadgate-error", "Bitte ausfüllen"),
			holds(`(() => {
				const field = document.forms[0].email, note = document.querySelector("label:has([name=email]) + .leadgate-error");
				return field.ariaInvalid === "true" && document.activeElement === field && field.labels[0].innerText.trim() === "E-mail" &&
					field.getAttribute("aria-describedby") === "hint " + note.id;
			})()`))
		// Correcting the field removes the message, and the same key works for the corrected content.
		do(t, tab, fill("mended@example.com"), holds(`!document.querySelector("label:has([name=email]) + .leadgate-error") && document.forms[0].email.getAttribute("aria-describedby") === "hint" && !document.forms[0].email.ariaInvalid`),
			chromedp.Clear(chromedp.CSS("[name=phone]")), press(), shows("[role=status]", "Vielen Dank"))
		s.onlyLead(t, "mended@example.com")
	})

	t.Run("a slip in the address is noticed", func(t *testing.T) {
		s, tab := newSite(t, h, "fr", ""), visit(t)
		do(t, tab, s.contact(), fill("ada.slip@gmial.com"), chromedp.Blur(chromedp.CSS("[name=email]")), chromedp.WaitVisible(chromedp.CSS(".leadgate-suggestion")), shows(".leadgate-suggestion", "Vouliez-vous dire ada.slip@gmail.com"),
			chromedp.Click(chromedp.CSS(".leadgate-suggestion button")), holds(`!document.querySelector(".leadgate-suggestion")`), press(), shows("[role=status]", "Merci"))
		s.onlyLead(t, "ada.slip@gmail.com")
	})

	t.Run("the lead knows where the visit began", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		do(t, tab, chromedp.Navigate(s.pages.URL+"/landing?utm_source=news&utm_campaign=spring"), holds("!!window.leadgate"), s.contact(),
			fill("visit@example.com"), press(), shows("[role=status]", thanks))
		source, _ := s.onlyLead(t, "visit@example.com")["source"].(map[string]any)
		if source["utmSource"] != "news" || source["utmCampaign"] != "spring" || source["pageUrl"] != s.pages.URL+"/contact" {
			t.Errorf("source: %v", source)
		}
	})

	t.Run("for programs", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		do(t, tab, s.contact())
		for _, c := range []struct{ script, want string }{
			{`leadgate.submit("contact", {email: "program@example.com"}).then((a) => JSON.stringify([!!a.leadId, a.replayed]))`, `[true,false]`},
			{`leadgate.submit("contact", {email: "program@example.com"}).then((a) => JSON.stringify([!!a.leadId, a.replayed]))`, `[true,true]`},
			{`leadgate.submit("contact", {email: "x"}).catch((e) => e.status + " " + e.reason + " " + e.violations[0].field)`, "400 RULES_BROKEN email"},
			{`leadgate.submit("nowhere", {email: "x"}).catch((e) => e.status + " " + e.reason)`, "404 FORM_NOT_FOUND"},
			{`new Promise((done) => {
				document.addEventListener("leadgate:success", (event) => { event.preventDefault(); done(event.target.tagName + " " + document.querySelector("[role=status]").textContent); });
				document.forms[0].email.value = "event@example.com";
				document.forms[0].requestSubmit();
			})`, "FORM Sending …"},
			{`Object.keys(window).filter((name) => name.includes("leadgate")).join() + document.cookie`, "leadgate"},
			{`leadgate.submit("contact", {email: "missing@example.com", firstname: undefined, lastname: null, phone: 4155550132}).then((a) => a.replayed + "")`, "false"},
			{`document.forms[0].email.value = "entered@example.com", leadgate.submit("contact", new FormData(document.forms[0])).then((a) => a.replayed + "")`, "false"},
			{`leadgate.configure({gateway: document.querySelector("script").src.replace("leadgate.js", "")}), leadgate.submit("contact", {email: "slash@example.com"}).then((a) => a.replayed + "")`, "false"},
			{`document.forms[0].email.focus(), "keys: " + document.querySelectorAll("[name=idempotency_key]").length`, "keys: 1"},
		} {
			got, err := chromedp.Run(tab, chromedp.Evaluate[string](c.script, chromedp.EvalAwaitPromise))
			if err != nil || got != c.want {
				t.Errorf("%s is %q (%v), want %q", c.script, got, err, c.want)
			}
		}
		for _, email := range []string{"program@example.com", "entered@example.com", "slash@example.com"} {
			s.onlyLead(t, email)
		}
		if lead := s.onlyLead(t, "missing@example.com"); lead["firstName"] != nil || lead["lastName"] != nil || lead["phone"] != "+14155550132" {
			t.Errorf("of what is not there: %v", lead)
		}
	})
}

// TestTheClientIsSmall measures the script for forms as a browser gets it.
func TestTheClientIsSmall(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../../gen/js/leadgate.js")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	_, _ = w.Write(script)
	_ = w.Close()
	if most := 3600; packed.Len() > most {
		t.Errorf("leadgate.js takes %d bytes packed, want at most %d", packed.Len(), most)
	}
	if strings.Contains(string(script), "eval(") || strings.Contains(string(script), "innerHTML") {
		t.Error("leadgate.js does what a content security policy forbids")
	}
}

// TestTheSnippetIsAllThatAPageNeeds uses the command's output unchanged in a browser.
func TestTheSnippetIsAllThatAPageNeeds(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 800, 800)
	h := newHouse(t)
	markup, complaint, code := run(t, []string{"HUBSPOT_TOKEN=t"}, "", "snippet", "--config", h.config, "--form", "contact", "--gateway", "http://"+h.gateway.address)
	if code != 0 || !strings.Contains(complaint, "allowed_origins") {
		t.Fatalf("snippet ends with %d: %s", code, complaint)
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, markup)
	}))
	t.Cleanup(page.Close)
	if err := chromedp.Do(ctx, chromedp.Navigate(page.URL), fill("snippet@example.com"), chromedp.Click(chromedp.CSS("button")), shows("[role=status]", thanks)); err != nil {
		t.Fatal(err)
	}
	(&site{house: h}).onlyLead(t, "snippet@example.com")
	if _, complaint, code := run(t, []string{"HUBSPOT_TOKEN=t"}, "", "snippet", "--config", h.config, "--form", "contcat"); code != 2 || !strings.Contains(complaint, "contact") {
		t.Errorf("an unknown form ends with %d: %s", code, complaint)
	}
}

// TestTheModuleIsReadyForNPM checks that it loads without a page, as in server-side frameworks, and that the package is complete.
func TestTheModuleIsReadyForNPM(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"npm", "node"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("LEADGATE_REQUIRE_NODE") != "" {
				t.Fatal(err)
			}
			t.Skipf("%s is needed", tool)
		}
	}
	for _, c := range []struct{ command, want []string }{
		{[]string{"node", "--input-type=module", "-e", `import("./leadgate.mjs").then((m) => console.log(Object.keys(m).join()))`}, []string{"attach,configure,start,submit"}},
		{[]string{"npm", "pack", "--dry-run", "--json", "--offline"}, []string{`"leadgate.mjs"`, `"leadgate.d.ts"`, `"lists/de.json"`, `"README.md"`}},
	} {
		cmd := exec.CommandContext(t.Context(), c.command[0], c.command[1:]...)
		cmd.Dir = "../../../gen/js"
		out, err := cmd.Output()
		for _, want := range c.want {
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v lacks %s: %v %s", c.command, want, err, out)
			}
		}
	}
}
