package main_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestThePageMayBeAsItIs tests various markup, frames and other scripts.
func TestThePageMayBeAsItIs(t *testing.T) {
	t.Parallel()
	visit := visitors(t)
	h := newHouse(t)
	h.edit("default_region: US", "default_region: US\n    quality: { timing_field: shown_at }")
	h.edit("\ndestinations:", "\n  partner: { fields: { email: email }, destinations: [crm], allowed_origins: [\"https://partner.example\"] }\ndestinations:")
	with := func(s *site, more string) string { return strings.Replace(s.markup, "<button", more+"<button", 1) }

	t.Run("fields that are called as what a form has", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		plain := s.markup
		names := []string{"action", "reset", "elements", "method", "dataset", "append", "getAttribute", "setAttribute", "querySelector", "dispatchEvent", "addEventListener", "isConnected", "submit"}
		try := func(email string, names ...string) {
			s.markup = plain
			for _, name := range names {
				s.markup = with(s, fmt.Sprintf(`<input type="hidden" name=%q value="x">`, name))
			}
			do(t, tab, s.contact(), fill(email), press(), shows("[role=status]", thanks), holds(`document.querySelector("[name=email]").value === ""`))
			s.onlyLead(t, email)
		}
		for _, name := range names {
			try(strings.ToLower(name)+"@example.com", name)
		}
		try("all@example.com", names...)
	})

	t.Run("a sandbox, where nothing can be stored or locked", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		s.policy = "sandbox allow-scripts allow-forms" // as with <iframe sandbox="allow-scripts allow-forms">
		contact := s.markup
		do(t, tab, s.contact(), holds(`(() => { try { return !localStorage } catch { return true } })()`), fill("sandbox@example.com"), press(), shows("[role=status]", thanks))
		s.onlyLead(t, "sandbox@example.com")
		do(t, tab, press(), shows("form", "Please check"))
		got, err := chromedp.Run(tab, chromedp.Evaluate[string](`leadgate.submit("contact", {email: "x"}).catch((e) => e.status + " " + e.violations[0].field)`, chromedp.EvalAwaitPromise))
		if err != nil || got != "400 email" {
			t.Errorf("a program in a sandbox gets %q (%v)", got, err)
		}
		s.markup = strings.ReplaceAll(contact, "contact", "partner") // the lead says that its origin is unknown
		do(t, tab, s.contact(), fill("hidden@example.com"), press(), shows("[role=status]", thanks))
		s.onlyLead(t, "hidden@example.com")
	})

	t.Run("another's form says that it did not work, keeps nothing, and tells whoever builds the page why", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		s.markup = strings.ReplaceAll(s.markup, "contact", "partner")
		s.scripts += `<script src="/site.js" defer></script>`
		s.script = `console.error = (said) => window.said = said`
		do(t, tab, s.contact(), fill("stranger@example.com"), press(), shows("[role=status]", "did not work"), holds(`!localStorage.leadgate.includes("stranger")`),
			holds(`said.startsWith("leadgate: ") && said.includes(location.origin) && said.includes("allowed_origins")`))
		if n := s.sent.Load(); n != 1 {
			t.Errorf("%d requests were sent, want 1", n)
		}
	})

	t.Run("a form that comes later, and is sent without ever having had the focus", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		late := s.markup
		s.markup = ""
		do(t, tab, s.contact(), holds("!!window.leadgate"), holds(fmt.Sprintf(`(document.body.insertAdjacentHTML("beforeend", %q), document.forms[0].email.value = "focus@example.com", document.forms[0].requestSubmit(), true)`, late)),
			shows("[role=status]", thanks))
		s.onlyLead(t, "focus@example.com")
		fields := fmt.Sprint(s.leadsOf(t, "focus@example.com")[0]["submission"])
		if !strings.Contains(fields, "leadgate_page") || strings.Contains(fields, "elapsed") {
			t.Errorf("nobody knows how long it was on show: %s", fields)
		}
	})

	t.Run("a form in a shadow root", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		inner := s.markup
		s.markup = "<main></main>"
		do(t, tab, s.contact(), holds("!!window.leadgate"), holds(fmt.Sprintf(`(() => {
			document.addEventListener("leadgate:success", (event) => window.heard = event.detail.leadId);
			const root = document.querySelector("main").attachShadow({ mode: "open" });
			root.innerHTML = %q;
			window.form = root.querySelector("form");
			form.email.focus();
			form.email.value = "shadow@example.com";
			form.querySelector("button").click();
			return true;
		})()`, inner)), holds(`form.querySelector("[role=status]")?.textContent.includes("Thank you") && !!window.heard`))
		s.onlyLead(t, "shadow@example.com")
	})

	t.Run("a form that is let go of is as it was", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		s.markup = strings.Replace(s.markup, "data-leadgate=", "data-was=", 1)
		do(t, tab, s.contact(), holds("!!window.leadgate"), holds(`(() => {
			const [form] = document.forms, { outerHTML } = form;
			for (let times = 2; times--;) leadgate.attach(form)();
			return form.outerHTML === outerHTML;
		})()`))
	})

	t.Run("a script of the site's own with what the documentation says", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		text, err := os.ReadFile("../../../clients/js/README.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range fenced(string(text), "js") {
			if strings.Contains(block, "leadgate.configure(") {
				s.script += block
			}
		}
		s.scripts += `<script src="/site.js" defer></script>`
		do(t, tab, s.contact(), holds(`(document.forms[0].email.type = "text") === "text"`), fill("no address"), press(), shows("label + .leadgate-error", "Is this an e-mail address?"),
			holds(`(document.forms[0].email.value = "words@example.com") !== ""`), press(), shows("[role=status]", "We call you within the hour."))
		s.onlyLead(t, "words@example.com")
	})

	t.Run("a script that the site hosts itself", func(t *testing.T) {
		s, tab := newSite(t, h, "de", ""), visit(t)
		s.scripts = `<script src="/leadgate.js" defer></script><script src="/site.js" defer></script>`
		s.script = fmt.Sprintf("leadgate.configure({ gateway: %q })", s.front.URL)
		s.markup = strings.Replace(s.markup, "action=", "data-was=", 1)
		do(t, tab, s.contact(), fill("hosted@example.com"), press(), shows("[role=status]", "Vielen Dank"))
		s.onlyLead(t, "hosted@example.com")
	})

	t.Run("what the page adds anew for each visit makes no second lead", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		plain := s.markup
		for _, visit := range []string{"1", "2"} {
			s.markup = plain
			s.markup = with(s, fmt.Sprintf(`<input type="hidden" name="_csrf" value=%q><input type="hidden" name="shown_at" value=%[1]q><textarea name="g-recaptcha-response" hidden>%[1]s</textarea>`, visit))
			do(t, tab, s.contact(), fill("token@example.com"), press(), shows("[role=status]", thanks))
		}
		s.onlyLead(t, "token@example.com")
	})

	t.Run("what the page says of its own is another lead", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		plain := s.markup
		for _, product := range []string{"boat", "bike"} {
			s.markup = plain
			s.markup = with(s, fmt.Sprintf(`<input type="hidden" name="product" value=%q>`, product))
			do(t, tab, s.contact(), fill("two@example.com"), press(), shows("[role=status]", thanks))
		}
		if leads := s.leadsOf(t, "two@example.com"); len(leads) != 2 || strings.Contains(fmt.Sprint(leads), "HELD") {
			t.Errorf("two leads were wanted: %s", leads)
		}
	})

	t.Run("of a file the lead has the name", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		s.markup = with(s, `<input type="file" name="cv"><input type="file" name="photo">`)
		do(t, tab, s.contact(), fill("file@example.com"), holds(`(() => {
			const files = new DataTransfer();
			files.items.add(new File(["%PDF"], "ada.pdf"));
			return !!(document.forms[0].cv.files = files.files);
		})()`), press(), shows("[role=status]", thanks))
		s.onlyLead(t, "file@example.com")
		id := s.leadsOf(t, "file@example.com")[0]["leadId"].(string)
		if a := request(t, http.MethodGet, s.url("/v1/leads/"+id), "", ""); !strings.Contains(a.text, "ada.pdf") {
			t.Errorf("the lead: %s", a.text)
		}
	})
}
