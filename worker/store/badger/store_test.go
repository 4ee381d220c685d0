package badger_test

import (
	"context"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
	"github.com/leadgate/leadgate/worker/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
		return
	}
	if os.Getenv("LEADGATE_SOAK") == "" { // each check opens real directories and syncs to a real disk
		_ = flag.Set("rapid.checks", "20") // rapid's own flag, which exists
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(o storetest.Options) (store.Store, error) {
		return badger.Open(badger.Options{Dir: o.Dir, Now: o.Now, Publish: o.Publish, SweepInterval: time.Hour, QueueLength: 1000})
	})
}

func TestBackupConformance(t *testing.T) {
	t.Parallel()
	open := func(o storetest.Options) (store.Store, error) {
		return badger.Open(badger.Options{Dir: o.Dir, Now: o.Now, Publish: o.Publish, SweepInterval: time.Hour})
	}
	storetest.RunBackup(t, open, func(o storetest.Options, erased []string, backups ...io.Reader) error {
		_, err := badger.Restore(context.Background(), badger.Options{Dir: o.Dir, Now: o.Now, Publish: o.Publish}, backups, strings.NewReader(strings.Join(erased, "\n")), nil)
		return err
	})
}

// open opens a store and closes it at the end of the test.
func open(t testing.TB, o badger.Options) *badger.Store {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := badger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// lead returns an acceptance for destination "crm".
func lead(email string) *store.Acceptance {
	return &store.Acceptance{
		Record: &leadgatev1.LeadRecord{
			LeadId: uuid.Must(uuid.NewV7()).String(), State: leadgatev1.LeadState_LEAD_STATE_OPEN, CreateTime: timestamppb.Now(),
			Lead: &leadgatev1.Lead{
				Email: email, FirstName: "Ada", LastName: "Lovelace", Company: "Analytical Engines", Country: "GB",
				Message: strings.Repeat("Please call me. ", 10), Source: &leadgatev1.Source{Form: "contact", PageUrl: "https://www.example.com/contact"},
			},
		},
		Destinations: []string{"crm"},
	}
}

// withEvent adds an event, so that Publish is called.
func withEvent(a *store.Acceptance) *store.Acceptance {
	a.Events = append(a.Events, &leadgatev1.Event{Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: leadgatev1.Stage_STAGE_QUEUED, LeadId: a.Record.GetLeadId(), Form: "contact", Person: "a***@example.com",
	}}})
	return a
}

func accept(t testing.TB, s store.Store, acceptances ...*store.Acceptance) []store.Accepted {
	t.Helper()
	results, err := s.Accept(context.Background(), acceptances...)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	return results
}
