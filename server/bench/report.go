package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

func report(w io.Writer, o options, subjects []*subject) {
	fmt.Fprintf(w, "%d callers, %d rounds of %s; medians\n\n", o.callers, o.rounds, o.time)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\tper second\tof its base\tp50 ms\tp99 ms\tserver CPU µs\t")
	for _, s := range subjects {
		rate := s.rate()
		ratio := ""
		if s.bare != nil {
			ratio = fmt.Sprintf("%.2f", rate/s.bare.rate())
		}
		fmt.Fprintf(tw, "%s\t%.0f\t%s\t%.2f\t%.2f\t%.1f\t\n", s.name, rate, ratio,
			milliseconds(median(s.results, func(r result) time.Duration { return r.p50 })),
			milliseconds(median(s.results, func(r result) time.Duration { return r.p99 })),
			float64(median(s.results, func(r result) time.Duration { return r.cpu }).Nanoseconds())/1000)
	}
	_ = tw.Flush() // standard output is closed
}

func median[T cmp.Ordered](results []result, figure func(result) T) T {
	figures := make([]T, len(results))
	for i, r := range results {
		figures[i] = figure(r)
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
