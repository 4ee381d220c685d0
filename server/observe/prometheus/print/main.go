// Command print prints the alert rules for Prometheus with leadgate's default thresholds.
package main

import (
	"fmt"
	"os"

	"github.com/leadgate/leadgate/server/observe/alert"
	"github.com/leadgate/leadgate/server/observe/prometheus"
)

func main() {
	rules, err := prometheus.Rules(alert.Rules(nil))
	if err == nil {
		_, err = os.Stdout.Write(rules)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "print:", err)
		os.Exit(1)
	}
}
