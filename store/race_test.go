//go:build race

package store

// The race detector slows Pebble about tenfold; the sweeps thin out for it.
const sweepStride = 4
