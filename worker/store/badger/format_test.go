package badger_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// formatOne is a data directory of format 1, which later versions must read, or refuse with advice. Until a version is released,
// LEADGATE_UPDATE=1 recreates it.
const formatOne = "testdata/format-1.tar.gz"

// fixtureTime is the time of the fixture, whose leads are one delivered, one dead, one waiting and one held.
var fixtureTime = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func fixtureLead(n byte) string {
	var id uuid.UUID
	copy(id[:6], binary.BigEndian.AppendUint64(nil, uint64(fixtureTime.UnixMilli())<<16))
	id[6], id[8], id[15] = 0x70, 0x80, n
	return id.String()
}

func makeFixture(t *testing.T) {
	t.Helper()
	o := badger.Options{Dir: t.TempDir(), Now: func() time.Time { return fixtureTime }, MinFree: 4 << 10}
	s := open(t, o)
	for n := range byte(4) {
		a := withEvent(lead([]string{"ada@example.com", "bob@example.com", "cyd@example.com", "dan@example.com"}[n]))
		a.Record.LeadId, a.Record.CreateTime = fixtureLead(n), timestamppb.New(fixtureTime)
		a.Key = &store.Key{Scope: "contact", Value: fixtureLead(n), Expires: fixtureTime.Add(24 * time.Hour), Fields: store.Fingerprint{{Name: "email", Hash: [16]byte{n}}}}
		if n == 3 {
			a.Record.State, a.Destinations = leadgatev1.LeadState_LEAD_STATE_HELD, nil
			a.Record.Holds = []*leadgatev1.Hold{{Reason: leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE}}
		}
		accept(t, s, a)
	}
	end(t, s, "crm", 1, leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED)
	end(t, s, "crm", 1, leadgatev1.DeliveryState_DELIVERY_STATE_DEAD)
	if err := s.State("paused").Put(t.Context(), "crm", []byte("why"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(formatOne)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	if err := errors.Join(w.AddFS(os.DirFS(filepath.Join(o.Dir))), w.Close(), z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// unpack unpacks the fixture.
func unpack(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	f, err := os.Open(formatOne)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Clean("/"+header.Name))
		if header.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o700)
		} else {
			content, failed := io.ReadAll(r)
			err = errors.Join(failed, os.WriteFile(path, content, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestADirectoryOfFormat1IsRead(t *testing.T) {
	t.Parallel()
	if os.Getenv("LEADGATE_UPDATE") != "" {
		makeFixture(t)
	}
	s := open(t, badger.Options{Dir: unpack(t), Now: func() time.Time { return fixtureTime.Add(time.Hour) }})
	for n, state := range map[byte]leadgatev1.DeliveryState{
		0: leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED, 1: leadgatev1.DeliveryState_DELIVERY_STATE_DEAD, 2: leadgatev1.DeliveryState_DELIVERY_STATE_PENDING,
	} {
		d, err := s.Delivery(t.Context(), fixtureLead(n)+".crm")
		if err != nil || d.GetState() != state {
			t.Errorf("delivery %d is %v, %v, want %v", n, d, err, state)
		}
		known, err := s.LookUp(t.Context(), &store.Key{Scope: "contact", Value: fixtureLead(n), Fields: store.Fingerprint{{Name: "email", Hash: [16]byte{n}}}})
		if err != nil || known.LeadID != fixtureLead(n) || len(known.Differing) > 0 {
			t.Errorf("key %d is %+v, %v", n, known, err)
		}
		if timeline, err := s.Timeline(t.Context(), fixtureLead(n)); err != nil || len(timeline) == 0 {
			t.Errorf("lead %d has no story: %v", n, err)
		}
	}
	if page, _, err := s.Leads(t.Context(), store.LeadQuery{Reason: leadgatev1.HoldReason_HOLD_REASON_NO_ROUTE}, 10, ""); err != nil || len(page) != 1 || page[0].GetLeadId() != fixtureLead(3) {
		t.Errorf("held are %v, %v", page, err)
	}
	if page, _, err := s.Leads(t.Context(), store.LeadQuery{Email: "bob@example.com"}, 10, ""); err != nil || len(page) != 1 {
		t.Errorf("found by address: %v, %v", page, err)
	}
	if value, _, err := s.State("paused").Get(t.Context(), "crm"); err != nil || string(value) != "why" {
		t.Errorf("the pause is %q, %v", value, err)
	}
	expectCountsOfScan(t, s)
	if claims, err := s.Claim(t.Context(), "crm", 10); err != nil || len(claims.Items) != 1 || claims.Items[0].Delivery.GetLeadId() != fixtureLead(2) {
		t.Errorf("claimed %v, %v", claims, err)
	}
	accept(t, s, lead("new@example.com"))
}
