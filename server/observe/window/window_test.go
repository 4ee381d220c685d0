package window_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leadgate/leadgate/server/observe/window"
)

// In whatever order the times come, the sum is that of the slots still kept.
func TestTheSumIsThatOfTheNewestStretches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		const width = 7 * time.Second
		n := rapid.IntRange(1, 8).Draw(rt, "n")
		s := window.New[int](width, n)
		var at []time.Time
		newest := time.Time{}
		for _, second := range rapid.SliceOfN(rapid.IntRange(0, 200), 1, 60).Draw(rt, "seconds") {
			when := time.Unix(1_790_000_000+int64(second), 0)
			if slot := s.At(when); slot != nil {
				*slot++
			}
			at = append(at, when)
			if when.After(newest) {
				newest = when
			}
		}
		now := newest.Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "later")) * time.Second)
		want, got := 0, 0
		for _, when := range at {
			if when.UnixNano()/int64(width) > now.UnixNano()/int64(width)-int64(n) {
				want++
			}
		}
		begins := 0
		s.Each(now, func(begin time.Time, slot *int) {
			got += *slot
			if begin.UnixNano()%int64(width) != 0 || begin.After(now) {
				rt.Fatalf("a stretch begins at %s", begin)
			}
			begins++
		})
		if got != want || begins != n {
			rt.Fatalf("%d in %d stretches, want %d in %d", got, begins, want, n)
		}
	})
}
