//go:build !cgo || !linux

package bench

func trim() {}
