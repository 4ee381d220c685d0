package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser starts a browser, or skips the test if there is none.
func browser(t *testing.T, width, height int64) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("LEADGATE_REQUIRE_BROWSER") != "" {
			t.Fatal("no browser found, and LEADGATE_REQUIRE_BROWSER is set")
		}
		t.Skip("no browser found: install chromium to run the tests of pages")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(int(width), int(height)))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts it; a deadline on this context would end it
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(ctx, 2*patience)
	t.Cleanup(cancel)
	return ctx
}

// shows waits until an element's text contains words.
func shows(selector, words string) chromedp.Action[chromedp.Void] {
	return holds(fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q) ?? false", selector, words))
}

func TestThePageOfTheDemoShowsALeadOnItsWay(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1440, 900)
	demo := startDemo(t)
	err := chromedp.Do(ctx,
		chromedp.Navigate("http://"+demo.address+"/demo/"),
		shows("#link", "live"),
		chromedp.Click(chromedp.CSS("#double")),
		chromedp.Click(chromedp.CSS("#send")),
		shows("#answer", "2 requests, 1 new lead"),
		shows("#stories", "sent to HubSpot"),
		shows("#stories", "no second lead"),
		shows("#contacts", "ada.lovelace@example.com"),
	)
	if err != nil {
		t.Fatal(err)
	}
	contacts, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("#contacts")))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(contacts, "ada.lovelace@example.com") != 1 || !strings.Contains(contacts, "+14155550132") {
		t.Errorf("the CRM's contacts: %s", contacts)
	}
	screenshots(ctx, t)
	// An error is shown at its field.
	err = chromedp.Do(ctx,
		chromedp.SetValue(chromedp.CSS("[name=email]"), "not an address"),
		chromedp.Click(chromedp.CSS("#send")),
		shows("#form", "must be a valid email address"),
	)
	if err != nil {
		t.Error(err)
	}
	// The terminal shows it as well.
	demo.lines.wait(t, regexp.MustCompile(`● success +crm`))
}

// screenshots saves screenshots of the page in LEADGATE_SCREENSHOTS, if that names a directory, for people to look at.
func screenshots(ctx context.Context, t *testing.T) {
	dir := os.Getenv("LEADGATE_SCREENSHOTS")
	if dir == "" {
		return
	}
	for name, size := range map[string][2]int64{"360": {360, 780}, "768": {768, 1024}, "1440": {1440, 900}} {
		for _, scheme := range []string{"light", "dark"} {
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
			picture, err := chromedp.Run(ctx, func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
				if _, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, media); err != nil {
					return nil, err
				}
				if _, err := chromedp.EmulateViewport(size[0], size[1])(ctx, target); err != nil {
					return nil, err
				}
				return chromedp.CaptureScreenshot()(ctx, target)
			})
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "demo-"+name+"-"+scheme+".png"), picture, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
}

func TestTheDemoLeadsToTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1440, 900)
	demo := startDemo(t)
	err := chromedp.Do(ctx,
		chromedp.Navigate("http://"+demo.address+"/demo/"),
		shows("#link", "live"),
		chromedp.SetValue(chromedp.CSS("[name=email]"), "nobody"),
		chromedp.Click(chromedp.CSS("#send")),
		shows("#answer", "Please check what is marked"),
		holds(`document.activeElement.name === "email" && document.getElementById(document.activeElement.getAttribute("aria-describedby")).innerText.includes("valid email address")`),
		// Countdowns are not read out every second.
		chromedp.SetValue(chromedp.CSS("[name=email]"), "ada@example.com"),
		chromedp.Click(chromedp.CSS("#down")),
		chromedp.Click(chromedp.CSS("#send")),
		shows("#stories", "retrying"),
		holds(`document.querySelector("#stories time").closest("[aria-live]").ariaLive === "off"`),
	)
	if err != nil {
		t.Fatal(err)
	}
}
