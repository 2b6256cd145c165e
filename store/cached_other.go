//go:build !linux || race

package store

func readCached(uintptr, []byte, int64) int { return -1 }
