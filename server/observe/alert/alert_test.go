package alert_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

const (
	received = leadgatev1.Stage_STAGE_RECEIVED
	rejected = leadgatev1.Stage_STAGE_REJECTED
	held     = leadgatev1.Stage_STAGE_HELD
	queued   = leadgatev1.Stage_STAGE_QUEUED
	retry    = leadgatev1.Stage_STAGE_RETRY
	success  = leadgatev1.Stage_STAGE_SUCCESS
	failure  = leadgatev1.Stage_STAGE_FAILURE
	dead     = leadgatev1.Stage_STAGE_DEAD

	flowing = leadgatev1.DestinationStatus_DESTINATION_STATUS_FLOWING
	paused  = leadgatev1.DestinationStatus_DESTINATION_STATUS_PAUSED
	refused = leadgatev1.DestinationStatus_DESTINATION_STATUS_CREDENTIALS_REFUSED
)

func every(d time.Duration) *durationpb.Duration { return durationpb.New(d) }

func TestAFailingDestinationIsToldOnceRemindedAndResolved(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		h.lead(repeat(success, 90)...)
		h.lead(repeat(retry, 4)...)
		pass(15 * time.Second)
		h.expect() // 4 % fail
		h.lead(repeat(retry, 3)...)
		pass(15 * time.Second)
		h.expect("firing error_rate/crm")

		a := h.last().Alert
		for _, text := range []struct{ what, got, want string }{
			{"summary", a.GetSummary(), "7 % of the calls to crm fail: 7 of 97 within 10 min"},
			{"cause", a.GetCause(), "HTTP 503: Service Unavailable: maintenance"},
			{"lead", a.GetLeadUrl(), "https://leads.example.com/console/leads/0193-a-lead"},
			{"page", a.GetUrl(), "https://leads.example.com/console/destinations/crm"},
			{"command", a.GetCommand(), "leadgate watch --destination crm --stage retry --stage failure --last 20"},
		} {
			if text.got != text.want {
				t.Errorf("%s: %q, want %q", text.what, text.got, text.want)
			}
		}

		for range 4*60 + 1 { // it lasts
			h.lead(retry)
			pass(time.Minute)
		}
		h.expect("firing error_rate/crm", "reminder error_rate/crm")
		h.lead(repeat(success, 2000)...)
		pass(11 * time.Minute)
		h.expect("firing error_rate/crm", "reminder error_rate/crm", "resolved error_rate/crm")
	})
}

func TestARestartNeitherForgetsNorRepeatsAnAlert(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		h.is(refused)
		h.destination(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_CREDENTIALS_REFUSED, "the token expired")
		pass(15 * time.Second)
		h.expect("firing credentials/crm")
		if got := h.last().Alert.GetCause(); got != "HTTP 401: the token expired" {
			t.Errorf("cause %q", got)
		}
		h.is(flowing) // until the first call after the restart
		h.restart()
		pass(10 * time.Second)
		h.is(refused)
		pass(time.Hour)
		h.expect("firing credentials/crm")
		h.restart()
		h.is(flowing)
		pass(time.Minute)
		h.expect("firing credentials/crm", "resolved credentials/crm")
		h.restart()
		pass(time.Minute)
		h.expect("firing credentials/crm", "resolved credentials/crm")
		if all := h.engine.Alerts(); len(all) != 1 || all[0].GetState() != leadgatev1.AlertState_ALERT_STATE_RESOLVED {
			t.Errorf("alerts after the restart: %v", all)
		}
	})
}

// A reload keeps the counts; after a restart, what happened before is unknown.
func TestWhatGoesOnIsNotOverWithAReloadOrARestart(t *testing.T) {
	t.Parallel()
	wider := func(h *house) {
		h.config.Rules = &configv1.AlertRules{Rejections: &configv1.ErrorRateRule{Window: every(2 * time.Hour)}}
		h.reload()
	}
	for name, interrupt := range map[string]func(*house){"reload": (*house).reload, "another window": wider, "restart": (*house).restart} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enter(t, nil, func(h *house) {
				page := func() { // most of its submissions are refused
					h.lead(repeat(rejected, 4)...)
					h.lead(received)
				}
				for range 10 {
					page()
				}
				pass(15 * time.Second)
				h.expect("firing rejections/contact")
				interrupt(h)
				for range 20 {
					pass(5 * time.Minute)
					page()
				}
				h.expect("firing rejections/contact")
				pass(3 * time.Hour) // repaired
				h.expect("firing rejections/contact", "resolved rejections/contact")
			})
		})
	}
}

