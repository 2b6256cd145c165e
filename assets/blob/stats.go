package blob

import "sync/atomic"

// Count is a number of blobs and the sum of their sizes.
type Count struct{ Blobs, Bytes uint64 }

// Stats counts what happened since the directory was opened.
type Stats struct {
	Stored       Count // written and committed
	Deduplicated Count // found stored already, so that the bytes were dropped
	Healed       Count // of those stored: took the place of a damaged file
	Removed      Count
	RolledBack   uint64 // blobs of failed commits
	InDoubt      uint64 // now: hidden files that a failed commit could not remove; they show again, whole, at the next open
	Damaged      uint64 // now: blobs that Verify found damaged and nobody has uploaded since
}

type count struct{ blobs, bytes atomic.Uint64 }

func (c *count) add(size int64) {
	c.blobs.Add(1)
	c.bytes.Add(uint64(size))
}

func (c *count) load() Count { return Count{Blobs: c.blobs.Load(), Bytes: c.bytes.Load()} }

type stats struct{ stored, deduplicated, healed, removed count }

// Stats tells what happened so far. Its numbers are read one by one.
func (d *Dir) Stats() Stats {
	return Stats{
		Stored:       d.stats.stored.load(),
		Deduplicated: d.stats.deduplicated.load(),
		Healed:       d.stats.healed.load(),
		Removed:      d.stats.removed.load(),
		RolledBack:   d.rollbacks.Load(),
		InDoubt:      uint64(d.veiled.n.Load()),
		Damaged:      uint64(d.damaged.n.Load()),
	}
}
