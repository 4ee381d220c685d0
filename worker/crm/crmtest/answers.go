package crmtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leadgate/leadgate/worker/crm"
)

// runAnswers tests answers that are not a success.
func runAnswers(t *testing.T, h Harness) {
	t.Run("TooFastIsTakenAtItsWord", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		for value, want := range map[string]time.Duration{
			"7": 7 * time.Second,
			now.Add(time.Minute).Format(http.TimeFormat): time.Minute,
			"31536000": crm.MaxRetryAfter,
		} {
			b.answers(status(http.StatusTooManyRequests, `{}`, "Retry-After", value, "Date", now.Format(http.TimeFormat)))
			items := b.full()
			outcomes := b.deliver(items)
			b.expectKind(items, outcomes, crm.RateLimited)
			if outcomes[0].After != want || outcomes[0].Status != http.StatusTooManyRequests {
				t.Errorf("Retry-After %q: %+v, want to wait %v", value, outcomes[0], want)
			}
			if pong := b.destination.Ping(t.Context()); pong.Kind != crm.RateLimited || pong.After != want {
				t.Errorf("the ping ended as %+v", pong)
			}
		}
	})
	t.Run("WhatBrokeIsNeverGivenUpAndNeverTakenForASuccess", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		for _, code := range []int{500, 502, 503, 504, 521, 408, 423, 425} {
			b.answers(status(code, "<html>"+strings.Repeat("ö", 3*crm.MaxBody), "Content-Type", "text/html"))
			for i, outcome := range b.deliver(b.full()) {
				if outcome.Kind != crm.Retry && outcome.Kind != crm.Unknown || outcome.Status != code {
					t.Errorf("lead %d ended as %s of status %d after %d", i, kindName(outcome.Kind), outcome.Status, code)
				}
			}
			if pong := b.destination.Ping(t.Context()); code >= 500 && pong.Kind == crm.Delivered {
				t.Errorf("%d is a pong: %+v", code, pong)
			}
		}
	})
	t.Run("APageIsNotASuccess", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		b.answers(status(http.StatusOK, "<html>Please log in</html>", "Content-Type", "text/html"))
		items := b.full()
		b.expectKind(items, b.deliver(items), crm.Unknown)
	})
	t.Run("AWrongAddressIsNoVerdictOnALead", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		for _, code := range []int{404, 405, 410} {
			for _, body := range []string{"<html>There is nothing here</html>", "", `{"message":"no such path"}`} {
				b.answers(status(code, body, "Content-Type", "text/html"))
				for i, outcome := range b.deliver(b.full()) {
					if outcome.Kind != crm.Retry || outcome.Status != code {
						t.Errorf("lead %d ended as %s of status %d after %d %q", i, kindName(outcome.Kind), outcome.Status, code, body)
					}
				}
			}
		}
	})
	t.Run("AnErrorIsNoSuccessWhateverItsStatus", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		for _, code := range []int{200, 201, 204, 207} {
			for _, body := range []string{
				``, `null`, `""`, `{}`, `[]`, `{"error":"invalid_request"}`, `{"success":false,"error":"x","data":null}`, `{"data":null}`, `{"results":null}`,
				`{"status":"error","code":"INTERNAL_ERROR","message":"x"}`, `{"data":[{"status":"error","code":"INTERNAL_ERROR","details":{}}]}`,
				`[{"success":false,"errors":[{"statusCode":"UNKNOWN_EXCEPTION","message":"x"}]}]`, `{"error":{"code":"0x80040216","message":"x"}}`,
				`{"status":"COMPLETE","results":[],"errors":[{"status":"error","message":"x"}]}`,
			} {
				b.answers(status(code, body))
				for i, outcome := range b.deliver(b.full()) {
					if outcome.Kind == crm.Delivered {
						t.Errorf("lead %d ended as %s after %d %s: %+v", i, kindName(outcome.Kind), code, body, outcome)
					}
				}
			}
		}
	})
	t.Run("AnAnswerAboutMoreLeadsThanWereSentMixesUpNobody", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		items := b.full()
		if len(items) == 1 {
			t.Skip("one lead at a time")
		}
		var last *httptest.ResponseRecorder // to the whole batch
		b.answers(func(w http.ResponseWriter, r *http.Request) {
			last = httptest.NewRecorder()
			b.crm.ServeHTTP(last, r)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		b.deliver(items)
		b.answers(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(last.Code)
			_, _ = w.Write(last.Body.Bytes())
		})
		for _, some := range [][]crm.Item{items[:len(items)-1], items[1:], items[1:2]} {
			for i, outcome := range b.deliver(some) {
				if own := b.crm.RecordID(some[i].Email); outcome.RecordID != "" && outcome.RecordID != own {
					t.Errorf("lead %d of %d got the record %q, and has %q: %+v", i, len(some), outcome.RecordID, own, outcome)
				}
			}
		}
	})
	t.Run("AnEndlessAnswerIsNotReadToItsEnd", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		b.answers(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			chunk := strings.Repeat(" ", 1<<20)
			for err := error(nil); err == nil; { // until the destination hangs up
				_, err = io.WriteString(w, chunk)
			}
		})
		items := b.full()
		b.expectKind(items, b.deliver(items), crm.Unknown)
	})
	t.Run("ARedirectIsNotFollowed", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		var strayed atomic.Int64
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
		defer elsewhere.Close()
		for _, code := range []int{301, 302, 303, 307, 308} {
			b.answers(status(code, `{}`, "Location", elsewhere.URL))
			items := b.full()
			b.expectKind(items, b.deliver(items), crm.Retry) // the address is wrong, not the lead
			b.destination.Ping(t.Context())
		}
		if n := strayed.Load(); n != 0 {
			t.Errorf("%d calls went where nobody configured", n)
		}
	})
	t.Run("NoLeadKeepsDataOfAnother", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		items := b.full()
		for _, code := range []int{200, 207, 302, 400, 401, 403, 404, 409, 413, 422, 429, 500} {
			for _, cut := range []bool{false, true} {
				b.answers(func(w http.ResponseWriter, r *http.Request) {
					sent, _ := io.ReadAll(r.Body)
					w.Header().Set("Content-Type", "application/json")
					if cut {
						w.Header().Set("Content-Length", strconv.Itoa(len(sent)+1))
					}
					w.WriteHeader(code)
					_, _ = w.Write(sent)
				})
				for i, outcome := range b.deliver(items) {
					for j, item := range items {
						if i != j && containsFold(outcome.Body, item.Email) {
							t.Errorf("after %d, cut %t: lead %d, which ended as %s, has what is about lead %d: %s", code, cut, i, kindName(outcome.Kind), j, outcome.Body)
						}
					}
				}
			}
		}
	})
	t.Run("AReasonTellsNobodysData", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, h)
		items := b.full()
		for _, code := range []int{200, 207, 400, 401, 403, 404, 409, 413, 422, 429, 500} {
			for _, word := range []string{items[0].Email, "LOVELACE"} { // LOVELACE looks like a code
				b.answers(func(w http.ResponseWriter, r *http.Request) {
					sent, _ := io.ReadAll(r.Body)
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(code)
					fmt.Fprintf(w, `{"message":%[1]q,"category":%[1]q,"policyName":%[1]q,"code":%[1]q,"errorCode":%[1]q,"errors":[{"message":%[2]q,"code":%[1]q,"in":%[1]q},{"code":%[1]q,"in":%[3]q}]}`,
						word, sent, b.harness.propertyOf("first_name"))
				})
				b.deliver(items)
			}
		}
	})
}