// Each trouble raises only its own alert, though all of them leave leads waiting and calls failing.
func TestOneTroubleIsOneAlert(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trouble func(h *house)
		want    string
		within  time.Duration
	}{
		"the CRM is down": {func(h *house) { h.lead(repeat(retry, 20)...) }, "error_rate/crm", 15 * time.Second},
		"credentials revoked": {func(h *house) {
			h.is(refused)
			h.lead(repeat(retry, 20)...)
		}, "credentials/crm", 15 * time.Second},
		"paused": {func(h *house) { h.is(paused) }, "paused/crm", 10*time.Minute + 15*time.Second},
		"a rate limit": {func(h *house) {
			for range 3 {
				h.destination(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RATE_LIMITED, "API Rate Limit Exceeded")
			}
		}, "rate_limited/crm", 15 * time.Second},
		"a field renamed": {func(h *house) {
			h.drifted(&leadgatev1.Drift{Form: "contact", Field: "company_name", Suggestion: "company_name: company", Detail: "company no longer arrives"})
			h.lead(repeat(held, 12)...)
		}, "drift/form/contact", 15 * time.Second},
		"a property removed": {func(h *house) {
			h.drifted(&leadgatev1.Drift{Destination: "crm", Field: "company_name", Detail: "the CRM has no property company_name"})
		}, "drift/crm", 15 * time.Second},
		"holds":             {func(h *house) { h.lead(repeat(held, 10)...) }, "holds/contact", 15 * time.Second},
		"a page broken":     {func(h *house) { h.lead(repeat(rejected, 20)...) }, "rejections/contact", 15 * time.Second},
		"deliveries died":   {func(h *house) { h.lead(failure, dead) }, "dead/crm", 15 * time.Second},
		"a lead waits long": {func(h *house) { h.memory.set(func() { h.memory.waiting = time.Now().Add(-14 * time.Minute) }) }, "oldest_waiting/crm", time.Minute + 15*time.Second},
		"the disk fills up": {func(h *house) { h.memory.set(func() { h.memory.free = 1000 << 20 }) }, "disk", 15 * time.Second},
		"the store fails":   {func(h *house) { h.memory.set(func() { h.memory.refused = errors.New("the disk is gone") }) }, "disk/refusing", 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enter(t, nil, func(h *house) {
				h.lead(repeat(success, 5)...)
				test.trouble(h)
				pass(test.within)
				h.expect("firing " + test.want)
				if name == "paused" || name == "credentials revoked" {
					h.memory.set(func() { h.memory.waiting = time.Now().Add(-time.Hour) })
					h.lead(queued)
					pass(2 * time.Hour)
					h.expect("firing " + test.want)
				}
			})
		})
	}
}

// The calls of a past outage are counted for a while: "calls fail" must not follow "resolved".
func TestAnOutageThatIsOverIsNotToldAsFailingCalls(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]struct {
		status leadgatev1.DestinationStatus
		alert  string
	}{
		"it could not be reached": {leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE, "breaker/crm"},
		"it was rate limited":     {leadgatev1.DestinationStatus_DESTINATION_STATUS_RATE_LIMITED, "rate_limited/crm"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enter(t, nil, func(h *house) {
				h.lead(repeat(success, 5)...)
				h.is(trouble.status)
				if trouble.alert == "rate_limited/crm" {
					for range 3 {
						h.destination(leadgatev1.DestinationEventType_DESTINATION_EVENT_TYPE_RATE_LIMITED, "API Rate Limit Exceeded")
					}
					pass(9 * time.Minute)
				}
				h.lead(repeat(retry, 4)...)
				pass(75 * time.Second)
				h.is(flowing)
				h.lead(repeat(success, 60)...)
				pass(time.Minute)
				h.expect("firing "+trouble.alert, "resolved "+trouble.alert)
				pass(10 * time.Minute)
				h.expect("firing "+trouble.alert, "resolved "+trouble.alert)
				h.lead(repeat(retry, 20)...) // another one
				pass(15 * time.Second)
				h.expect("firing "+trouble.alert, "resolved "+trouble.alert, "firing error_rate/crm")
			})
		})
	}
}

