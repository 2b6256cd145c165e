package main

import "testing"

// An allocator that refuses these settings says so, and would otherwise go on as before without a word.
func TestBoundMalloc(t *testing.T) {
	for _, name := range []string{"MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"} {
		t.Setenv(name, "")
	}
	if !boundMalloc() {
		t.Error("the allocator did not take the bounds")
	}
}
