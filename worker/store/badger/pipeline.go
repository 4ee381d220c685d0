package badger

import (
	"errors"
	"fmt"
)

// How many calls may share one commit. More would only make the first of them wait longer.
const maxMerge = 1024

// pipeline writes one batch to disk while the next is being staged, so that neither disk nor processor waits for the other:
//
//	stage    check the items of incoming calls and put them into the batch
//	launch   commit the batch, once the previous one has landed, and begin another
//	land     the batch is durable: update memory, tell watchers and answer its calls
//
// A batch begins before the previous one is on disk and does not see it. An item that has to read what is still being written
// waits until that has landed; see [batch.Get]. A pipeline belongs to one goroutine.
type pipeline struct {
	s      *Store
	staged *batch
	flying *batch // nil if none
	clock  uint64 // time recorded with commits; 0 for the present: see [Store.writeFirst]
}

func newPipeline(s *Store) *pipeline { return &pipeline{s: s, staged: newBatch(s, nil)} }

// full reports whether the batch takes no more calls before the next launch.
func (p *pipeline) full() bool { return len(p.staged.calls) >= maxMerge }

// landing receives the result of the flying batch's commit. It is nil if none is flying.
func (p *pipeline) landing() <-chan error {
	if p.flying == nil {
		return nil
	}
	return p.flying.landed
}

// stageWaiting stages the calls that are waiting.
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

// stage stages a call. A call that turns out to write nothing is answered at once: what it read is durable.
func (p *pipeline) stage(w *write) {
	if !w.state.CompareAndSwap(writeWaiting, writeTaken) {
		return
	}
	var err error
	if len(p.staged.calls) == 0 {
		err = p.s.writable() // once per batch, because it asks the operating system
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

// add stages an item, if necessary after everything before it is on disk. An error of the item goes to the item; a returned error
// ends the store.
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

// launch commits the staged batch, if ready.
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
	p.flying, p.staged = b, newBatch(p.s, b) // before the commit, because beginning a batch would wait for it
	b.txn.CommitWith(func(err error) { b.landed <- err })
}

// land completes the flying batch: it updates memory, tells watchers and answers the calls. Launching the next batch first would
// keep the disk busier, but would make batches smaller, whose commits cost more than that gains. After a failed commit it is
// unknown what is on disk, so the store refuses writes until it is opened again.
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
		p.begin() // a batch that sees what has landed
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

// settle waits until everything that was staged is on disk.
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

// fail drops the staged batch.
func (p *pipeline) fail(err error) {
	p.staged.answer(err)
	p.begin()
}

// begin replaces the staged batch with a new one.
func (p *pipeline) begin() {
	p.staged.discard()
	p.staged = newBatch(p.s, nil)
}

// end settles and discards the last batch.
func (p *pipeline) end() {
	if err := p.settle(); err != nil {
		p.staged.answer(err)
	}
	p.staged.discard()
}

// writeFirst writes an item for each of the deliveries before the writer runs, even on a nearly full disk: there is room, made
// when the store was opened. It skips deliveries that cannot be read. Until all are written, commits keep the previous process's
// time: if this process ends before, the next one still sees that the clock was set back, and continues.
func (s *Store) writeFirst(deliveries []deliveryKey, newItem func(d deliveryKey, problem *error) item) error {
	p := newPipeline(s)
	p.clock = s.last.clock
	defer p.end()
	for _, d := range deliveries {
		var problem error
		if err := p.add(newItem(d, &problem)); err != nil {
			return err
		}
		if lost(problem) { // it must not keep the store from opening
			s.leaveOut(d.key(), problem)
		} else if problem != nil {
			return fmt.Errorf("delivery %s: %w", d, problem)
		}
	}
	p.clock = 0
	return p.settle()
}
