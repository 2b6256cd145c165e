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

import (
	"os"
	"runtime"
	"strings"
)

// Memory of the database's cache and of its memtables is C's. glibc would have eight arenas for each processor, and keep in each what was freed there; and once
// a large piece was freed, it would cut the next ones out of the arenas too, among small ones that stay. In a backfill a fifth of what was resident was
// such leftovers, and they grew with its length.
//
// mapped is from how many bytes on a piece is given back when it is freed: memtables, and blocks of indexes and filters, which the gaps that blocks of data
// leave have no room for. With 1 MiB here the arenas took 230 MiB in a backfill of 14 million, for a cache of 64. With 32 KiB they would take least, but
// blocks with pieces of tables come and go by the thousand, and a backfill took a quarter more processor time.
const mapped = 128 << 10

// boundMalloc has C's allocator keep less of what is freed: with an arena for two processors, whose lock is taken for a block that comes into the cache or
// leaves it. It reports whether that was understood. Whoever has set
// one of the allocator's variables knows better.
func boundMalloc() bool {
	for _, set := range os.Environ() {
		if strings.HasPrefix(set, "MALLOC_") || strings.HasPrefix(set, "GLIBC_TUNABLES=") && strings.Contains(set, "malloc") {
			return true
		}
	}
	return C.bound(C.int(max(1, runtime.NumCPU()/2)), mapped) == 1
}
