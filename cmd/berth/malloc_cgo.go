//go:build cgo && linux

package main

// #include <malloc.h>
// #include <string.h>
// #include <unistd.h>
//
// static int bounded = 1;
//
// #ifdef __GLIBC__
// // What is set here counts for arenas that are still to be made, and each of Go's first threads makes one: so this runs before there are any.
// __attribute__((constructor)) static void bound(void) {
// 	extern char **environ;
// 	char **e;
// 	long cpus;
// 	for (e = environ; e != NULL && *e != NULL; e++) {
// 		if (strncmp(*e, "MALLOC_", 7) == 0 || (strncmp(*e, "GLIBC_TUNABLES=", 15) == 0 && strstr(*e, "malloc") != NULL)) {
// 			return;
// 		}
// 	}
// 	cpus = sysconf(_SC_NPROCESSORS_ONLN);
// 	bounded = mallopt(M_ARENA_MAX, cpus > 2 ? cpus / 2 : 1) && mallopt(M_MMAP_THRESHOLD, 128 << 10);
// }
// #endif
//
// static int is_bounded(void) { return bounded; }
import "C"

// Memory of the database's cache and of its memtables is C's. glibc would have eight arenas for each processor, and keep in each what was freed there; and once
// a large piece was freed, it would cut the next ones out of the arenas too, among small ones that stay. In a backfill a fifth of what was resident was
// such leftovers, and they grew with its length. So there is an arena for two processors, whose lock is taken for a block that comes into the cache or leaves
// it; and pieces of 128 KiB and more are given back when they are freed: memtables, and blocks of indexes and filters, which the gaps that blocks of data leave
// have no room for. With 1 MiB there the arenas took 230 MiB in a backfill of 14 million, for a cache of 64. With 32 KiB they would take least, but blocks with
// pieces of tables come and go by the thousand, and a backfill took a quarter more processor time.
//
// Whoever has set one of the allocator's variables knows better.

// mallocIsBounded says whether C's allocator understood that.
func mallocIsBounded() bool { return C.is_bounded() == 1 }
