package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/worker/enums"
	"github.com/leadgate/leadgate/worker/spelling"
)

// word is a flag that accepts one of a few words, like the configuration key of the same name.
type word struct {
	value string
	known []string
}

// Set implements pflag.Value.
func (w *word) Set(text string) error {
	if slices.Contains(w.known, text) {
		w.value = text
		return nil
	}
	if near := spelling.Nearest(text, w.known); near != "" {
		return fmt.Errorf("did you mean %q? It is one of %s", near, strings.Join(w.known, ", "))
	}
	return fmt.Errorf("it is one of %s", strings.Join(w.known, ", "))
}

func (w *word) String() string { return w.value }

// Type implements pflag.Value.
func (*word) Type() string { return "string" }

// moment is a flag for a time: how long ago, as a duration in the configuration's format, or a date or time.
type moment struct {
	text string
	ago  time.Duration
	at   time.Time
}

// Set implements pflag.Value.
func (m *moment) Set(text string) error {
	if ago, err := config.ParseDuration(text); err == nil {
		*m = moment{text: text, ago: ago}
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} { // a date means midnight UTC
		if at, err := time.Parse(layout, text); err == nil {
			*m = moment{text: text, at: at}
			return nil
		}
	}
	return fmt.Errorf("give how long ago, such as 2h or 7d, a day, such as 2026-11-01, or a time, such as 2026-11-01T12:00:00Z")
}

func (m *moment) String() string { return m.text }

// Type implements pflag.Value.
func (*moment) Type() string { return "time" }

// timestamp returns the time, or nil if the flag was not given.
func (m *moment) timestamp(now time.Time) *timestamppb.Timestamp {
	switch {
	case m.text == "":
		return nil
	case m.at.IsZero():
		return timestamppb.New(now.Add(-m.ago))
	}
	return timestamppb.New(m.at)
}

// span is a flag for a duration in the configuration's format, which includes days.
type span time.Duration

// Set implements pflag.Value.
func (s *span) Set(text string) error {
	d, err := config.ParseDuration(text)
	*s = span(d)
	return err
}

func (s *span) String() string { return time.Duration(*s).String() }

// Type implements pflag.Value.
func (*span) Type() string { return "duration" }

// parseName parses the name of an enum value given to a flag.
func parseName[E interface {
	~int32
	protoreflect.Enum
}](flag, name string) (E, error) {
	enum := E(0).Descriptor()
	found := enums.Find(enum, name)
	if found == nil || found.Number() == 0 {
		return 0, usageError{fmt.Errorf("--%s %q: %[1]ss are %[3]s", flag, name, strings.Join(enums.Names(enum), ", "))}
	}
	return E(found.Number()), nil
}
