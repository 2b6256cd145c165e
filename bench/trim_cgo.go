//go:build cgo && linux

package bench

// #include <malloc.h>
//
// static void trim(void) {
// #ifdef __GLIBC__
// 	malloc_trim(0);
// #endif
// }
import "C"

// trim gives back to the system what C's allocator keeps of what was freed: the caches of databases that were closed.
func trim() { C.trim() }
