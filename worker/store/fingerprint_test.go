package store_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/leadgate/leadgate/worker/store"
)

var hasher = store.NewHasher(bytes.Repeat([]byte{7}, 32))

func fingerprint(payload map[string]string) store.Fingerprint {
	var fields []store.Field
	for name, value := range payload { // in any order
		fields = append(fields, store.Field{Name: name, Value: []byte(value)})
	}
	return hasher.Fingerprint(fields)
}

func TestTheFieldsThatDifferAreNamed(t *testing.T) {
	payloads := rapid.MapOf(rapid.StringMatching(`[a-e]`), rapid.StringMatching(`[xy]?`))
	rapid.Check(t, func(t *rapid.T) {
		a, b := payloads.Draw(t, "first"), payloads.Draw(t, "second")
		var want []string
		for _, name := range slices.Sorted(maps.Keys(map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": true})) {
			first, inFirst := a[name]
			second, inSecond := b[name]
			if first != second || inFirst != inSecond {
				want = append(want, name)
			}
		}
		if got := fingerprint(a).Differing(fingerprint(b)); !slices.Equal(got, want) {
			t.Errorf("%q are named, not %q", got, want)
		}
		if same := bytes.Equal(fingerprint(a).Digest(), fingerprint(b).Digest()); same != (len(want) == 0) {
			t.Errorf("the digests are the same: %v, with %q different", same, want)
		}
	})
}

func TestOfSeveralFieldsWithOneNameTheLastCounts(t *testing.T) {
	twice := hasher.Fingerprint([]store.Field{{Name: "b", Value: []byte("1")}, {Name: "a", Value: []byte("1")}, {Name: "a", Value: []byte("2")}})
	if differing := twice.Differing(fingerprint(map[string]string{"a": "2", "b": "1"})); len(differing) > 0 {
		t.Errorf("%q differ", differing)
	}
}

func TestAFingerprintTellsNothingWithoutTheKey(t *testing.T) {
	field := []store.Field{{Name: "email", Value: []byte("ada@example.com")}}
	if ours, theirs := hasher.Fingerprint(field), store.NewHasher(bytes.Repeat([]byte{8}, 32)).Fingerprint(field); ours[0].Hash == theirs[0].Hash {
		t.Error("the hash does not depend on the key")
	}
}