// Deliveries that were sent again are no trouble any more, even if they died within the hour.
func TestDeadDeliveriesThatWereSentAgainAreOver(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		h.lead(success, success, failure, dead, failure, dead)
		pass(15 * time.Second)
		h.expect("firing dead/crm")
		h.memory.set(func() { h.memory.dead-- })
		pass(20 * time.Minute)
		h.expect("firing dead/crm")
		h.memory.set(func() { h.memory.dead-- })
		pass(time.Minute)
		h.expect("firing dead/crm", "resolved dead/crm")
		h.lead(failure, dead)
		pass(15 * time.Second)
		h.expect("firing dead/crm", "resolved dead/crm", "firing dead/crm")
	})
}

// After the field is mapped and the held leads are released, there must be no alert about held leads.
func TestWhatADriftHadHeldIsNotToldWhenTheDriftIsOver(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		h.drifted(&leadgatev1.Drift{Form: "contact", Field: "company_name", Suggestion: "company_name: company", Detail: "company no longer arrives"})
		h.lead(repeat(held, 12)...)
		h.lead(repeat(rejected, 30)...)
		pass(15 * time.Second)
		h.drifted()
		pass(time.Hour + time.Minute)
		h.expect("firing drift/form/contact", "resolved drift/form/contact")
		h.lead(repeat(held, 12)...)
		pass(15 * time.Second)
		h.expect("firing drift/form/contact", "resolved drift/form/contact", "firing holds/contact")
	})
}

// Knowing that the disk fills up is not knowing that no lead is accepted any more.
func TestADiskThatIsFullIsToldAnew(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		left := func(mib uint64, refused error) {
			h.memory.set(func() { h.memory.free, h.memory.refused = mib<<20, refused })
			pass(time.Minute)
		}
		left(1000, nil)
		h.expect("firing disk")
		left(200, errors.New("the disk has 200 MiB left"))
		h.expect("firing disk", "firing disk/refusing")
		if a := h.last().Alert; a.GetCommand() != "df -h /var/lib/leadgate" {
			t.Errorf("of a full disk: %s (%s)", a.GetAction(), a.GetCommand())
		}
		left(1000, nil)
		h.expect("firing disk", "firing disk/refusing", "resolved disk/refusing")
		left(2000, nil)
		left(1000, errors.New("a table is damaged"))
		h.expect("firing disk", "firing disk/refusing", "resolved disk/refusing", "resolved disk", "firing disk/refusing")
		if a := h.last().Alert; a.GetCommand() != "leadgate doctor --data-dir /var/lib/leadgate" || strings.Contains(a.GetAction(), "room") {
			t.Errorf("of a damaged store: %s (%s)", a.GetAction(), a.GetCommand())
		}
	})
}

func TestAnAlertSaysWhereToLookForWhatKeepsACRMFromBeingReached(t *testing.T) {
	t.Parallel()
	for cause, want := range map[string]string{
		"not sent: tls: failed to verify certificate: x509: certificate has expired or is not yet valid": "certificate",
		"not sent: dial tcp: lookup crm.example: no such host":                                           "address of crm in the configuration",
		"it answered 503 Service Unavailable":                                                            "whether the CRM is down",
	} {
		enter(t, nil, func(h *house) {
			h.is(leadgatev1.DestinationStatus_DESTINATION_STATUS_UNREACHABLE)
			h.journal.Publish(&leadgatev1.Event{Time: timestamppb.Now(), Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
				Stage: retry, Form: "contact", Destination: "crm", Error: cause, Duration: durationpb.New(time.Second), NextAttemptTime: timestamppb.Now(),
			}}})
			pass(75 * time.Second)
			h.expect("firing breaker/crm")
			if a := h.last().Alert; !strings.Contains(a.GetAction(), want) || !strings.Contains(a.GetCause(), cause) {
				t.Errorf("of %q it says: %s (%s)", cause, a.GetAction(), a.GetCause())
			}
		})
	}
}

