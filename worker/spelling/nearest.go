// Package spelling finds the name that was meant by a misspelt one, and puts numbers into words.
package spelling

import "strings"

// Nearest returns the known name that was probably meant by a misspelt one; empty if none is close. Case, underscores and
// hyphens do not count, so firstName finds first_name; the last part of a known name will do, so utm_source finds
// source.utm_source. Of names that are equally close it returns the first.
func Nearest(name string, known []string) string {
	name = fold(name)
	nearest, least := "", 1+tolerance(name)
	for _, candidate := range known {
		distance := edits(name, fold(candidate))
		if dot := strings.LastIndexByte(candidate, '.'); dot >= 0 && !strings.Contains(name, ".") {
			distance = min(distance, edits(name, fold(candidate[dot+1:])))
		}
		if distance < least {
			nearest, least = candidate, distance
		}
	}
	return nearest
}

// tolerance is how many edits from a name another may be and still be meant by it: about one in three characters.
func tolerance(name string) int { return max(1, min(3, len(name)/3)) }

func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// edits is the optimal string alignment distance: how many bytes have to be put in, taken out, replaced or swapped with
// their neighbour to make b of a.
func edits(a, b string) int {
	// Row i holds the distances of a[:i] from every b[:j]; two rows back are needed for swaps.
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := above[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
