package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// output is how a command prints data: for people, or as JSON.
type output struct{ format string }

func (o *output) addFlag(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVarP(&o.format, "output", "o", "text", "text or json")
}

// printAll writes messages as JSON, one per line, or calls text to print them for people.
func printAll[M proto.Message](o *output, w io.Writer, messages []M, text func(w io.Writer)) error {
	switch o.format {
	case "json":
		for _, m := range messages {
			line, err := jsonLine(m)
			if err != nil {
				return err
			}
			fmt.Fprintln(w, line)
		}
		return nil
	case "text":
		text(lines{w})
		return nil
	}
	return usageError{fmt.Errorf("--output %q: it is text or json", o.format)}
}

// table aligns rows in columns under a header. Cells are separated by tabs.
func table(w io.Writer, header string, rows func(w io.Writer)) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, header)
	rows(lines{tw})
	_ = tw.Flush() // ignore write errors, like other output to a terminal
}

// ago formats how long ago a time was, in its two largest units; "-" for none.
func ago(t *timestamppb.Timestamp, now time.Time) string {
	if t == nil {
		return "-"
	}
	return short(now.Sub(t.AsTime())) + " ago"
}

// shortDuration formats a duration in its two largest units; "-" for none.
func shortDuration(d *durationpb.Duration) string {
	if d == nil {
		return "-"
	}
	return short(d.AsDuration())
}

func short(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}