// The person who changed the file may not look at the log, and the next start would fail.
func TestAConfigurationThatIsRefusedIsTold(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		file := func(kind leadgatev1.SystemEventType, detail string) {
			h.journal.Publish(&leadgatev1.Event{Kind: &leadgatev1.Event_System{System: &leadgatev1.SystemEvent{Type: kind, Detail: detail}}})
		}
		file(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_REFUSED, "leadgate.yaml:5:80: a slip")
		pass(30 * time.Second)
		file(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_APPLIED, "mended before anybody was told")
		pass(5 * time.Minute)
		h.expect()
		file(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_REFUSED, "leadgate.yaml:5:80: unknown lead field companny")
		pass(75 * time.Second)
		h.expect("firing configuration")
		if cause := h.last().Alert.GetCause(); !strings.Contains(cause, "leadgate.yaml:5:80: unknown lead field companny") {
			t.Errorf("the cause is %q", cause)
		}
		file(leadgatev1.SystemEventType_SYSTEM_EVENT_TYPE_CONFIG_APPLIED, "it is in force")
		pass(time.Minute)
		h.expect("firing configuration", "resolved configuration")
	})
}

// In the log alone, lost lines look like a quiet night.
func TestLogLinesThatAreLostAreTold(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		pass(time.Minute)
		h.expect()
		h.lose(7)
		pass(15 * time.Second)
		h.expect("firing log_lines")
		if a := h.last().Alert; a.GetSummary() != "Log lines are lost: 7 within 10 min" || a.GetCause() != "they cannot be written: no space left on device" {
			t.Errorf("%s (%s)", a.GetSummary(), a.GetCause())
		}
		pass(5 * time.Minute)
		h.lose(1)
		pass(time.Minute)
		h.reload() // nothing is counted twice
		pass(time.Minute)
		if a := h.engine.Alerts()[0]; a.GetSummary() != "Log lines are lost: 8 within 10 min" {
			t.Errorf("after a while: %s", a.GetSummary())
		}
		pass(12 * time.Minute)
		h.expect("firing log_lines", "resolved log_lines")
	})
}

func TestNoSuccessIsWrongOnlyWhenItShouldHaveBeen(t *testing.T) {
	t.Parallel()
	t.Run("leads came", func(t *testing.T) {
		t.Parallel()
		rules := &configv1.Alerts{Rules: &configv1.AlertRules{ErrorRate: &configv1.ErrorRateRule{Off: true}, OldestWaiting: &configv1.WaitingRule{Off: true}}}
		enter(t, rules, func(h *house) {
			h.lead(success)
			h.is(leadgatev1.DestinationStatus_DESTINATION_STATUS_FLOWING)
			pass(time.Second)
			h.lead(queued)
			pass(59 * time.Minute)
			h.expect()
			pass(5 * time.Minute)
			h.expect("firing no_success/crm")
			h.lead(success)
			pass(time.Minute)
			h.expect("firing no_success/crm", "resolved no_success/crm")
		})
	})
	t.Run("within business hours", func(t *testing.T) {
		t.Parallel()
		rules := &configv1.Alerts{
			BusinessHours: &configv1.BusinessHours{TimeZone: "Europe/Berlin", From: "09:00", To: "17:00"},
			Rules:         &configv1.AlertRules{NoSuccess: &configv1.NoSuccessRule{When: "business_hours", Window: every(3 * time.Hour)}},
		}
		enter(t, rules, func(h *house) { // a bubble begins at 2000-01-01 00:00 UTC, a Saturday
			h.lead(success)
			pass((2*24 + 10) * time.Hour) // Monday 11:00 in Berlin
			h.expect()
			pass(75 * time.Minute)
			h.expect("firing no_success/crm")
		}, seldom)
	})
	t.Run("always", func(t *testing.T) {
		t.Parallel()
		rules := &configv1.Alerts{Rules: &configv1.AlertRules{NoSuccess: &configv1.NoSuccessRule{When: "always"}}}
		enter(t, rules, func(h *house) {
			pass(time.Hour + 15*time.Second)
			h.expect("firing no_success/crm")
		})
	})
}

