package badger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// The cost of one page is limited, so that a query with few matches does not block others. The limit is equivalent to a few
// milliseconds of skipping deleted keys, passing index keys, reading records in order, and fetching single records.
const (
	maxEffort   = 32_000
	effortSkip  = 1
	effortPass  = 16
	effortNext  = 16
	effortFetch = 64
)

const (
	// A lead's ID contains the time it was created, its record the time it was accepted: the same or later, by this much at most.
	idTimeSlack = time.Minute
	// Sequences increase with the time of acceptance, except among leads that meanwhile waited for a commit or for the disk.
	commitSlack = 10 * time.Second
)

// Leads implements store.Store.
func (s *Store) Leads(ctx context.Context, q store.LeadQuery, limit int, token string) (page []*leadgatev1.LeadRecord, next string, err error) {
	q.Since, q.Until = plain(q.Since), plain(q.Until)
	if q.Reason != 0 && q.State == 0 {
		q.State = leadgatev1.LeadState_LEAD_STATE_HELD
	}
	next, err = s.list(ctx, listing{line: s.lineOf(q), query: fmt.Sprintf("%+v", q), since: q.Since, until: q.Until, token: token},
		func(key, value []byte) (full bool, err error) {
			r := &leadgatev1.LeadRecord{}
			err = proto.Unmarshal(value, r)
			switch {
			case err != nil && q.Email != "" && q.Unreadable:
				page = append(page, &leadgatev1.LeadRecord{LeadId: leadKey(key[1:]).String()})
			case err == nil && q.Matches(r):
				page = append(page, r)
			}
			return len(page) >= limit, err
		})
	return page, next, err
}

// lineOf returns the prefix of the shortest index that contains all leads a query may match. Its keys end in a lead.
func (s *Store) lineOf(q store.LeadQuery) []byte {
	switch {
	case q.Email != "":
		return personPrefix(s.hasher.Hash(q.Email))
	case q.State == leadgatev1.LeadState_LEAD_STATE_HELD:
		return asidePrefix(q.State, q.Reason)
	case q.State > leadgatev1.LeadState_LEAD_STATE_OPEN:
		return asidePrefix(q.State, 0)
	case q.Form != "":
		return formPrefix(q.Form)
	}
	return []byte{prefixLead}
}

// Deliveries implements store.Store.
func (s *Store) Deliveries(ctx context.Context, q store.DeliveryQuery, limit int, token string) (page []*leadgatev1.Delivery, next string, err error) {
	q.Since, q.Until = plain(q.Since), plain(q.Until)
	l := listing{line: []byte{prefixDelivery}, query: fmt.Sprintf("%+v", q), since: q.Since, until: q.Until, token: token}
	take := func(d *leadgatev1.Delivery) (full bool) {
		if matchesDelivery(q, d) {
			page = append(page, d)
		}
		return len(page) >= limit
	}
	var lines []line
	if q.Destination != "" || q.State != 0 {
		lines = s.linesOf(q)
	}
	switch {
	case q.LeadID != "":
		key, err := parseLead(q.LeadID)
		if err != nil {
			return nil, "", nil
		}
		l.line = join(prefixDelivery, 16, key[:])
	case len(lines) <= maxLines && (q.Destination != "" || q.State != 0):
		next, err = s.mergeLines(ctx, lines, l, take)
		return page, next, err
	case q.Form != "":
		next, err = s.listOfForm(ctx, q.Form, l, take)
		return page, next, err
	}
	next, err = s.list(ctx, l, func(_, value []byte) (full bool, err error) {
		d := &leadgatev1.Delivery{}
		if err := proto.Unmarshal(value, d); err != nil {
			return false, err
		}
		return take(d), nil
	})
	return page, next, err
}

