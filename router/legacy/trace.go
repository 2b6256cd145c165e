package legacy

import (
	"context"

	"berth/router"
	"berth/store"
	"berth/store/cache"
)

// Line is where in a project's table an entry stands.
type Line struct {
	Piece uint32 `json:"piece"`
	Index int    `json:"index"` // in the piece
	Filter
}

// Trace is how a host is answered, for people.
type Trace struct {
	Found    bool
	Decision router.Decision
	Project  store.ProjectNo // whose table has Line
	Line     Line            // the entry that matched, even if it names no deployment; zero if none did
}

// Explain answers as Resolve does, at the same cost, and says by which entry. An unknown host is not an error.
func (r *Resolver) Explain(ctx context.Context, q *router.Query) (Trace, error) {
	return r.trace(ctx, q)
}

// Stats counts since New.
type Stats struct {
	Tables   cache.Stats // of the cache of tables; weights are bytes
	Loads    uint64      // tables read from the store
	Parses   uint64      // tables parsed for one request
	Faults   uint64      // tables that could not be used when they were loaded
	Invalid  uint64      // patterns that could not be compiled, each time that was tried
	Dangling uint64      // answers by an entry that names no deployment of its project
}

// Stats returns the counters.
func (r *Resolver) Stats() Stats {
	return Stats{
		Tables: r.tables.Stats(), Loads: r.counts.loads.Load(), Parses: r.counts.parses.Load(), Faults: r.counts.faults.Load(),
		Invalid: r.counts.invalid.Load(), Dangling: r.counts.dangling.Load(),
	}
}