func TestPatternsFindWhatTheCRMAnswers(t *testing.T) {
	t.Parallel()
	rules := &configv1.Alerts{Rules: &configv1.AlertRules{CrmErrors: []*configv1.CrmErrorRule{
		{Name: "maintenance", Pattern: "service unavailable.*MAINTENANCE", AtLeast: 2},
		{Name: "duplicates", Pattern: "DUPLICATE_VALUE"},
	}}}
	enter(t, rules, func(h *house) {
		h.lead(retry)
		pass(15 * time.Second)
		h.expect()
		h.lead(retry)
		pass(15 * time.Second)
		h.expect("firing crm_errors/crm/maintenance")
	})
}

func TestThresholdsHoldForOneFormOrDestination(t *testing.T) {
	t.Parallel()
	rules := &configv1.Alerts{
		Rules:        &configv1.AlertRules{Holds: &configv1.CountRule{Off: true}, Dead: &configv1.CountRule{AtLeast: 100}},
		Forms:        map[string]*configv1.AlertRules{"contact": {Holds: &configv1.CountRule{AtLeast: 2}}},
		Destinations: map[string]*configv1.AlertRules{"crm": {ErrorRate: &configv1.ErrorRateRule{Above: .9, AtLeast: 2}}},
	}
	enter(t, rules, func(h *house) {
		h.lead(success, retry, retry, dead)
		h.lead(held, held)
		pass(15 * time.Second)
		h.expect("firing holds/contact")
	})
}

func TestAFormIsSilentByItsOwnRhythm(t *testing.T) {
	t.Parallel()
	rules := &configv1.Alerts{Rules: &configv1.AlertRules{Silence: &configv1.SilenceRule{Missing: 5}}}
	enter(t, rules, func(h *house) { // begins at midnight
		day := func(from, to int) {
			for hour := range 24 {
				if hour >= from && hour < to {
					for range 6 {
						h.lead(received)
						pass(10 * time.Minute)
					}
				} else {
					pass(time.Hour)
				}
			}
		}
		for range 8 {
			day(8, 18) // office hours, every day of the first week and one more
		}
		h.expect()          // nights are quiet
		pass(9 * time.Hour) // nothing arrived from 8 to 9: 6 are missing
		pass(15 * time.Second)
		h.expect("firing silence/contact")
		if cause := h.last().Alert.GetCause(); !strings.HasPrefix(cause, "About 5 submissions usually arrive in that time") {
			t.Errorf("cause %q", cause)
		}
		if !slices.Contains(h.kinds(), "FORM_EVENT_TYPE_SILENT contact") {
			t.Errorf("events %v", h.kinds())
		}
		h.restart()
		pass(time.Hour)
		h.expect("firing silence/contact")
		for range 8 {
			h.lead(received)
			pass(10 * time.Minute)
		}
		h.expect("firing silence/contact", "resolved silence/contact")
	}, seldom)
}

func TestAFormIsNotJudgedBeforeItsRhythmIsKnown(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		for range 50 {
			h.lead(received)
			pass(time.Minute)
		}
		pass(5 * 24 * time.Hour)
		h.expect()
	}, seldom)
}

