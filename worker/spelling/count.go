package spelling

import "fmt"

// Count returns a number of things in words: Count(1, "lead", "leads") returns "1 lead".
func Count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
