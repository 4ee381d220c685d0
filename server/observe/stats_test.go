package observe_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe"
	"github.com/leadgate/leadgate/worker/journal"
	"github.com/leadgate/leadgate/worker/store"
)

// stats closes the observer and returns its statistics.
func (w *watched) stats() *leadgatev1.GetStatsResponse {
	w.t.Helper()
	w.Close()
	answer, err := w.Service(leadgatev1.UnimplementedWorkerServiceServer{}).GetStats(w.t.Context(), &leadgatev1.GetStatsRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	return answer
}

// at returns an event about a lead, some time ago.
func at(ago time.Duration, e *leadgatev1.LeadEvent) *leadgatev1.Event {
	event := lead(e)
	event.Time = timestamppb.New(noon().Add(-ago))
	return event
}

// way returns the events of a lead from the form to the CRM.
func way(ago time.Duration, form, destination string, call, speed time.Duration) []*leadgatev1.Event {
	return []*leadgatev1.Event{
		at(ago, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_RECEIVED, Form: form}),
		at(ago, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_VALIDATED, Form: form}),
		at(ago, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_QUEUED, Form: form, Destination: destination}),
		at(ago, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_CRM_API_CALL, Form: form, Destination: destination}),
		at(ago, &leadgatev1.LeadEvent{
			Stage: leadgatev1.Stage_STAGE_SUCCESS, Form: form, Destination: destination, Duration: durationpb.New(call), SpeedToLead: durationpb.New(speed),
		}),
	}
}

func TestStatsCountTheLastHourByMinuteFormAndDestination(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{counts: map[string]store.Counts{
		"crm": {ByState: map[leadgatev1.DeliveryState]int64{leadgatev1.DeliveryState_DELIVERY_STATE_PENDING: 2}, OldestWaiting: noon().Add(-time.Minute)},
		"erp": {ByState: map[leadgatev1.DeliveryState]int64{leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT: 1}, OldestWaiting: noon().Add(-time.Hour)},
	}}, "error")
	w.journal.Publish(way(61*time.Minute, "contact", "crm", time.Second, time.Second)...) // not counted any more
	w.journal.Publish(way(2*time.Minute, "contact", "crm", 200*time.Millisecond, 400*time.Millisecond)...)
	w.journal.Publish(way(time.Minute, "demo", "erp", 300*time.Millisecond, 2*time.Second)...)
	w.journal.Publish(
		at(0, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_REJECTED, Form: "contact"}),
		at(0, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_DUPLICATE, Form: "contact"}),
		at(0, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_HELD, Form: "contact"}),
		at(0, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_RETRY, Form: "contact", Destination: "crm", Duration: durationpb.New(30 * time.Second)}),
		at(0, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_FAILURE, Form: "contact", Destination: "crm", Duration: durationpb.New(time.Second)}),
		at(0, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_DEAD, Form: "contact", Destination: "crm", Duration: durationpb.New(time.Second)}),
	)
	s := w.stats()

	if got, want := s.GetCounts().String(), (&leadgatev1.StatsCounts{
		Submitted: 4, Accepted: 2, Replayed: 1, Rejected: 1, Held: 1, Delivered: 2, Failed: 2, Dead: 1,
	}).String(); got != want {
		t.Errorf("counts %s, want %s", got, want)
	}
	minutes := s.GetMinutes()
	if len(minutes) != 60 {
		t.Fatalf("%d minutes", len(minutes))
	}
	if last := minutes[59].GetTime().AsTime(); !last.Equal(noon().Truncate(time.Minute)) {
		t.Errorf("the last minute begins %s", last)
	}
	for i, want := range map[int]int64{56: 0, 57: 1, 58: 1, 59: 0} {
		if got := minutes[i].GetCounts().GetDelivered(); got != want {
			t.Errorf("minute %d: %d delivered, want %d", i, got, want)
		}
	}
	if got := s.GetOldestWaiting().AsDuration(); got != time.Hour {
		t.Errorf("oldest waiting %s", got)
	}
	if len(s.GetForms()) != 2 || s.GetForms()[0].GetForm() != "contact" || s.GetForms()[1].GetSpeedToLead().GetP95().AsDuration() != 2*time.Second {
		t.Errorf("forms %v", s.GetForms())
	}
	crm := s.GetDestinations()[0]
	if crm.GetDestination() != "crm" || crm.GetWaiting() != 2 || crm.GetCall().GetCount() != 3 || crm.GetCall().GetMax().AsDuration() != 30*time.Second ||
		crm.GetCounts().GetFailed() != 2 || crm.GetCounts().GetSubmitted() != 0 || crm.GetMinutes()[59].GetCounts().GetDead() != 1 {
		t.Errorf("crm %v", crm)
	}
	if got := crm.GetLastDeliveryTime().AsTime(); !got.Equal(noon().Add(-2 * time.Minute)) {
		t.Errorf("last delivery %s", got)
	}
}

