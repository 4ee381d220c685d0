package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	badgerdb "github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/enums"
	"github.com/leadgate/leadgate/worker/store"
)

// Hold implements store.Store.
func (s *Store) Hold(ctx context.Context, holds ...*store.Hold) ([]store.Held, error) {
	errOf := func(r *store.Held) *error { return &r.Err }
	return doEach(ctx, s, holds, errOf, func(h *store.Hold, result *store.Held) (item, error) {
		return s.newTransferItem(h.DeliveryID, h.Events, &result.Err, func(it *transferItem, b *batch, c *change) error {
			return it.hold(b, c, h.Reason)
		})
	})
}

// Move implements store.Store.
func (s *Store) Move(ctx context.Context, moves ...*store.Move) ([]store.Moved, error) {
	errOf := func(r *store.Moved) *error { return &r.Err }
	results, err := doEach(ctx, s, moves, errOf, func(m *store.Move, result *store.Moved) (item, error) {
		return s.newTransferItem(m.DeliveryID, m.Events, &result.Err, func(it *transferItem, b *batch, c *change) (err error) {
			result.Delivery, err = it.move(b, c, m.Destination, m.Reason)
			return err
		})
	})
	for i := range results {
		if results[i].Err != nil {
			results[i].Delivery = nil
		}
	}
	return results, err
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, deletions ...*store.Deletion) ([]store.Deleted, error) {
	errOf := func(r *store.Deleted) *error { return &r.Err }
	results, err := doEach(ctx, s, deletions, errOf, func(d *store.Deletion, result *store.Deleted) (item, error) {
		return s.newTransferItem(d.DeliveryID, d.Events, &result.Err, (*transferItem).delete)
	})
	for i := range results {
		if errors.Is(results[i].Err, store.ErrTooLarge) {
			results[i].Err = s.deleteLarge(ctx, deletions[i])
		}
	}
	return results, err
}

// deleteLarge removes a delivery with more attempts than a transaction can hold: in portions, the oldest first.
func (s *Store) deleteLarge(ctx context.Context, deletion *store.Deletion) error {
	key, err := parseDelivery(deletion.DeliveryID)
	if err != nil {
		return err
	}
	attempts := key.attemptsPrefix()
	may := func(k keptLead) bool {
		return slices.ContainsFunc(k.deliveries, func(d *leadgatev1.Delivery) bool {
			return d.GetDestination() == key.destination && deletable(d.GetState())
		})
	}
	if err := s.thin(ctx, key.lead, may, func(key, value []byte) ([]byte, error) {
		if bytes.HasPrefix(key, attempts) {
			return nil, nil
		}
		return value, nil
	}); err != nil {
		return err
	}
	var failed error
	it, err := s.newTransferItem(deletion.DeliveryID, deletion.Events, &failed, (*transferItem).delete)
	if err == nil {
		err = s.do(ctx, it)
	}
	return errors.Join(err, failed)
}

// transferItem holds, moves or deletes a delivery.
type transferItem struct {
	s      *Store
	key    deliveryKey
	events []record
	do     func(*transferItem, *batch, *change) error
	err    *error

	// Set by stage.
	delivery *leadgatev1.Delivery
	lead     *leadgatev1.LeadRecord
}

