//go:build cgo && linux

package main

// #include <malloc.h>
//
// static int bound(int arenas, int mapped) {
// #ifdef __GLIBC__
// 	return mallopt(M_ARENA_MAX, arenas) && mallopt(M_MMAP_THRESHOLD, mapped);
// #else
// 	return 1;
// #endif
// }
import "C"

import "os"

// Memory of the database's cache and of its memtables is C's. glibc would have eight arenas for each processor, and keep in each what was freed there; and once
// a large piece was freed, it would cut the next ones out of the arenas too, among small ones that stay. In a backfill a fifth of what was resident was
// such leftovers, and they grew with its length.
const (
	arenas = 2
	mapped = 1 << 20 // bytes; from here on memory is given back when it is freed: memtables, not blocks
)

// boundMalloc has C's allocator keep less of what is freed. It reports whether that was understood. What an operator has set in the environment stays.
func boundMalloc() bool {
	for _, name := range []string{"MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return C.bound(arenas, mapped) == 1
}
