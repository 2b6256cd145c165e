//go:build !cgo || !linux

package main

// boundMalloc does nothing: without cgo the database's memory is Go's.
func boundMalloc() bool { return true }
