//go:build !cgo || !linux

package main

// mallocIsBounded is true where there is nothing to bound: without cgo the database's memory is Go's.
func mallocIsBounded() bool { return true }
