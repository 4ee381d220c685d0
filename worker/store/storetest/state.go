package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leadgate/leadgate/worker/store"
)

func (r *rig) put(s store.State, key, value string, expires time.Time) {
	r.t.Helper()
	if err := s.Put(r.ctx, key, []byte(value), expires); err != nil {
		r.t.Fatal(err)
	}
}

// get returns a value and its version; "" and 0 if there is none.
func (r *rig) get(s store.State, key string) (string, uint64) {
	r.t.Helper()
	value, version, err := s.Get(r.ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return "", 0
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return string(value), version
}

func (r *rig) keys(s store.State) []string {
	r.t.Helper()
	keys, err := s.Keys(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return keys
}

func stateSuite() suite {
	never := time.Time{}

	return suite{
		"AValueStaysUntilItIsSetAnewOrDeleted": func(t *testing.T, r *rig) {
			s := r.State("pause")
			r.put(s, "crm", "by ops", never)
			r.reopen()
			s = r.State("pause")
			if got, _ := r.get(s, "crm"); got != "by ops" {
				t.Errorf("got %q", got)
			}
			r.put(s, "crm", "by ada", never)
			if got, _ := r.get(s, "crm"); got != "by ada" {
				t.Errorf("got %q", got)
			}
			for range 2 { // the second time there is none
				if err := s.Delete(r.ctx, "crm"); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := s.Get(r.ctx, "crm"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("after deletion: %v", err)
			}
		},

		"AnEmptyValueIsAValue": func(t *testing.T, r *rig) {
			s := r.State("pause")
			r.put(s, "crm", "", never)
			if _, version := r.get(s, "crm"); version == 0 {
				t.Error("it is not there")
			}
		},

		"NamespacesDoNotMix": func(t *testing.T, r *rig) {
			r.put(r.State("a"), "bc", "1", never)
			r.put(r.State("ab"), "c", "2", never)
			if got, _ := r.get(r.State("a"), "bc"); got != "1" {
				t.Errorf("got %q", got)
			}
			if got := r.keys(r.State("a")); !slices.Equal(got, []string{"bc"}) {
				t.Errorf("keys are %v", got)
			}
			if got := r.keys(r.State("abc")); len(got) != 0 {
				t.Errorf("keys are %v", got)
			}
		},

		"AValueIsGoneFromTheVeryNanosecondItExpires": func(t *testing.T, r *rig) {
			s := r.State("cache")
			r.put(s, "a", "1", r.clock.time().Add(time.Minute))
			r.put(s, "b", "2", never)
			r.clock.advance(time.Minute - 1)
			if got := r.keys(s); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("a nanosecond before: %v", got)
			}
			r.clock.advance(1)
			if got, version := r.get(s, "a"); version != 0 {
				t.Errorf("when it expires: %q", got)
			}
			if got := r.keys(s); !slices.Equal(got, []string{"b"}) {
				t.Errorf("when it expires: %v", got)
			}
			if err := s.CompareAndSet(r.ctx, "a", 0, []byte("3"), never); err != nil {
				t.Errorf("setting it anew: %v", err)
			}
		},

		"CompareAndSetWantsTheVersionThatIsThere": func(t *testing.T, r *rig) {
			s := r.State("token")
			if err := s.CompareAndSet(r.ctx, "crm", 7, []byte("x"), never); !errors.Is(err, store.ErrConflict) {
				t.Errorf("of a value that is not there: %v", err)
			}
			if err := s.CompareAndSet(r.ctx, "crm", 0, []byte("1"), never); err != nil {
				t.Fatal(err)
			}
			if err := s.CompareAndSet(r.ctx, "crm", 0, []byte("x"), never); !errors.Is(err, store.ErrConflict) {
				t.Errorf("as if there were none: %v", err)
			}
			_, old := r.get(s, "crm")
			if err := s.CompareAndSet(r.ctx, "crm", old, []byte("2"), never); err != nil {
				t.Fatal(err)
			}
			if err := s.CompareAndSet(r.ctx, "crm", old, []byte("x"), never); !errors.Is(err, store.ErrConflict) {
				t.Errorf("with an old version: %v", err)
			}
			if got, _ := r.get(s, "crm"); got != "2" {
				t.Errorf("got %q", got)
			}
		},

		"AVersionNeverComesBack": func(t *testing.T, r *rig) {
			s := r.State("token")
			seen := map[uint64]bool{}
			for i := range 6 {
				r.put(s, "crm", "same", never)
				_, version := r.get(s, "crm")
				if seen[version] {
					t.Fatalf("version %d came back", version)
				}
				seen[version] = true
				if i%2 == 0 {
					if err := s.Delete(r.ctx, "crm"); err != nil {
						t.Fatal(err)
					}
				} else {
					r.reopen()
					s = r.State("token")
				}
			}
		},

		"OfConcurrentCompareAndSetsOneSucceeds": func(t *testing.T, r *rig) {
			s := r.State("budget")
			const callers = 20
			var (
				all sync.WaitGroup
				mu  sync.Mutex
				won []string
			)
			for i := range callers {
				value := fmt.Sprint(i)
				all.Go(func() {
					switch err := s.CompareAndSet(r.ctx, "crm", 0, []byte(value), never); {
					case err == nil:
						mu.Lock()
						defer mu.Unlock()
						won = append(won, value)
					case !errors.Is(err, store.ErrConflict):
						t.Error(err)
					}
				})
			}
			all.Wait()
			if got, _ := r.get(s, "crm"); len(won) != 1 || won[0] != got {
				t.Errorf("set by %v, and it is %q", won, got)
			}
		},

		"BoundsAreKept": func(t *testing.T, r *rig) {
			s := r.State("cache")
			r.put(s, strings.Repeat("k", 255), strings.Repeat("v", 64<<10), never)
			for what, err := range map[string]error{
				"a long key":       s.Put(r.ctx, strings.Repeat("k", 256), nil, never),
				"an empty key":     s.Put(r.ctx, "", nil, never),
				"a long value":     s.Put(r.ctx, "k", make([]byte, 64<<10+1), never),
				"a very late time": s.Put(r.ctx, "k", nil, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)),
			} {
				if err == nil {
					t.Errorf("%s was taken", what)
				}
			}
			if got := len(r.keys(s)); got != 1 {
				t.Errorf("%d keys", got)
			}
		},
	}
}
