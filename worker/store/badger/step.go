package badger

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Begin implements store.Store.
func (s *Store) Begin(ctx context.Context, steps ...*store.Step) ([]store.Stepped, error) {
	for _, step := range steps {
		step.Delivery.State = leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT
		step.Delivery.DueTime = nil
	}
	return s.step(ctx, steps, func(it *stepItem) item { return (*beginItem)(it) })
}

// Settle implements store.Store.
func (s *Store) Settle(ctx context.Context, steps ...*store.Step) ([]store.Stepped, error) {
	return s.step(ctx, steps, func(it *stepItem) item { return (*settleItem)(it) })
}

func (s *Store) step(ctx context.Context, steps []*store.Step, as func(*stepItem) item) ([]store.Stepped, error) {
	return doEach(ctx, s, steps, func(r *store.Stepped) *error { return &r.Err }, func(step *store.Step, result *store.Stepped) (item, error) {
		it, err := s.newStepItem(step, result)
		return as(it), err
	})
}

// stepItem is one step of a claimed delivery, encoded by its caller.
type stepItem struct {
	s        *Store
	token    uint64
	delivery *leadgatev1.Delivery
	encoded  []byte
	number   int32 // of the attempt
	attempt  []byte
	events   []record
	result   *store.Stepped
}

func (s *Store) newStepItem(step *store.Step, result *store.Stepped) (*stepItem, error) {
	was, is := step.Claim.Delivery, step.Delivery
	if !sameDelivery(was, is) {
		return nil, fmt.Errorf("the step of delivery %s would make another of it: %s", was.GetDeliveryId(), is.GetDeliveryId())
	}
	it := &stepItem{s: s, token: step.Claim.Token, delivery: is, result: result}
	attempts := is.Attempts
	is.Attempts = nil
	encoded, err := proto.Marshal(is)
	is.Attempts = attempts
	if err != nil {
		return nil, fmt.Errorf("encode delivery: %w", err)
	}
	it.encoded = encoded
	if step.Attempt != nil {
		if it.number = step.Attempt.GetNumber(); it.number != is.GetAttemptCount() {
			return nil, fmt.Errorf("attempt %d is not the last of %d of delivery %s", it.number, is.GetAttemptCount(), is.GetDeliveryId())
		}
		if it.attempt, err = proto.Marshal(step.Attempt); err != nil {
			return nil, fmt.Errorf("encode attempt: %w", err)
		}
	}
	it.events, err = encodeEvents(step.Events)
	return it, err
}

// sameDelivery reports whether two deliveries agree in everything that never changes.
func sameDelivery(a, b *leadgatev1.Delivery) bool {
	return a.GetDeliveryId() == b.GetDeliveryId() && a.GetLeadId() == b.GetLeadId() &&
		a.GetDestination() == b.GetDestination() && a.GetForm() == b.GetForm() && a.GetSequence() == b.GetSequence() &&
		a.GetCreateTime().AsTime().Equal(b.GetCreateTime().AsTime())
}

func (it *stepItem) lane() *lane { return it.s.lane(it.delivery.GetDestination()) }

// take takes the step's claim, and restores it if nothing is written after all. Error: ErrStale.
func (it *stepItem) take(c *change) (held, error) {
	l := it.lane()
	h, ok := l.take(it.token)
	if !ok {
		return held{}, store.ErrStale
	}
	c.undo = append(c.undo, func() { l.hold(it.token, h) })
	return h, nil
}

// write stages what Begin and Settle have in common.
func (it *stepItem) write(c *change, h held, from leadgatev1.DeliveryState) {
	c.set(h.link.delivery.key(), it.encoded)
	if it.attempt != nil {
		c.set(h.link.delivery.attemptKey(it.number), it.attempt)
	}
	c.moved(h.link.delivery, it.delivery, from)
	c.tell(it.s, h.link.delivery.lead, it.events)
}

// Room that must be left for the outcome of an attempt, in bytes.
const answerRoom = 64 << 10

type beginItem stepItem

func (*beginItem) overlaps() {}

func (it *beginItem) fail(err error) { it.result.Err = err }

func (it *beginItem) stage(b *batch, c *change) error {
	if it.attempt == nil {
		return errors.New("an attempt that begins has to be written")
	}
	if len(it.attempt) >= maxValue-answerRoom {
		return fmt.Errorf("%w: an attempt of %d bytes, without the answer", store.ErrTooLarge, len(it.attempt))
	}
	h, err := (*stepItem)(it).take(c)
	if err != nil {
		return err
	}
	if h.begun {
		return fmt.Errorf("%w: its attempt has begun", store.ErrState)
	}
	(*stepItem)(it).write(c, h, h.state)
	c.delete(h.dueKey)
	c.set(h.link.delivery.inFlightKey(), nil)
	h.begun, h.state = true, leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT
	(*stepItem)(it).lane().hold(it.token, h)
	return nil
}

type settleItem stepItem

func (*settleItem) overlaps() {}

func (it *settleItem) fail(err error) { it.result.Err = err }

func (it *settleItem) stage(b *batch, c *change) error {
	h, err := (*stepItem)(it).take(c)
	if err != nil {
		return err
	}
	(*stepItem)(it).write(c, h, h.state)
	if h.begun {
		c.delete(h.link.delivery.inFlightKey())
	} else {
		c.delete(h.dueKey)
	}
	after := h.link
	after.due = it.delivery.GetDueTime()
	switch it.delivery.GetState() {
	case leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT:
		if err := checkTime("the due time", after.due.AsTime()); err != nil {
			return err
		}
		err = it.s.stay(b, c, after, h.alone)
	case leadgatev1.DeliveryState_DELIVERY_STATE_UNSPECIFIED, leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT:
		return fmt.Errorf("%w: a settled delivery is not %s", store.ErrState, it.delivery.GetState())
	default:
		err = it.s.leave(b, c, after, it.delivery.GetState() == leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED, h.alone)
	}
	if err != nil {
		return err
	}
	c.then = append(c.then, func() { (*stepItem)(it).lane().free(after.delivery) })
	return nil
}
