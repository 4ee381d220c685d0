// Package storetest is the conformance suite of [store.Store]: what every implementation promises, as tests.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(o storetest.Options) (store.Store, error) { … })
//	}
//
// A store that can be restored from its backups runs [RunBackup], too.
//
// It sees nothing but the interface. Tests run in parallel, each on a store and a clock of its own; none sleeps.
package storetest

import (
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Options are what a store is opened with.
type Options struct {
	// Dir belongs to one store. A store that was closed is opened again with the same, and has to know everything it knew.
	Dir string
	// Now is the store's clock. It moves when a test moves it.
	Now func() time.Time
	// Publish has to get the events that were written. A test may hold it up, as a slow disk would: then what is to be written
	// waits, and what is read does not.
	Publish func([]*leadgatev1.Event)
}

// Open opens the store under test. It is called by several tests at the same time.
type Open func(Options) (store.Store, error)

// suite is tests by what they expect.
type suite map[string]func(t *testing.T, r *rig)

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for name, tests := range map[string]suite{
		"Accept":    acceptSuite(),
		"Keys":      keySuite(),
		"Chains":    chainSuite(),
		"Claims":    claimSuite(),
		"Attempts":  attemptSuite(),
		"Crowds":    crowdSuite(),
		"Turmoil":   turmoilSuite(),
		"Redrive":   redriveSuite(),
		"Erase":     eraseSuite(),
		"Purge":     purgeSuite(),
		"Amend":     amendSuite(),
		"Transfer":  transferSuite(),
		"Reads":     readSuite(),
		"Pages":     pageSuite(),
		"Events":    eventSuite(),
		"State":     stateSuite(),
		"Clock":     clockSuite(),
		"Lifecycle": lifecycleSuite(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					r := newRig(t, t.TempDir(), open)
					t.Cleanup(r.close)
					test(t, r)
				})
			}
		})
	}
	t.Run("Model", func(t *testing.T) {
		t.Parallel()
		checkModel(t, open)
	})
}