func TestAFailingNotifierIsSeenAndTriedAgain(t *testing.T) {
	t.Parallel()
	rules := &configv1.Alerts{Notifiers: map[string]*configv1.Notifier{"pager": {}, "second": {Severity: "warning"}}}
	enter(t, rules, func(h *house) {
		h.pager.set(errors.New("it answered 500"), false)
		h.is(refused)
		pass(15 * time.Second)
		h.expect()
		notifiers := h.engine.Notifiers()
		if notifiers[0].GetLastError() != "it answered 500" || notifiers[0].GetWaiting() != 1 || notifiers[1].GetWaiting() != 0 {
			t.Errorf("notifiers %v", notifiers)
		}
		if !slices.Contains(h.kinds(), "SYSTEM_EVENT_TYPE_NOTIFICATION_FAILED credentials/crm") {
			t.Errorf("events %v", h.kinds())
		}
		pass(time.Minute)
		h.second.mu.Lock()
		told := slices.Clone(h.second.told)
		h.second.mu.Unlock()
		if !slices.Equal(told, []string{"firing credentials/crm", "firing notifier/pager"}) {
			t.Errorf("the other notifier was told %q", told)
		}
		h.restart() // the next process sends what was not sent
		h.pager.set(nil, true)
		pass(30 * time.Second)
		h.pager.set(nil, false)
		pass(5 * time.Minute)
		h.expect("firing credentials/crm")
	})
}

func TestDriftIsToldUntilNothingDriftsAnyMore(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		var drifts []*leadgatev1.Drift
		for i := range 30 { // somebody invents names, and then the page is renamed
			field := fmt.Sprintf("company_%d\nCommand: forged", i)
			drifts = append(drifts, &leadgatev1.Drift{Form: "contact", Field: field, Suggestion: field + ": company", Since: timestamppb.New(time.Now().Add(time.Duration(i)))})
		}
		h.drifted(drifts...)
		pass(15 * time.Second)
		h.expect("firing drift/form/contact")
		told := h.last().Alert
		if !strings.Contains(told.GetSummary(), "sends company_29 Command: forged, ") || !strings.HasSuffix(told.GetSummary(), " and 20 more, which nothing maps") {
			t.Errorf("told %v", told)
		}
		h.restart()
		pass(time.Hour)
		h.expect("firing drift/form/contact")
		h.unsee(errors.New("the store does not answer"))
		pass(10 * time.Minute)
		h.expect("firing drift/form/contact")
		h.unsee(nil)
		h.drifted()
		pass(time.Minute)
		h.expect("firing drift/form/contact", "resolved drift/form/contact")
	})
}

func TestAFormAndADestinationOfOneNameHaveAlertsOfTheirOwn(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		ofDestination := &leadgatev1.Drift{Destination: "crm", Field: "company_name", Detail: "the CRM has no property company_name"}
		h.drifted(ofDestination, &leadgatev1.Drift{Form: "crm", Field: "firm", Suggestion: "firm: company", Detail: "company no longer arrives"})
		pass(15 * time.Second)
		h.expect("firing drift/crm", "firing drift/form/crm")
		h.restart()
		h.drifted(ofDestination) // the form is repaired
		pass(time.Hour)
		h.expect("firing drift/crm", "firing drift/form/crm", "resolved drift/form/crm")
	}, func(h *house) { h.forms["crm"] = h.forms["contact"] })
}

func TestAnotherConfigurationEndsWhatItNoLongerJudges(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		h.lead(repeat(held, 10)...)
		pass(15 * time.Second)
		h.expect("firing holds/contact")
		h.forms = nil
		h.reload()
		pass(time.Minute)
		h.expect("firing holds/contact", "resolved holds/contact")
	})
}

func TestATestReachesTheNotifiersAtOnce(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		service := h.engine.Service(leadgatev1.UnimplementedWorkerServiceServer{})
		answer, err := service.TestAlerts(h.t.Context(), &leadgatev1.TestAlertsRequest{})
		if err != nil || len(answer.GetResults()) != 1 || answer.GetResults()[0].GetError() != "" {
			t.Fatalf("%v %v", answer, err)
		}
		h.expect("test test/pager")
		if _, err := service.TestAlerts(h.t.Context(), &leadgatev1.TestAlertsRequest{Notifiers: []string{"pagr"}}); err == nil || !strings.Contains(err.Error(), "there are: pager") {
			t.Errorf("error %v", err)
		}
		h.pager.set(nil, true)
		answer, err = service.TestAlerts(h.t.Context(), &leadgatev1.TestAlertsRequest{})
		if err != nil || answer.GetResults()[0].GetError() != "it did not answer in time" {
			t.Errorf("%v %v", answer, err)
		}
		if list, err := service.ListAlerts(h.t.Context(), &leadgatev1.ListAlertsRequest{}); err != nil || len(list.GetAlerts()) != 0 || len(list.GetNotifiers()) != 1 {
			t.Errorf("a test is no alert: %v %v", list, err)
		}
	})
}

