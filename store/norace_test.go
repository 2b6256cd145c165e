//go:build !race

package store

const sweepStride = 1
