package badger

import (
	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

// The error of an attempt whose process ended before the answer came.
const answerLost = "leadgate stopped before the CRM answered"

// recover settles deliveries that were in flight when the previous process ended: their answers are lost, so the outcome of their
// attempts is UNKNOWN, and they are due at once. It runs before the writer.
func (s *Store) recover() error {
	var lost []deliveryKey
	err := s.db.View(func(txn *badgerdb.Txn) error {
		return each(txn, []byte{prefixInFlight}, func(key, _ []byte) error {
			d := deliveryKey{destination: string(key[17:])}
			copy(d.lead[:], key[1:17])
			lost = append(lost, d)
			return nil
		})
	})
	if err != nil {
		return err
	}
	return s.writeFirst(lost, func(d deliveryKey, problem *error) item { return &recoverItem{s: s, key: d, problem: problem} })
}

type recoverItem struct {
	s       *Store
	key     deliveryKey
	problem *error
}

func (it *recoverItem) fail(err error) { *it.problem = err }

func (it *recoverItem) stage(b *batch, c *change) error {
	d, r := &leadgatev1.Delivery{}, &leadgatev1.LeadRecord{}
	if err := get(b, it.key.key(), d); err != nil {
		return err
	}
	if err := get(b, keyOfLead(it.key.lead), r); err != nil {
		return err
	}
	attempt := &leadgatev1.Attempt{}
	attemptKey := it.key.attemptKey(d.GetAttemptCount())
	if err := get(b, attemptKey, attempt); lost(err) {
		it.s.leaveOut(attemptKey, err)
		attempt = &leadgatev1.Attempt{Number: d.GetAttemptCount()}
	} else if err != nil {
		return err
	}
	now := timestamppb.New(it.s.now())
	attempt.Outcome, attempt.Error = leadgatev1.AttemptOutcome_ATTEMPT_OUTCOME_UNKNOWN, answerLost
	d.State, d.LastError, d.DueTime, d.UpdateTime = leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT, answerLost, now, now
	for key, m := range map[string]proto.Message{string(it.key.key()): d, string(attemptKey): attempt} {
		value, err := proto.Marshal(m)
		if err != nil {
			return err
		}
		c.set([]byte(key), value)
	}
	c.delete(it.key.inFlightKey())
	c.moved(it.key, d, leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT)
	events, err := encodeEvents([]*leadgatev1.Event{{Time: now, Kind: &leadgatev1.Event_Lead{Lead: &leadgatev1.LeadEvent{
		Stage: leadgatev1.Stage_STAGE_RETRY, LeadId: d.GetLeadId(), Form: d.GetForm(), Destination: d.GetDestination(),
		DeliveryId: d.GetDeliveryId(), Attempt: attempt.GetNumber(), IdempotencyKey: r.GetIdempotencyKey(),
		Error: answerLost, NextAttemptTime: now, RequestId: r.GetRequestId(),
	}}}})
	if err != nil {
		return err
	}
	c.tell(it.s, it.key.lead, events)
	l, err := linkOf(d, it.s.personOf(r))
	if err != nil {
		return err
	}
	return it.s.stay(b, c, l, false)
}
