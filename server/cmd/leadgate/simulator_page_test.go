package main_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// A simulated CRM's page stays open: it shows what the CRM received, and says when it is disconnected.
func TestThePageOfASimulatedCRMSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := browser(t, 390, 800)
	err := chromedp.Do(ctx,
		chromedp.Navigate("http://"+h.crm.address+"/_sim/"),
		shows("#counts", "0 records"), shows("#now", "No faults"),
		chromedp.SetValue(chromedp.CSS("#faults"), `{"status":"down"}`), chromedp.Click(chromedp.CSS("#set")),
		holds(`document.querySelector("#problem").innerText.length > 10`),
		chromedp.Click(chromedp.CSS("[data-faults*=fail_rate]")),
		shows("#now", "Faults: "), holds(`document.querySelector("#problem").innerText === ""`),
		chromedp.Click(chromedp.CSS("[data-faults='{}']")), shows("#now", "No faults"),
	)
	if err != nil {
		t.Fatal(err)
	}
	h.post("k1", ada)
	err = chromedp.Do(ctx,
		shows("#counts", "1 record,"), shows("#records", "email ada.lovelace@example.com"),
		holds(`getSelection().selectAllChildren(document.querySelector("#records td")) || getSelection().toString() !== ""`),
		holds(`document.documentElement.scrollWidth <= innerWidth`),
	)
	if err != nil {
		t.Fatal(err)
	}
	h.crm.kill()
	if err := chromedp.Do(ctx, shows("#now", "does not answer"), shows("#records", "email ada.lovelace@example.com"), holds(`getSelection().toString() !== ""`)); err != nil {
		t.Fatal(err)
	}
}
