package observe

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// NewLogger returns a logger that writes each record at once, in a single call of Write.
//
// format is json or text; empty means text if out is a terminal and json otherwise. Text is for people: in local time, and in
// colours if out is a terminal. level is debug, info, warn or error; empty means info.
func NewLogger(out io.Writer, format, level string) *slog.Logger {
	return NewAdjustableLogger(out, format, ParseLevel(level))
}

// NewAdjustableLogger is like NewLogger, with a level that may change, such as a *slog.LevelVar.
func NewAdjustableLogger(out io.Writer, format string, level slog.Leveler) *slog.Logger {
	terminal := isTerminal(out)
	if format == "text" || format == "" && terminal {
		return slog.New(tint.NewTextHandler(out, &tint.Options{
			Level: level, TimeFormat: "15:04:05.000", NoColor: !terminal || os.Getenv("NO_COLOR") != "",
		}))
	}
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: tidy}))
}

// ParseLevel parses debug, info, warn or error. Anything else means info.
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

// timeLayout always has three decimals. slog drops trailing zeros, and times of varying length neither sort as text nor suit
// parsers that expect a fixed width.
const timeLayout = "2006-01-02T15:04:05.000Z"

// tidy drops empty messages, formats times in UTC with milliseconds, and formats the level, for which slog would use encoding/json.
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
