package edge

import (
	"sync/atomic"

	"berth/store/cache"
)

// Stats are counts since the start, except for the two that say "now".
type Stats struct {
	Requests     [6]uint64 // by hundreds of the status; [0] is for those that got none
	BodyBytes    uint64    // of answers, without heads
	Pinned       uint64    // answers of a deployment that skew protection chose instead of the host's
	Prepared     uint64    // answers that had been prepared
	Kept         uint64    // answers with files that the host's deployment lacks and an earlier one had
	UnknownHosts uint64    // 404s for want of a route
	BadRequests  uint64    // 400s of the edge itself
	Faults       uint64    // router, site or blob failed: 5xx, or a body cut short
	BadBlobs     uint64    // of those, blobs that are missing or damaged
	Panics       uint64

	Conns        uint64 // accepted and served
	ConnsRefused uint64 // over MaxConns or MaxConnsPerIP
	OpenConns    int64  // now
	Draining     bool   // now

	LogLines   uint64
	LogDropped uint64 // requests that found the ring full
	LogErrors  uint64 // failed writes of the access log

	Bodies  cache.Stats
	Answers cache.Stats // those that are prepared
	Files   cache.Stats // those that are open
}

const counterShards = 16

// counterShard has a cache line to itself: each request adds to one, from whatever core it runs on.
type counterShard struct {
	requests [6]atomic.Uint64
	bytes    atomic.Uint64
	pinned   atomic.Uint64
	kept     atomic.Uint64
	prepared atomic.Uint64
	_        [128 - 10*8]byte
}

func (c *counterShard) answered(status int, bytes int64) {
	class := status / 100
	if class < 0 || class >= len(c.requests) {
		class = 0
	}
	c.requests[class].Add(1)
	c.bytes.Add(uint64(bytes))
}

type counters struct {
	shards [counterShards]counterShard
	turn   atomic.Uint32

	unknownHosts, badRequests, faults, badBlobs, panics atomic.Uint64
	conns, refusedConns                                 atomic.Uint64
}

// next gives each connection a shard, in turn.
func (c *counters) next() *counterShard { return &c.shards[c.turn.Add(1)%counterShards] }

// Stats returns the counts so far. They are read one by one, so that sums may be off by requests under way.
func (s *Server) Stats() Stats {
	c := &s.stats
	out := Stats{
		UnknownHosts: c.unknownHosts.Load(), BadRequests: c.badRequests.Load(), Faults: c.faults.Load(),
		BadBlobs: c.badBlobs.Load(), Panics: c.panics.Load(),
		Conns: c.conns.Load(), ConnsRefused: c.refusedConns.Load(),
		OpenConns: s.open.Load(), Draining: s.draining.Load(),
		Bodies: s.bodies.cache.Stats(), Answers: s.answers.cache.Stats(), Files: s.files.cache.Stats(),
	}
	for i := range c.shards {
		for class := range out.Requests {
			out.Requests[class] += c.shards[i].requests[class].Load()
		}
		out.BodyBytes += c.shards[i].bytes.Load()
		out.Pinned += c.shards[i].pinned.Load()
		out.Kept += c.shards[i].kept.Load()
		out.Prepared += c.shards[i].prepared.Load()
	}
	if s.access != nil {
		out.LogLines, out.LogDropped, out.LogErrors = s.access.lines.Load(), s.access.dropped.Load(), s.access.errors.Load()
	}
	return out
}
