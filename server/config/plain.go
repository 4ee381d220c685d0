package config

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	between = regexp.MustCompile(`^must be greater than or equal to (\S+) and less than or equal to (\S+)$`)
	plainer = map[string]string{
		"value is required":                        "is required",
		"must be at least 1 characters":            "must not be empty",
		"must contain at least 1 item(s)":          "must not be empty",
		"repeated value must contain unique items": "must not list anything twice",
		"must be a valid IP prefix":                "must be a network, such as 10.0.0.0/8, or 10.0.0.1/32 for one address",
		"does not contain substring `@`":           "must be an e-mail address, with an @",
		"must be a valid URI":                      "must be a whole address, such as https://www.example.com/thanks",
	}
)

// Plain rewords a message of protovalidate if it is clumsy.
func Plain(message string) string {
	if words, ok := plainer[message]; ok {
		return words
	}
	if strings.HasPrefix(message, "value is empty, ") {
		return "must not be empty"
	}
	if bounds := between.FindStringSubmatch(message); bounds != nil {
		return "must be between " + rounded(bounds[1]) + " and " + rounded(bounds[2])
	}
	return message
}

// rounded formats a limit that is a duration like the file does: 30d instead of 2592000s.
func rounded(bound string) string {
	d, err := time.ParseDuration(bound)
	if err != nil || d == 0 || !strings.HasSuffix(bound, "s") {
		return bound
	}
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d%unit.of == 0 {
			return strconv.FormatInt(int64(d/unit.of), 10) + unit.name
		}
	}
	return bound
}
