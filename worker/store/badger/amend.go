package badger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store"
)

// Amend implements store.Store.
func (s *Store) Amend(ctx context.Context, amendments ...*store.Amendment) ([]store.Amended, error) {
	return doEach(ctx, s, amendments, func(r *store.Amended) *error { return &r.Err }, s.newAmendItem)
}

// amendItem is one amendment, encoded by its caller.
type amendItem struct {
	s         *Store
	amendment *store.Amendment
	record    *leadgatev1.LeadRecord // the lead's new value
	lead      leadKey
	encoded   []byte
	events    []record
	result    *store.Amended
}

func (s *Store) newAmendItem(a *store.Amendment, result *store.Amended) (item, error) {
	was, is := a.Was, a.Record
	lead, err := parseLead(was.GetLeadId())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	switch {
	case was.GetLeadId() != is.GetLeadId() || was.GetSequence() != is.GetSequence() || !was.GetCreateTime().AsTime().Equal(is.GetCreateTime().AsTime()):
		return nil, fmt.Errorf("the amendment of lead %s would make another of it: %s", was.GetLeadId(), is.GetLeadId())
	case is.GetState() != leadgatev1.LeadState_LEAD_STATE_OPEN && len(a.Destinations)+len(a.Resend) > 0:
		return nil, fmt.Errorf("a lead that is %s has no deliveries", is.GetState())
	}
	for _, destination := range a.Destinations {
		if destination == "" || strings.ContainsRune(destination, 0) {
			return nil, fmt.Errorf("%q is not the name of a destination", destination)
		}
	}
	is = withFormerEmails(was, is)
	it := &amendItem{s: s, amendment: a, record: is, lead: lead, result: result}
	if it.encoded, err = proto.Marshal(is); err != nil {
		return nil, fmt.Errorf("encode lead: %w", err)
	}
	it.events, err = encodeEvents(a.Events)
	return it, err
}

// withFormerEmails returns the lead's new value with all its former addresses.
func withFormerEmails(was, is *leadgatev1.LeadRecord) *leadgatev1.LeadRecord {
	email, former := is.GetLead().GetEmail(), slices.Clone(was.GetFormerEmails())
	if before := was.GetLead().GetEmail(); before != "" && before != email && !slices.Contains(former, before) {
		former = append(former, before)
	}
	if slices.Equal(former, is.GetFormerEmails()) {
		return is
	}
	is = proto.CloneOf(is)
	is.FormerEmails = former
	return is
}

func (it *amendItem) fail(err error) { it.result.Err = err }

func (it *amendItem) stage(b *batch, c *change) error {
	was, is := &leadgatev1.LeadRecord{}, it.record
	if err := get(b, keyOfLead(it.lead), was); err != nil {
		return err
	}
	if !proto.Equal(was, it.amendment.Was) {
		return store.ErrConflict
	}
	c.set(keyOfLead(it.lead), it.encoded)
	c.reindex(it.s, it.lead, was, is)
	deliveries, err := b.deliveriesOf(it.lead)
	if err != nil {
		return err
	}
	switch {
	case is.GetState() != leadgatev1.LeadState_LEAD_STATE_OPEN:
		err = it.withdraw(b, c, deliveries, was)
	default:
		err = it.send(b, c, deliveries, was)
	}
	if err != nil {
		return err
	}
	c.tell(it.s, it.lead, it.events)
	return nil
}

// withdraw removes the deliveries of a lead that is not to be sent after all.
func (it *amendItem) withdraw(b *batch, c *change, deliveries []*leadgatev1.Delivery, was *leadgatev1.LeadRecord) error {
	for _, d := range deliveries {
		if d.GetState() != leadgatev1.DeliveryState_DELIVERY_STATE_PENDING || d.GetAttemptCount() > 0 {
			return fmt.Errorf("%w: it was sent to %s already", store.ErrState, d.GetDestination())
		}
		key := deliveryKey{it.lead, d.GetDestination()}
		l, err := linkOf(d, it.s.personOf(was))
		if err != nil {
			return err
		}
		if err := it.s.withdraw(b, c, l, d.GetState()); err != nil {
			return err
		}
		c.delete(key.key())
		c.count(d.GetDestination(), d.GetState(), -1)
	}
	return nil
}

