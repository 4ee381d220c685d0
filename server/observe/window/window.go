// Package window counts things by stretches of time.
package window

import "time"

// Slots count by stretches of time of one width, and keep the newest of them. Stretches begin at multiples of the width, so
// that those of a minute are the clock's minutes. They belong to one goroutine at a time.
type Slots[T any] struct {
	width  time.Duration
	ring   []T
	newest int64 // number of the newest stretch since 1970; 0 before the first
}

// New keeps n stretches, the present one included. Width and n are at least 1.
func New[T any](width time.Duration, n int) Slots[T] {
	return Slots[T]{width: width, ring: make([]T, n)}
}

// At is the stretch of a time, for counting; nil if it is not kept any more. A later time than ever before forgets the oldest.
func (s *Slots[T]) At(t time.Time) *T {
	number := s.number(t)
	s.advance(number)
	if number <= s.newest-int64(len(s.ring)) {
		return nil
	}
	return s.slot(number)
}

// Each calls visit with every stretch that is kept at the time, oldest first, and its beginning.
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
