package observe_test

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/observe"
	"github.com/leadgate/leadgate/worker/journal"
)

// disk returns what a process would find after a kill at this moment.
func (m *memory) disk() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memory{values: maps.Clone(m.values)}
}

// Refused and repeated submissions are not stored as events. One second later they are counted for good, and only once, whichever
// of the two values was stored last.
func TestRefusedAndRepeatedSubmissionsOutliveAKill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		state := &memory{}
		var rejected, replayed int64
		process := func(live func(publish func(leadgatev1.Stage))) *memory {
			t.Helper()
			j, out := journal.New(journal.Options{Now: time.Now}), observe.NewOutput(t.Output())
			defer j.Close()
			observer, err := observe.New(observe.Options{Journal: j, Store: figures{state: state}, Logger: observe.NewLogger(out, "json", "error"), Output: out, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			live(func(stage leadgatev1.Stage) {
				j.Publish(&leadgatev1.Event{Time: timestamppb.Now(), Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{Stage: stage, Form: "contact"}}})
			})
			synctest.Wait()
			killed := state.disk()
			w := watched{Observer: observer, t: t}
			got, want := w.stats(), &leadgatev1.StatsCounts{Submitted: rejected + replayed, Rejected: rejected, Replayed: replayed}
			if !proto.Equal(got.GetCounts(), want) || rejected > 0 && !proto.Equal(got.GetForms()[0].GetCounts(), want) {
				t.Errorf("figures %v, want %v", got, want)
			}
			return killed
		}
		for _, lifetime := range []time.Duration{1100 * time.Millisecond, 2 * time.Second, 10500 * time.Millisecond, 11100 * time.Millisecond, 1100 * time.Millisecond} {
			state = process(func(publish func(leadgatev1.Stage)) {
				publish(leadgatev1.Stage_STAGE_REJECTED)
				publish(leadgatev1.Stage_STAGE_DUPLICATE)
				rejected, replayed = rejected+1, replayed+1
				time.Sleep(lifetime)
			})
		}
		process(func(func(leadgatev1.Stage)) {})
	})
}
