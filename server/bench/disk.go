package main

import (
	"os"
	"path/filepath"
	"slices"
	"time"
)

// syncBytes is roughly what a lead takes in the store's log.
const syncBytes = 2 << 10

// measureDisk repeatedly appends to a file and syncs it: the least that one durable write costs. The result has no CPU time.
func measureDisk(dir string, length time.Duration) (result, error) {
	file, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return result{}, err
	}
	defer file.Close()
	var times []time.Duration
	record := make([]byte, syncBytes)
	start := time.Now()
	for time.Since(start) < length {
		before := time.Now()
		if _, err := file.Write(record); err != nil {
			return result{}, err
		}
		if err := file.Sync(); err != nil {
			return result{}, err
		}
		times = append(times, time.Since(before))
	}
	return summary(times, time.Since(start)), nil
}

// summary returns the result of calls with these durations, made within elapsed.
func summary(times []time.Duration, elapsed time.Duration) result {
	slices.Sort(times)
	return result{
		perSecond: float64(len(times)) / elapsed.Seconds(),
		p50:       times[len(times)/2],
		p99:       times[len(times)*99/100],
	}
}