func TestNobodyIsRemindedOfAnAlertThatSomebodyIsOn(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		acknowledge := func(id string, hold time.Duration) (*leadgatev1.Alert, error) {
			service := h.engine.Service(leadgatev1.UnimplementedWorkerServiceServer{})
			answer, err := service.AcknowledgeAlert(h.t.Context(), &leadgatev1.AcknowledgeAlertRequest{AlertId: id, Duration: every(hold), Note: "Ada"})
			return answer.GetAlert(), err
		}
		h.is(refused)
		pass(15 * time.Second)
		told := []string{"firing credentials/crm"}
		h.expect(told...)
		if _, err := acknowledge("credential/crm", time.Hour); err == nil || !strings.Contains(err.Error(), "these are: credentials/crm") {
			t.Errorf("an unknown alert: %v", err)
		}
		a, err := acknowledge("credentials/crm", 20*time.Hour)
		if err != nil || a.GetAcknowledgeNote() != "Ada" || !a.GetRemindTime().AsTime().Equal(time.Now().Add(20*time.Hour)) {
			t.Fatalf("%v %v", a, err)
		}
		synctest.Wait()
		if !slices.Contains(h.kinds(), "SYSTEM_EVENT_TYPE_ALERT_ACKNOWLEDGED credentials/crm") {
			t.Errorf("events %v", h.kinds())
		}
		pass(10 * time.Hour) // time for two reminders
		h.expect(told...)
		h.restart()
		pass(5 * time.Hour)
		h.expect(told...)
		h.is(flowing) // it flickers: the end is sent once, the return is not
		pass(time.Minute)
		told = append(told, "resolved credentials/crm")
		h.expect(told...)
		h.is(refused)
		pass(time.Minute)
		h.is(flowing)
		pass(time.Minute)
		h.is(refused)
		pass(time.Minute)
		h.expect(told...)
		pass(5 * time.Hour) // the time is up
		told = append(told, "reminder credentials/crm")
		h.expect(told...)
		if _, err := acknowledge("credentials/crm", 20*time.Hour); err != nil {
			t.Fatal(err)
		}
		if a, err := acknowledge("credentials/crm", 0); err != nil || a.GetAcknowledgedUntil() != nil {
			t.Errorf("taken back: %v %v", a, err)
		}
		pass(4*time.Hour + time.Minute)
		h.expect(append(told, "reminder credentials/crm")...)
	})
}

func TestWhoeverKeepsIncidentsIsToldThatSomebodyIsOnIt(t *testing.T) {
	t.Parallel()
	enter(t, nil, func(h *house) {
		h.pager.incidents = true
		acknowledge := func(hold time.Duration) {
			h.t.Helper()
			_, err := h.engine.Service(leadgatev1.UnimplementedWorkerServiceServer{}).AcknowledgeAlert(h.t.Context(), &leadgatev1.AcknowledgeAlertRequest{
				AlertId: "credentials/crm", Duration: every(hold),
			})
			if err != nil {
				h.t.Fatal(err)
			}
		}
		h.is(refused)
		pass(15 * time.Second)
		acknowledge(time.Hour)
		pass(time.Second)
		told := []string{"firing credentials/crm", "acknowledged credentials/crm"}
		h.expect(told...)
		acknowledge(0) // an incident cannot be un-acknowledged
		pass(time.Second)
		h.expect(told...)
		// What the notifier has not accepted yet is sent first.
		h.is(flowing)
		pass(time.Minute)
		h.pager.set(errors.New("it is down"), false)
		h.is(refused)
		pass(15 * time.Second)
		acknowledge(time.Hour)
		h.pager.set(nil, false)
		pass(10 * time.Minute)
		h.expect(append(told, "resolved credentials/crm", "firing credentials/crm")...)
	})
}
