package main_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// tooBusy answers a submission like a gateway that wants it again in a minute.
func (s *site) tooBusy(w http.ResponseWriter) {
	w.Header().Set("Access-Control-Allow-Origin", s.pages.URL)
	w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
	w.Header().Set("Retry-After", "60")
	w.WriteHeader(http.StatusServiceUnavailable)
}

func firstTooBusy(s *site) func(int32, http.ResponseWriter, *http.Request) bool {
	return func(n int32, w http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			s.tooBusy(w)
		}
		return n == 1
	}
}

// TestWhatWaitedDisturbsNobody: a submission that waited on the device is sent or given up without disturbing the visitor.
func TestWhatWaitedDisturbsNobody(t *testing.T) {
	t.Parallel()
	visit := visitors(t)
	h := newHouse(t)

	t.Run("who types another one meanwhile is neither kept from it nor sent elsewhere", func(t *testing.T) {
		s, tab := newSite(t, h, "en", `data-redirect="/thanks"`), visit(t)
		arrived, release := make(chan struct{}), make(chan struct{})
		s.fault = func(n int32, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				return false
			}
			close(arrived)
			return until(release)(n, w, r)
		}
		do(t, tab, s.contact(), fill("before@example.com"), offline(true), press(), shows("[role=status]", "offline"), fill("after@example.com"), offline(false))
		<-arrived
		do(t, tab, holds(`document.forms[0].ariaBusy !== "true" && !document.querySelector("#send").disabled && document.querySelector("#send").ariaDisabled !== "true"`))
		close(release)
		do(t, tab, shows("[role=status]", thanks), holds(`location.pathname === "/contact" && document.forms[0].email.value === "after@example.com"`))
		s.onlyLead(t, "before@example.com")
		do(t, tab, press(), holds(`location.pathname === "/thanks"`))
		s.onlyLead(t, "after@example.com")
	})

	t.Run("what was sent too long ago is given up, in words", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		s.fault = firstTooBusy(s)
		s.scripts += `<script src="/site.js" defer></script>`
		s.script = `addEventListener("leadgate:expired", (event) => window.expired = event.detail)`
		do(t, tab, s.contact(), fill("late@example.com"), press(), shows("[role=status]", "kept on this device"),
			// The key is about to expire, after which the gateway may not know it any more.
			holds(`(localStorage.leadgate = localStorage.leadgate.replace(/"until":\d+/, '"until":1'), true)`),
			chromedp.Reload(), shows("[role=status]", "could not be sent"),
			holds(`window.expired.body.includes("late%40example.com") && !localStorage.leadgate.includes("late")`))
		if n := s.sent.Load(); n != 1 {
			t.Errorf("%d requests were sent, want 1", n)
		}
	})

	t.Run("what never left the device cannot be a second lead, and is sent at any age", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		do(t, tab, s.contact(), fill("old@example.com"), offline(true), press(), shows("[role=status]", "offline"),
			holds(`(Date.now = ((now) => () => now() + 30 * 86400e3)(Date.now), true)`),
			offline(false), shows("[role=status]", thanks))
		s.onlyLead(t, "old@example.com")
	})

	t.Run("nothing waits on a device that several people share", func(t *testing.T) {
		s, tab := newSite(t, h, "en", `data-queue="false"`), visit(t)
		s.fault = firstTooBusy(s)
		do(t, tab, s.contact(), fill("shared@example.com"), press(), shows("[role=status]", "did not work"),
			holds(`!JSON.stringify(localStorage).includes("shared") && document.forms[0].email.value === "shared@example.com"`),
			offline(true), press(), shows("[role=status]", "did not work"), offline(false), press(), shows("[role=status]", thanks),
			holds(`!JSON.stringify(localStorage).includes("shared")`))
		s.onlyLead(t, "shared@example.com")
	})

	t.Run("while the gateway is away, each is sent once in a while, however many wait", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		s.fault = func(_ int32, w http.ResponseWriter, _ *http.Request) bool { s.tooBusy(w); return true }
		s.scripts = `<script src="/site.js"></script>` + s.scripts
		s.script = `later = new Map(), soon = setTimeout, stop = clearTimeout;
			setTimeout = (run, after) => after < 60_000 ? soon(run, after) : (later.set(-1 - later.size, run), -later.size);
			clearTimeout = (timer) => later.delete(timer) || stop(timer);
			delete Navigator.prototype.locks` // like a page without TLS
		do(t, tab, s.contact())
		for _, email := range []string{"one@example.com", "two@example.com"} {
			do(t, tab, fill(email), press(), shows("[role=status]", "kept on this device"), holds(`document.forms[0].email.value === ""`))
		}
		for range 3 {
			do(t, tab, holds(`later.size === 1`), holds(`((run) => (later.clear(), run(), true))([...later.values()][0])`))
		}
		do(t, tab, holds(`later.size === 1`))
		deadline := time.After(patience)
		for s.sent.Load() < 8 {
			select {
			case <-deadline:
				t.Fatalf("%d requests were sent, want 8", s.sent.Load())
			case <-time.After(10 * time.Millisecond):
			}
		}
		if n := s.sent.Load(); n != 8 {
			t.Errorf("%d requests were sent, want 8", n)
		}
	})

	t.Run("a day without a network at a stand", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		const visitors = 60
		do(t, tab, s.contact(), offline(true),
			holds(fmt.Sprintf(`(Promise.all(Array.from({ length: %d }, (_, i) => leadgate.submit("contact", { email: "stand" + i + "@example.com" }))).then((all) => window.queued = all.length), true)`, visitors)),
			holds(fmt.Sprintf(`window.queued === %d`, visitors)), offline(false), holds(`!localStorage.leadgate.includes("stand")`))
		if n := s.sent.Load(); n != visitors {
			t.Errorf("%d were sent, want %d", n, visitors)
		}
	})

	t.Run("where the device has no room", func(t *testing.T) {
		s, tab := newSite(t, h, "en", ""), visit(t)
		do(t, tab, s.contact(), fill("full@example.com"),
			holds(`(() => { for (let size = 5 << 20; size; size >>= 1) try { localStorage["x" + size] = "x".repeat(size) } catch {} return true })()`),
			offline(true), press(), shows("[role=status]", "offline"), offline(false), shows("[role=status]", thanks))
		s.onlyLead(t, "full@example.com")
	})
}
