// Package storetest is the conformance suite of [store.Store]: tests of what every implementation guarantees.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(o storetest.Options) (store.Store, error) { … })
//	}
//
// A store that can be restored from its backups also runs [RunBackup].
//
// The suite uses only the interface. Tests run in parallel, each with its own store and clock; none sleeps.
package storetest

import (
	"testing"
	"time"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Options are what a store is opened with.
type Options struct {
	// Dir is the store's own directory. A store that is closed and opened again with it must know everything it knew.
	Dir string
	// Now is the store's clock. Only the test advances it.
	Now func() time.Time
	// Publish must receive the events that were written. A test may block it, to simulate a slow disk: then writes must wait, but
	// reads must not.
	Publish func([]*leadgatev1.Event)
}

// Open opens the store under test. It must be safe for concurrent use.
type Open func(Options) (store.Store, error)

// suite maps the names of tests, which say what they expect, to the tests.
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