func (s *Store) newTransferItem(deliveryID string, events []*leadgatev1.Event, result *error, do func(*transferItem, *batch, *change) error) (item, error) {
	key, err := parseDelivery(deliveryID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	records, err := encodeEvents(events)
	if err != nil {
		return nil, err
	}
	return &transferItem{s: s, key: key, events: records, do: do, err: result}, nil
}

func (it *transferItem) fail(err error) { *it.err = err }

func (it *transferItem) stage(b *batch, c *change) error {
	it.delivery, it.lead = &leadgatev1.Delivery{}, &leadgatev1.LeadRecord{}
	if err := get(b, it.key.key(), it.delivery); err != nil {
		return err
	}
	if err := get(b, keyOfLead(it.key.lead), it.lead); err != nil {
		return err
	}
	if err := it.do(it, b, c); err != nil {
		return err
	}
	c.tell(it.s, it.key.lead, it.events)
	return nil
}

// refuse returns the error for a delivery whose state does not allow the request.
func (it *transferItem) refuse() error {
	return notIn(it.delivery.GetState())
}

// notIn returns the error for a delivery whose state does not allow the request, with the state's display name.
func notIn(state leadgatev1.DeliveryState) error {
	return fmt.Errorf("%w: the delivery is %s", store.ErrState, enums.Name(state))
}

func (it *transferItem) waits() bool {
	state := it.delivery.GetState()
	return state == leadgatev1.DeliveryState_DELIVERY_STATE_PENDING || state == leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT
}

// become writes the delivery in a state in which it does not wait.
func (it *transferItem) become(c *change, state leadgatev1.DeliveryState, reason string) error {
	d, from := it.delivery, it.delivery.GetState()
	d.State, d.Reason = state, reason
	c.moved(it.key, d, from)
	d.DueTime, d.UpdateTime = nil, timestamppb.New(it.s.now())
	return c.setMessage(it.key.key(), d)
}

// stepOut removes a waiting delivery from its chain, even if it is claimed.
func (it *transferItem) stepOut(b *batch, c *change) error {
	l, err := linkOf(it.delivery, it.s.personOf(it.lead))
	if err != nil {
		return err
	}
	return it.s.withdraw(b, c, l, it.delivery.GetState())
}

func (it *transferItem) hold(b *batch, c *change, reason string) error {
	if !it.waits() {
		return it.refuse()
	}
	if err := it.stepOut(b, c); err != nil {
		return err
	}
	return it.become(c, leadgatev1.DeliveryState_DELIVERY_STATE_HELD, reason)
}

func (it *transferItem) move(b *batch, c *change, destination, reason string) (*leadgatev1.Delivery, error) {
	switch it.delivery.GetState() {
	case leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT:
		if err := it.stepOut(b, c); err != nil {
			return nil, err
		}
	case leadgatev1.DeliveryState_DELIVERY_STATE_HELD, leadgatev1.DeliveryState_DELIVERY_STATE_DEAD,
		leadgatev1.DeliveryState_DELIVERY_STATE_SUPERSEDED:
	default:
		return nil, it.refuse()
	}
	to := deliveryKey{it.key.lead, destination}
	if _, err := b.Get(to.key()); err == nil {
		return nil, fmt.Errorf("%w: the lead has a delivery to %s already", store.ErrState, destination)
	} else if !errors.Is(err, badgerdb.ErrKeyNotFound) {
		return nil, err
	}
	now := timestamppb.New(it.s.now())
	moved := &leadgatev1.Delivery{
		DeliveryId: to.String(), LeadId: it.delivery.GetLeadId(), Destination: destination, Form: it.delivery.GetForm(),
		Sequence: it.delivery.GetSequence(), State: leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, Mode: leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT,
		CreateTime: it.delivery.GetCreateTime(), UpdateTime: now, DueTime: now,
	}
	if err := it.s.addDelivery(b, c, moved, it.s.personOf(it.lead)); err != nil {
		return nil, err
	}
	return moved, it.become(c, leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED, reason)
}

func deletable(state leadgatev1.DeliveryState) bool {
	switch state {
	case leadgatev1.DeliveryState_DELIVERY_STATE_DEAD, leadgatev1.DeliveryState_DELIVERY_STATE_HELD,
		leadgatev1.DeliveryState_DELIVERY_STATE_SUPERSEDED, leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED:
		return true
	}
	return false
}

func (it *transferItem) delete(b *batch, c *change) error {
	if !deletable(it.delivery.GetState()) {
		return it.refuse()
	}
	if err := b.deleteAll(c, it.key.attemptsPrefix()); err != nil {
		return err
	}
	c.delete(it.key.key())
	c.delete(keyOfEnded(it.key.destination, it.delivery.GetState(), it.delivery.GetSequence()))
	c.count(it.key.destination, it.delivery.GetState(), -1)
	return nil
}