func TestStatsBeginWithWhatTheStoreRemembers(t *testing.T) {
	t.Parallel()
	recent := way(time.Minute, "contact", "crm", time.Second, time.Second)
	for i, event := range recent {
		event.Id = journal.ID{Store: "s", Commit: uint64(i + 1)}.String()
	}
	j := journal.New(journal.Options{Now: noon})
	defer j.Close()
	j.Load("s", recent)
	out := observe.NewOutput(t.Output())
	observer, err := observe.New(observe.Options{Journal: j, Store: figures{}, Logger: observe.NewLogger(out, "json", "error"), Output: out, Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	w := watched{Observer: observer, t: t}
	s := w.stats()
	if s.GetCounts().GetDelivered() != 1 || s.GetSpeedToLead().GetCount() != 1 {
		t.Errorf("counts after a restart: %s", s.GetCounts())
	}
	if got := s.GetSince().AsTime(); !got.Equal(noon().Add(-time.Minute)) {
		t.Errorf("since %s, want the oldest event that is remembered", got)
	}
}

// After a restart, exactly those events are recounted that were not stored: none twice, and none missing because more happened than
// the journal remembers.
func TestTheFiguresOfTheLastHourOutliveARestart(t *testing.T) {
	t.Parallel()
	var events []*leadgatev1.Event
	for range 30 {
		events = append(events, way(2*time.Minute, "contact", "crm", time.Second, 2*time.Second)...)
	}
	for i, event := range events {
		event.Id = journal.ID{Store: "s", Commit: uint64(i + 1)}.String()
	}
	refused := at(time.Minute, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_REJECTED, Form: "contact"}) // which is not stored
	for name, stored := range map[string]int{"stopped": 150, "killed": 90, "killed before anything was stored": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := figures{recent: events, state: &memory{}}
			process := func(remembers int, counts []*leadgatev1.Event) *leadgatev1.GetStatsResponse {
				j := journal.New(journal.Options{Now: noon, History: 10})
				defer j.Close()
				j.Load("s", events[max(0, remembers-10):remembers])
				out := observe.NewOutput(t.Output())
				observer, err := observe.New(observe.Options{Journal: j, Store: s, Logger: observe.NewLogger(out, "json", "error"), Output: out, Now: noon})
				if err != nil {
					t.Fatal(err)
				}
				j.Committed(counts)
				if len(counts) > 0 {
					j.Publish(refused)
				}
				w := watched{Observer: observer, t: t}
				return w.stats()
			}
			if stored > 0 {
				process(0, events[:stored])
			}
			got := process(len(events), nil)
			want := &leadgatev1.StatsCounts{Submitted: 30, Accepted: 30, Delivered: 30}
			if stored > 0 {
				want.Submitted, want.Rejected = 31, 1
			}
			if !proto.Equal(got.GetCounts(), want) {
				t.Errorf("after the restart %v, want %v", got.GetCounts(), want)
			}
			form, crm := got.GetForms()[0], got.GetDestinations()[0]
			if form.GetCounts().GetSubmitted() != want.GetSubmitted() || crm.GetCounts().GetDelivered() != 30 || got.GetSpeedToLead().GetCount() != 30 ||
				got.GetSpeedToLead().GetP95().AsDuration() != 2*time.Second || crm.GetCall().GetCount() != 30 {
				t.Errorf("after the restart %v", got)
			}
			again := process(len(events), nil) // what was recounted is stored
			if !proto.Equal(again.GetCounts(), want) {
				t.Errorf("after the next restart %v, want %v", again.GetCounts(), want)
			}
		})
	}
}

func TestPercentilesAreAtMostFivePercentTooHigh(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		millis := rapid.SliceOfN(rapid.Int64Range(1, 40_000_000), 1, 200).Draw(rt, "milliseconds")
		w := watch(t, figures{}, "error")
		for _, ms := range millis {
			d := durationpb.New(time.Duration(ms) * time.Millisecond)
			w.journal.Publish(at(0, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_SUCCESS, Destination: "crm", Duration: d, SpeedToLead: d}))
		}
		slices.Sort(millis)
		l := w.stats().GetSpeedToLead()
		for p, d := range map[float64]*durationpb.Duration{.5: l.GetP50(), .9: l.GetP90(), .95: l.GetP95(), .99: l.GetP99(), 1: l.GetMax()} {
			exact := time.Duration(millis[int(math.Ceil(p*float64(len(millis))))-1]) * time.Millisecond
			if got := d.AsDuration(); got < exact-time.Millisecond || got > exact+exact/19+time.Millisecond {
				rt.Fatalf("p%v is %s, want %s", p*100, got, exact)
			}
		}
	})
}

func TestNamesThatAnybodyMayInventDoNotGrowTheStats(t *testing.T) {
	t.Parallel()
	w := watch(t, figures{}, "error")
	for i := range 1000 {
		w.journal.Publish(at(0, &leadgatev1.LeadEvent{Stage: leadgatev1.Stage_STAGE_REJECTED, Form: fmt.Sprint("form-", i)}))
	}
	forms := w.stats().GetForms()
	if len(forms) != 201 {
		t.Errorf("%d forms, want 200 and the others together", len(forms))
	}
}
