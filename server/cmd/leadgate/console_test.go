package main_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

func TestTheConsoleShowsALeadAsItComes(t *testing.T) {
	t.Parallel()
	ctx := browser(t, 1440, 900)
	demo := start(t, nil, "demo", "--listen", "127.0.0.1:0")
	base := "http://" + demo.address
	err := chromedp.Do(ctx, chromedp.Navigate(base+"/console/"), shows("#main", "Nothing to show yet"), shows(".health", "all well"))
	if err != nil {
		t.Fatal(err)
	}
	sent := request(t, "POST", base+"/v1/forms/contact/submissions", "application/x-www-form-urlencoded", "email=ada@example.com&firstname=Ada&country=United+States")
	if sent.status != 201 {
		t.Fatalf("status %d: %s", sent.status, sent.text)
	}
	err = chromedp.Do(ctx,
		shows("#main table", "a***@example.com"),
		shows("#main table", "success"),
		// Its story, by keyboard: to the newest row, and in.
		chromedp.KeyEvent("j"),
		chromedp.KeyEvent("\r"),
		shows("#main h1", "Ada"),
		shows("#main", "United States"),
		shows("#main", `"country": "US"`),
		chromedp.KeyEvent("gn"),
		shows("#main", "speed to lead"),
	)
	if err != nil {
		t.Error(err)
	}
}
