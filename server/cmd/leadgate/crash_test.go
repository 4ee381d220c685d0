package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// crash is a gateway that is killed repeatedly while callers submit, and a record of what it acknowledged.
type crash struct {
	*house
	client *http.Client

	mu     sync.Mutex
	acked  map[string]string // lead ID by key
	emails map[string]string // e-mail address by key
	unsure []string          // keys whose answer was lost
}

// submit posts under a key and returns the answer; ok is false if there was none.
func (c *crash) submit(key, email string) (status int, leadID string, ok bool) {
	form := url.Values{"email": {email}, "firstname": {"Ada"}, "message": {strings.Repeat("Please call me. ", len(key)*7%20)}}
	r, err := http.NewRequest(http.MethodPost, c.url("/v1/forms/contact/submissions"), strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Error(err)
		return 0, "", false
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Idempotency-Key", key)
	answer, err := c.client.Do(r)
	if err != nil {
		return 0, "", false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	var body struct{ LeadID string }
	if err != nil || json.Unmarshal(text, &body) != nil {
		return 0, "", false
	}
	return answer.StatusCode, body.LeadID, true
}

// load submits until the gateway is gone.
func (c *crash) load(round, caller int) {
	for i := 0; ; i++ {
		key := fmt.Sprintf("%d-%d-%d", round, caller, i)
		email := key + "@example.com"
		if i%4 == 0 { // a returning person
			email = fmt.Sprintf("regular%d@example.com", caller)
		}
		status, leadID, ok := c.submit(key, email)
		c.mu.Lock()
		c.emails[key] = email
		switch {
		case !ok:
			c.unsure = append(c.unsure, key)
		case status == http.StatusCreated:
			c.acked[key] = leadID
		case status != http.StatusServiceUnavailable:
			c.t.Errorf("a new key is answered with %d", status)
		}
		c.mu.Unlock()
		if !ok {
			return
		}
	}
}

// ask retries like a client: all keys whose answer was lost, and some that were answered.
func (c *crash) ask() {
	for _, key := range c.unsure {
		status, leadID, ok := c.submit(key, c.emails[key])
		if !ok || status != http.StatusCreated && status != http.StatusOK {
			c.t.Fatalf("a key whose answer was lost is answered with %d, %v", status, ok)
		}
		c.acked[key] = leadID
	}
	c.unsure = nil
	n := 0
	for key, was := range c.acked {
		if n++; n > 25 {
			break
		}
		if status, leadID, ok := c.submit(key, c.emails[key]); !ok || status != http.StatusOK || leadID != was {
			c.t.Fatalf("key %s was answered with lead %s, and is now with %d and lead %s", key, was, status, leadID)
		}
	}
}

// leads reads all leads from the gateway.
func (c *crash) leads() (byKey map[string][]string, undelivered int) {
	c.t.Helper()
	export := request(c.t, "GET", c.url("/v1/leads:export"), "", "")
	if export.status != http.StatusOK {
		c.t.Fatalf("export: %d %s", export.status, export.text)
	}
	byKey = map[string][]string{}
	for line := range strings.Lines(export.text) {
		var frame struct {
			Result struct {
				Record     struct{ LeadID, IdempotencyKey string }
				Deliveries []struct{ State string }
			}
		}
		if err := json.Unmarshal([]byte(line), &frame); err != nil {
			c.t.Fatalf("%v: %s", err, line)
		}
		lead := frame.Result.Record
		byKey[lead.IdempotencyKey] = append(byKey[lead.IdempotencyKey], lead.LeadID)
		for _, d := range frame.Result.Deliveries {
			if d.State != "DELIVERY_STATE_DELIVERED" {
				undelivered++
			}
		}
	}
	return byKey, undelivered
}

// kill -9 at random moments under load: according to the answers to callers and the CRM's records, nothing is lost or duplicated,
// and keys keep answering.
func TestKilledAtRandomUnderLoadItLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	rounds := 12
	if os.Getenv("LEADGATE_SOAK") != "" {
		rounds = 300
	}
	c := &crash{house: newHouse(t), acked: map[string]string{}, emails: map[string]string{}}
	c.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: patience}
	defer c.client.CloseIdleConnections()
	for round := range rounds {
		if round > 0 {
			c.restart()
			c.ask()
		}
		if round%3 == 2 {
			c.faults(`{"lose_answer":true}`)
		} else {
			c.faults(`{}`)
		}
		var callers sync.WaitGroup
		for caller := range 8 {
			callers.Go(func() { c.load(round, caller) })
		}
		time.Sleep(time.Duration(20+rand.IntN(300)) * time.Millisecond)
		c.gateway.kill()
		callers.Wait()
	}
	c.faults(`{}`)
	c.restart()
	restarted := time.Now()
	c.ask()
	// A quarter of the leads belong to eight people, whose leads are sent one after the other. That takes a while, so only progress
	// is required.
	fewest, fell := -1, time.Now()
	for ; ; time.Sleep(100 * time.Millisecond) {
		byKey, undelivered := c.leads()
		if undelivered < fewest || fewest < 0 {
			fewest, fell = undelivered, time.Now()
		}
		if undelivered > 0 && time.Since(fell) < 4*patience {
			continue
		}
		for key, leadID := range c.acked {
			if len(byKey[key]) != 1 || byKey[key][0] != leadID {
				t.Fatalf("key %s was answered with lead %s; there are %v", key, leadID, byKey[key])
			}
		}
		if len(byKey) != len(c.acked) || undelivered > 0 {
			t.Fatalf("%d leads are kept, %d were acknowledged; %d deliveries are not made", len(byKey), len(c.acked), undelivered)
		}
		break
	}
	t.Logf("%d kills, %d leads; all delivered %v after the last restart", rounds, len(c.acked), time.Since(restarted).Round(time.Millisecond))
	has := map[string]int{}
	for _, contact := range c.contacts() {
		has[contact.Properties["email"]]++
	}
	people := map[string]bool{}
	for key := range c.acked {
		people[c.emails[key]] = true
	}
	for email := range people {
		if has[email] != 1 {
			t.Errorf("the CRM has %d records of %s", has[email], email)
		}
	}
	if len(has) != len(people) {
		t.Errorf("the CRM has %d people, %d submitted", len(has), len(people))
	}
}
