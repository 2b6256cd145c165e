// Package migration measures what moving from the tables of the old design to route records gains and costs: the time to find a
// deployment, the hit rates of caches of one size, bytes on disk, the speed of the backfill, what a whole migration takes, and what
// shadow reads cost the requests that are served meanwhile. Both sides of a comparison run in one invocation, by turns, over the same seeded corpus.
package migration

import (
	"cmp"
	"slices"
)

// stratified returns n numbers of [0, size), of which also the first few are spread evenly: successive multiples of the golden section.
func stratified(n, size int) []int {
	const section = 0.6180339887498949
	out := make([]int, n)
	at := 0.5
	for i := range out {
		out[i] = min(int(at*float64(size)), size-1)
		if at += section; at >= 1 {
			at--
		}
	}
	return out
}

func sortedCopy[T cmp.Ordered](v []T) []T { return slices.Sorted(slices.Values(v)) }
