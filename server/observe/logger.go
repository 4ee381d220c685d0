package observe

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// NewLogger returns a logger that writes a line for each record at once, in one call of Write.
//
// Format is json or text; empty chooses text where out is a terminal and json everywhere else. Text is for people: in their own
// time, and in colours where out is a terminal. Level is debug, info, warn or error; empty stands for info.
func NewLogger(out io.Writer, format, level string) *slog.Logger {
	return NewAdjustableLogger(out, format, ParseLevel(level))
}

// NewAdjustableLogger is NewLogger for a level that may change, such as a *slog.LevelVar.
func NewAdjustableLogger(out io.Writer, format string, level slog.Leveler) *slog.Logger {
	terminal := isTerminal(out)
	if format == "text" || format == "" && terminal {
		return slog.New(tint.NewTextHandler(out, &tint.Options{
			Level: level, TimeFormat: "15:04:05.000", NoColor: !terminal || os.Getenv("NO_COLOR") != "",
		}))
	}
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: tidy}))
}

// ParseLevel reads debug, info, warn or error; anything else stands for info.
func ParseLevel(text string) slog.Level {
	var level slog.Level // Info
	_ = level.UnmarshalText([]byte(text))
	return level
}

func isTerminal(out io.Writer) bool {
	if output, ok := out.(*Output); ok {
		out = output.to
	}
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// timeLayout has all its digits: slog leaves out zeros at the end, and times of different lengths neither sort as text nor are read
// by whoever expects so many digits.
const timeLayout = "2006-01-02T15:04:05.000Z"

// tidy leaves out the message of records that say everything in their attributes, writes times in UTC, to the millisecond, and puts
// the level into words, for which slog would take encoding/json.
func tidy(groups []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindTime {
		a.Value = slog.StringValue(a.Value.Time().UTC().Format(timeLayout))
	}
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.MessageKey:
		if a.Value.String() == "" {
			return slog.Attr{}
		}
	case slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			a.Value = slog.StringValue(level.String())
		}
	}
	return a
}
