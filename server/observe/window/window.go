// Package window counts things in a sliding window of time.
package window

import "time"

// Slots divide time into slots of equal width and keep the newest n of them. Slots start at multiples of the width, so that
// one-minute slots match the clock's minutes. They are not safe for concurrent use.
type Slots[T any] struct {
	width  time.Duration
	ring   []T
	newest int64 // number of the newest slot since 1970; 0 before the first
}

// New returns n slots, the present one included. Width and n are at least 1.
func New[T any](width time.Duration, n int) Slots[T] {
	return Slots[T]{width: width, ring: make([]T, n)}
}

// At returns the slot of a time, to count in; nil if it is no longer kept. A time newer than all before drops the oldest slots.
func (s *Slots[T]) At(t time.Time) *T {
	number := s.number(t)
	s.advance(number)
	if number <= s.newest-int64(len(s.ring)) {
		return nil
	}
	return s.slot(number)
}

// Each calls visit for every slot kept at the time now, oldest first, with its start.
func (s *Slots[T]) Each(now time.Time, visit func(begin time.Time, slot *T)) {
	s.advance(s.number(now))
	for number := s.newest - int64(len(s.ring)) + 1; number <= s.newest; number++ {
		visit(time.Unix(0, number*int64(s.width)).UTC(), s.slot(number))
	}
}

func (s *Slots[T]) number(t time.Time) int64 { return t.UnixNano() / int64(s.width) }

func (s *Slots[T]) slot(number int64) *T {
	n := int64(len(s.ring))
	return &s.ring[((number%n)+n)%n]
}

func (s *Slots[T]) advance(number int64) {
	if number <= s.newest {
		return
	}
	for fresh := max(s.newest+1, number-int64(len(s.ring))+1); fresh <= number; fresh++ {
		*s.slot(fresh) = *new(T)
	}
	s.newest = number
}
