package badger

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Redrive implements store.Store.
func (s *Store) Redrive(ctx context.Context, redrives ...*store.Redrive) ([]store.Redriven, error) {
	return doEach(ctx, s, redrives, func(r *store.Redriven) *error { return &r.Err }, s.newRedriveItem)
}

type redriveItem struct {
	s      *Store
	key    deliveryKey
	force  bool
	events []record
	result *store.Redriven
}

func (s *Store) newRedriveItem(r *store.Redrive, result *store.Redriven) (item, error) {
	key, err := parseDelivery(r.DeliveryID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	events, err := encodeEvents(r.Events)
	return &redriveItem{s, key, r.Force, events, result}, err
}

func (it *redriveItem) fail(err error) { *it.result = store.Redriven{Err: err} }

func (it *redriveItem) stage(b *batch, c *change) error {
	d, r := &leadgatev1.Delivery{}, &leadgatev1.LeadRecord{}
	if err := get(b, it.key.key(), d); err != nil {
		return err
	}
	if err := get(b, keyOfLead(it.key.lead), r); err != nil {
		return err
	}
	from := d.GetState()
	waited := from == leadgatev1.DeliveryState_DELIVERY_STATE_PENDING || from == leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT
	switch from {
	case leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT:
		return fmt.Errorf("%w: an attempt is under way", store.ErrState)
	case leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED, leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED:
		return notIn(from)
	}
	it.result.Delivery = d
	switch {
	case waited && it.force: // the claim's holder does not know that it is forced
		c.revoke(it.s, it.key)
	case waited && !c.block(it.s, it.key):
		return nil // it is about to be sent
	}
	before, err := linkOf(d, it.s.personOf(r))
	if err != nil {
		return err
	}
	d.Forced = d.GetForced() || it.force
	if err := c.makeDue(it.s, it.key, d); err != nil {
		return err
	}
	c.tell(it.s, it.key.lead, it.events)
	if waited {
		return it.s.hurry(b, c, before, d.GetDueTime())
	}
	now := before
	now.due = d.GetDueTime()
	return it.s.enter(b, c, now)
}

// makeDue stages a delivery as due now, with its failures reset. The caller updates its chain.
func (c *change) makeDue(s *Store, key deliveryKey, d *leadgatev1.Delivery) error {
	from := d.GetState()
	d.State = leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT
	if d.GetAttemptCount() == 0 {
		d.State = leadgatev1.DeliveryState_DELIVERY_STATE_PENDING
	}
	d.DueTime = timestamppb.New(s.now())
	d.UpdateTime = d.GetDueTime()
	d.FailingFor, d.Reason = nil, ""
	value, err := proto.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode delivery: %w", err)
	}
	c.set(key.key(), value)
	c.moved(key, d, from)
	return nil
}
