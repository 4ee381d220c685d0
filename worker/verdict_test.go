package worker

import (
	"testing"
	"time"
)

func TestDurationsAreTold(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "24h", 2*time.Hour + 10*time.Minute: "2h10m", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 70 * time.Second: "1m10s",
		30 * time.Second: "30s", 214 * time.Millisecond: "214ms", 20*time.Hour + 29*time.Second: "20h",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%s is told as %s, want %s", d, got, want)
		}
	}
}
