package badger_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

func TestAProcessThatEndsWhileItFollowsAClockThatWasSetBackIsFollowedByOneThatGoesOn(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ahead := func() time.Time { return now.AddDate(3, 0, 0) }
	o := badger.Options{Dir: t.TempDir(), Now: ahead, SweepInterval: time.Hour}
	s := open(t, o)
	const n = 6000 // more than one commit can hold
	leads := make([]*store.Acceptance, n)
	for i := range leads {
		leads[i] = lead(fmt.Sprintf("p%d@example.com", i))
		leads[i].Record.CreateTime = timestamppb.New(ahead())
	}
	accept(t, s, leads...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	killed := ""
	o.Now = func() time.Time { return now }
	o.Committed = func(int, time.Duration) {
		if killed == "" {
			killed = copyDir(t, o.Dir)
		}
	}
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	if killed == "" {
		t.Fatal("nothing was written")
	}
	o.Dir, o.Committed = killed, nil
	claims, err := open(t, o).Claim(t.Context(), "crm", n)
	if err != nil || len(claims.Items) != n {
		t.Errorf("%d of %d are due, %v", len(claims.Items), n, err)
	}
}
