package badger

import (
	"errors"
	"fmt"
)

// How many calls share one commit at most. More would only make the first of them wait longer.
const maxMerge = 1024

// pipeline has one batch on its way to the disk while the next is being staged, so that neither the disk nor the processor
// waits for the other:
//
//	stage    calls come, their items are checked and put into the batch
//	launch   the batch is committed, as soon as the one before has landed; another is begun
//	land     it is durable: memory and watchers are told, and its calls are answered
//
// A batch begins before the one ahead of it is on disk and does not see it. An item that has to read what is still on its way
// waits until it has landed; see [batch.Get]. It belongs to one goroutine.
type pipeline struct {
	s      *Store
	staged *batch
	flying *batch // nil if none
	clock  uint64 // what commits give as the store's time; 0 for the present one: see [Store.writeFirst]
}

func newPipeline(s *Store) *pipeline { return &pipeline{s: s, staged: newBatch(s, nil)} }

// full reports whether no more calls are to be staged before the next launch.
func (p *pipeline) full() bool { return len(p.staged.calls) >= maxMerge }

// landing receives when the batch that is flying has landed; never if none is.
func (p *pipeline) landing() <-chan error {
	if p.flying == nil {
		return nil
	}
	return p.flying.landed
}

// stageWaiting stages all calls that wait.
func (p *pipeline) stageWaiting() {
	for !p.full() {
		select {
		case w := <-p.s.writes:
			p.stage(w)
		default:
			return
		}
	}
}

// stage stages what a call wants written. A call that turns out to write nothing is answered at once: what it read is durable.
func (p *pipeline) stage(w *write) {
	if !w.state.CompareAndSwap(writeWaiting, writeTaken) {
		return
	}
	var err error
	if len(p.staged.calls) == 0 {
		err = p.s.writable() // once for each batch, as it asks the operating system
	}
	for i := 0; err == nil && i < len(w.items); i++ {
		err = p.add(w.items[i])
	}
	if err != nil || p.staged.entries == 0 {
		w.answer(err)
		return
	}
	p.staged.calls = append(p.staged.calls, w)
}

// add stages an item, if need be when everything before it is on the disk. An error of the item's own is told to it; the one
// returned ends the store.
func (p *pipeline) add(it item) error {
	c, err := p.staged.stage(it)
	if errors.Is(err, errUnderWay) {
		if err := p.settle(); err != nil {
			return err
		}
		c, err = p.staged.stage(it)
	}
	if err != nil {
		it.fail(err)
		return nil
	}
	err = p.staged.take(c)
	if errors.Is(err, errFull) {
		if err = p.settle(); err == nil {
			err = p.staged.take(c)
		}
	}
	if err == nil {
		return nil
	}
	c.revert()
	if failed := p.s.failed.Load(); failed != nil {
		return *failed
	}
	it.fail(err)
	return nil
}

// ready reports whether there is something to launch and nothing is flying.
func (p *pipeline) ready() bool { return p.flying == nil && p.staged.entries > 0 }

// launch commits what is staged, if it is ready.
func (p *pipeline) launch() {
	if !p.ready() {
		return
	}
	b := p.staged
	if b.last.clock = p.clock; p.clock == 0 {
		b.last.clock = uint64(p.s.now().UnixNano())
	}
	if err := b.finish(); err != nil {
		p.fail(p.s.broken(err))
		return
	}
	b.before, b.landed, b.began = nil, make(chan error, 1), p.s.now()
	p.s.last = b.last
	p.flying, p.staged = b, newBatch(p.s, b) // before the commit: to begin a batch would wait for it
	b.txn.CommitWith(func(err error) { b.landed <- err })
}

// land ends the commit of the flying batch and tells everybody. To launch the next before that would give the disk work a
// little sooner, but smaller batches, whose commits cost more than they gain. A commit that fails leaves it unknown what is on
// disk, so the store refuses writes from then on; opening it again finds out.
func (p *pipeline) land(err error) {
	b := p.flying
	p.flying = nil
	if err != nil {
		err = p.s.broken(err)
		b.answer(err)
		p.fail(err)
		return
	}
	p.s.addCounts(b.counts)
	if p.staged.entries == 0 {
		p.begin() // one that sees what has landed
	}
	for _, then := range b.then {
		then()
	}
	if len(b.events) > 0 {
		p.s.publish(b.events)
	}
	p.s.told(len(b.calls), p.s.now().Sub(b.began))
	b.answer(nil)
}

// settle waits until everything that was staged is on the disk.
func (p *pipeline) settle() error {
	for p.flying != nil || p.staged.entries > 0 {
		p.launch()
		if p.flying != nil {
			p.land(<-p.flying.landed)
		}
		if failed := p.s.failed.Load(); failed != nil {
			return *failed
		}
	}
	return nil
}

// fail gives up what is staged.
func (p *pipeline) fail(err error) {
	p.staged.answer(err)
	p.begin()
}

// begin begins a batch in place of the one that is staged.
func (p *pipeline) begin() {
	p.staged.discard()
	p.staged = newBatch(p.s, nil)
}

// end settles, and begins no more.
func (p *pipeline) end() {
	if err := p.settle(); err != nil {
		p.staged.answer(err)
	}
	p.staged.discard()
}

// writeFirst writes an item for each of some deliveries before the writer runs, even on a disk that is nearly full: room for that
// was made when the store was opened. If one fails, all do. Until all are written, commits keep the last process's time: should this
// process end before, the next one still sees that the clock was set back, and goes on.
func (s *Store) writeFirst(deliveries []deliveryKey, newItem func(d deliveryKey, problem *error) item) error {
	p := newPipeline(s)
	p.clock = s.last.clock
	defer p.end()
	for _, d := range deliveries {
		var problem error
		if err := p.add(newItem(d, &problem)); err != nil {
			return err
		}
		if lost(problem) { // it stays as it is, and keeps the store from opening no more than others from going on
			s.leaveOut(d.key(), problem)
		} else if problem != nil {
			return fmt.Errorf("delivery %s: %w", d, problem)
		}
	}
	p.clock = 0
	return p.settle()
}
