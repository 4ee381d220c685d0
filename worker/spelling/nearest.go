// Package spelling finds the name that a misspelt one was meant to be, and writes counts in words.
package spelling

import "strings"

// Nearest returns the known name that a misspelt one was probably meant to be; empty if none is close. It ignores case,
// underscores, hyphens and spaces, so firstName finds first_name. The last part of a known name is enough, so utm_source finds
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

// tolerance returns how many edits away from name a match may be: about one for every three bytes, from 1 to 3.
func tolerance(name string) int { return max(1, min(3, len(name)/3)) }

func fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// edits returns the optimal string alignment distance: the number of bytes to insert, delete, replace or swap with their neighbour
// to turn a into b.
func edits(a, b string) int {
	// row[j] is the distance of a[:i] from b[:j]. Swaps need the row before the previous one, too.
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
