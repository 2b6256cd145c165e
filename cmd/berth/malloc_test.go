package main

import "testing"

// An allocator that refuses its bounds says so, and would otherwise go on as before without a word.
func TestMallocIsBounded(t *testing.T) {
	if !mallocIsBounded() {
		t.Error("the allocator did not take the bounds")
	}
}