func matchesDelivery(q store.DeliveryQuery, d *leadgatev1.Delivery) bool {
	return (q.State == 0 || q.State == d.GetState()) &&
		(q.Destination == "" || q.Destination == d.GetDestination()) &&
		(q.Form == "" || q.Form == d.GetForm()) &&
		(q.LeadID == "" || q.LeadID == d.GetLeadId()) &&
		within(q.Since, q.Until, d.GetCreateTime())
}

func within(since, until time.Time, at *timestamppb.Timestamp) bool {
	t := at.AsTime()
	return (since.IsZero() || !t.Before(since)) && (until.IsZero() || t.Before(until))
}

// plain returns an equal time in one representation, because the page token hashes the query.
func plain(t time.Time) time.Time { return t.UTC().Round(0) }

// listing is a walk over records from the newest lead to the oldest.
type listing struct {
	// line is the prefix of the keys. A lead follows it. In an index, the key ends there and stands for the lead's record.
	line         []byte
	query        string // which the token must belong to
	since, until time.Time
	token        string
}

// list walks until take reports that the page is full, and returns the token of the next page. It leaves out records that take
// cannot read.
func (s *Store) list(ctx context.Context, l listing, take func(key, value []byte) (full bool, err error)) (next string, err error) {
	prefix := l.line
	byTime := prefix[0] != prefixDelivery || len(prefix) == 1
	from := after(prefix)
	if !l.until.IsZero() && byTime {
		from = slices.Concat(prefix, timePrefix(l.until.Add(time.Millisecond)))
	}
	if l.token != "" {
		if from, err = l.fromToken(); err != nil {
			return "", err
		}
		if !bytes.HasPrefix(from, prefix) {
			return "", store.ErrPageToken
		}
	}
	var stop []byte
	if !l.since.IsZero() && byTime {
		stop = slices.Concat(prefix, timePrefix(l.since.Add(-idTimeSlack)))
	}
	index, cost := prefix[0] != prefixLead && prefix[0] != prefixDelivery, effortNext
	if index {
		cost = effortFetch
	}
	var fetched []byte
	err = s.view(ctx, func(txn *badgerdb.Txn) error {
		w := newBackward(txn, prefix)
		defer w.close()
		effort, full := 0, false
		for ok := w.seek(from); ok; ok = w.next() {
			if full && w.live || effort >= maxEffort {
				next = l.toToken(w.key)
				return nil
			}
			if stop != nil && bytes.Compare(w.key, stop) < 0 {
				return nil
			}
			if effort += effortSkip; !w.live {
				continue
			}
			effort += cost
			key, value, err := w.key, w.value, error(nil)
			if index {
				key = keyOfLead(leadKey(w.key[len(w.key)-16:]))
				fetched, err = getCopy(txn, key, fetched)
				value = fetched
			}
			if err == nil {
				full, err = take(key, value)
			}
			s.leaveOut(key, err)
		}
		return w.err
	})
	return next, err
}

// getCopy reads the value of a key into a buffer, which it grows if necessary.
func getCopy(txn *badgerdb.Txn, key, into []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if err != nil {
		return into, err
	}
	return item.ValueCopy(into)
}

// timePrefix returns the first bytes of lead IDs created at a time: milliseconds since 1970 in 48 bits (RFC 9562, 5.7). Times
// before 1970 count as 1970.
func timePrefix(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(0, t.UnixMilli()))<<16)[:6]
}

// A token is a hash of the query, so that it is valid for no other, followed by the key to continue with.
const tokenHash = 8

func (l listing) toToken(key []byte) string {
	sum := sha256.Sum256([]byte(l.query))
	return base64.RawURLEncoding.EncodeToString(append(sum[:tokenHash:tokenHash], key...))
}

func (l listing) fromToken() ([]byte, error) {
	sum := sha256.Sum256([]byte(l.query))
	b, err := base64.RawURLEncoding.DecodeString(l.token)
	if err != nil || len(b) <= tokenHash || !bytes.Equal(b[:tokenHash], sum[:tokenHash]) {
		return nil, store.ErrPageToken
	}
	return b[tokenHash:], nil
}