// send changes the deliveries of an open lead as the amendment says.
func (it *amendItem) send(b *batch, c *change, deliveries []*leadgatev1.Delivery, was *leadgatev1.LeadRecord) error {
	before, after := it.s.personOf(was), it.s.personOf(it.record)
	moved := string(before) != string(after)
	changed := !proto.Equal(was.GetLead(), it.record.GetLead())
	for _, d := range deliveries {
		again := slices.Contains(it.amendment.Resend, d.GetDestination())
		var err error
		switch d.GetState() {
		case leadgatev1.DeliveryState_DELIVERY_STATE_IN_FLIGHT:
			if moved || again {
				err = fmt.Errorf("%w: an attempt at %s is under way", store.ErrState, d.GetDestination())
			}
		case leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, leadgatev1.DeliveryState_DELIVERY_STATE_RETRY_WAIT:
			if changed || again && d.GetAttemptCount() > 0 { // the claim's holder has read the old content
				c.revoke(it.s, deliveryKey{it.lead, d.GetDestination()})
			}
			if again {
				err = it.mark(c, d)
			}
			if err != nil {
				return err
			}
			if moved {
				err = it.move(b, c, d, before, after)
			} else if it.amendment.Hurry && d.GetAttemptCount() == 0 {
				err = it.hurry(b, c, d, after)
			}
		case leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED:
		default:
			if again {
				err = it.resend(b, c, d, after)
			} else if changed && d.GetState() != leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED { // a person may redrive it
				err = it.mark(c, d)
			}
		}
		if err != nil {
			return err
		}
	}
	for i, destination := range it.amendment.Destinations {
		known := slices.ContainsFunc(deliveries, func(d *leadgatev1.Delivery) bool { return d.GetDestination() == destination })
		if known || slices.Contains(it.amendment.Destinations[:i], destination) {
			continue
		}
		if err := it.add(b, c, destination, after); err != nil {
			return err
		}
	}
	return nil
}

// mark makes an attempted delivery send the lead's new content, after the old payload if that has to be sent once more.
func (it *amendItem) mark(c *change, d *leadgatev1.Delivery) error {
	if d.GetAttemptCount() == 0 || d.GetResend() {
		return nil
	}
	d.Resend, d.UpdateTime = true, timestamppb.New(it.s.now())
	return c.setMessage(deliveryKey{it.lead, d.GetDestination()}.key(), d)
}

// move moves a waiting delivery from one person's chain to another's.
func (it *amendItem) move(b *batch, c *change, d *leadgatev1.Delivery, from, to []byte) error {
	l, err := linkOf(d, from)
	if err != nil {
		return err
	}
	if err := it.s.withdraw(b, c, l, d.GetState()); err != nil {
		return err
	}
	l.person = to
	return it.s.enter(b, c, l)
}

// hurry makes a delivery due that waits for its first attempt, unless it is claimed already.
func (it *amendItem) hurry(b *batch, c *change, d *leadgatev1.Delivery, person []byte) error {
	before, err := linkOf(d, person)
	if err != nil {
		return err
	}
	now := timestamppb.New(it.s.now())
	if !now.AsTime().Before(d.GetDueTime().AsTime()) || !c.block(it.s, before.delivery) {
		return nil
	}
	d.DueTime, d.UpdateTime = now, now
	value, err := proto.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode delivery: %w", err)
	}
	c.set(before.delivery.key(), value)
	return it.s.hurry(b, c, before, now)
}

// resend makes a delivery due that is not waiting.
func (it *amendItem) resend(b *batch, c *change, d *leadgatev1.Delivery, person []byte) error {
	l, err := linkOf(d, person)
	if err != nil {
		return err
	}
	d.Resend = d.GetAttemptCount() > 0
	if d.GetState() == leadgatev1.DeliveryState_DELIVERY_STATE_DELIVERED {
		d.Forced = false // the data that a person forced over newer data has been sent
	}
	if err := c.makeDue(it.s, l.delivery, d); err != nil {
		return err
	}
	l.due = d.GetDueTime()
	return it.s.enter(b, c, l)
}

// add creates a delivery to another destination.
func (it *amendItem) add(b *batch, c *change, destination string, person []byte) error {
	r, now := it.record, timestamppb.New(it.s.now())
	return it.s.addDelivery(b, c, &leadgatev1.Delivery{
		DeliveryId: deliveryKey{it.lead, destination}.String(), LeadId: r.GetLeadId(), Destination: destination, Form: r.GetLead().GetSource().GetForm(),
		Sequence: r.GetSequence(), State: leadgatev1.DeliveryState_DELIVERY_STATE_PENDING, Mode: leadgatev1.DeliveryMode_DELIVERY_MODE_UPSERT,
		CreateTime: r.GetCreateTime(), UpdateTime: now, DueTime: now, // lists are sorted by the lead's creation time
	}, person)
}

// addDelivery adds a waiting delivery to a stored lead.
func (s *Store) addDelivery(b *batch, c *change, d *leadgatev1.Delivery, person []byte) error {
	l, err := linkOf(d, person)
	if err != nil {
		return err
	}
	if err := c.setMessage(l.delivery.key(), d); err != nil {
		return err
	}
	c.count(d.GetDestination(), d.GetState(), 1)
	return s.enter(b, c, l)
}
