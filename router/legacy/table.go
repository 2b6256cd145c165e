package legacy

import (
	"context"
	"fmt"
	"regexp"

	"berth/router/hostkey"
	"berth/store"
)

// table is a project's table as the cache keeps it: its text, or compiled. It is immutable.
type table struct {
	gen    uint64 // no two loads have the same
	chunks []chunk
	weight int64
	fault  error // why it cannot be used, and then it is empty
}

// chunk is a piece of the table.
type chunk struct {
	no      uint32
	raw     []byte  // Each
	entries []entry // Once
}

// entry is a filter and its program; nil never matches.
type entry struct {
	Filter
	re *regexp.Regexp
}

// What the cache is charged for a table, beside its text.
const (
	tableOverhead = 512
	entryOverhead = 640 // an entry and a Regexp without its program
	// instructionBytes is for a Regexp's program in both forms that it keeps, measured: 7,136 bytes for 60 characters.
	instructionBytes = 112
)

// load reads a project's table. A table that cannot be used is remembered as one that has a fault, until a commit changes
// it: otherwise each request would read it again to find that out.
func (r *Resolver) load(ctx context.Context, p owner) (*table, error) {
	t := &table{gen: r.loads.Add(1), weight: tableOverhead}
	size := int64(0)
	for c, err := range r.store.TableChunks(p.no) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("legacy: read the table of project %s: %w", p.name, err)
		}
		if size += int64(len(c.JSON)); size > r.opts.MaxTableBytes {
			return r.unusable(t, fmt.Errorf("legacy: the table of project %s has more than %d bytes (Options.MaxTableBytes)", p.name, r.opts.MaxTableBytes)), nil
		}
		piece, weight, err := r.piece(p, c)
		if err != nil {
			return r.unusable(t, err), nil
		}
		t.chunks = append(t.chunks, piece)
		t.weight += weight
	}
	r.counts.loads.Add(1)
	return t, nil
}

func (r *Resolver) unusable(t *table, err error) *table {
	r.counts.faults.Add(1)
	r.log.Error("a table of the old design cannot be used; its hosts are answered 503", "err", err)
	return &table{gen: t.gen, weight: tableOverhead, fault: err}
}

func (r *Resolver) piece(p owner, c store.TableChunk) (chunk, int64, error) {
	if r.opts.Parse == Each {
		return chunk{no: c.No, raw: c.JSON}, int64(len(c.JSON)), nil
	}
	filters, err := ParseChunk(c.JSON)
	if err != nil {
		return chunk{}, 0, fmt.Errorf("legacy: piece %d of the table of project %s: %w", c.No, p.name, err)
	}
	out, weight := chunk{no: c.No, entries: make([]entry, len(filters))}, int64(0)
	for i, f := range filters {
		re, size := r.compile(p, c.No, i, f)
		out.entries[i] = entry{f, re}
		weight += int64(entryOverhead + len(f.Pattern) + len(f.ScriptHash) + size*instructionBytes)
	}
	return out, weight, nil
}

// compile returns nil for a pattern that is no regular expression, or too large a one: that entry answers nobody, the rest of the table
// goes on.
func (r *Resolver) compile(p owner, no uint32, i int, f Filter) (*regexp.Regexp, int) {
	re, size, err := r.opts.compile(f.Pattern)
	if err != nil {
		r.counts.invalid.Add(1)
		if r.opts.Parse == Once { // not for each request
			r.log.Warn("an entry of a table never matches: its pattern cannot be compiled",
				"project", p.name, "piece", no, "entry", i, "pattern", clip(f.Pattern), "err", err)
		}
	}
	return re, size
}

func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// match is the first entry that answers.
type match struct {
	Filter
	re    *regexp.Regexp
	piece uint32
	index int // in the piece
}

// asked is how many patterns are tested between two looks at whether anybody still waits.
const asked = 256

// first tests the patterns in their order. In a table that is kept as text it parses and compiles as it goes, no further than to the
// entry that matches.
func (r *Resolver) first(ctx context.Context, p owner, t *table, subject string) (match, bool, error) {
	tested := 0
	for _, c := range t.chunks {
		entries := c.entries
		if c.raw != nil {
			filters, err := ParseChunk(c.raw)
			if err != nil {
				return match{}, false, fmt.Errorf("legacy: piece %d of the table of project %s: %w", c.no, p.name, err)
			}
			entries = make([]entry, len(filters))
			for i := range filters {
				entries[i].Filter = filters[i]
			}
		}
		for i := range entries {
			if tested++; tested%asked == 0 && ctx.Err() != nil {
				return match{}, false, fmt.Errorf("legacy: search the table of project %s: %w", p.name, ctx.Err())
			}
			e := &entries[i]
			re := e.re
			if c.raw != nil {
				re, _ = r.compile(p, c.no, i, e.Filter)
			}
			if re != nil && re.MatchString(subject) {
				return match{e.Filter, re, c.no, i}, true, nil
			}
		}
	}
	return match{}, false, nil
}

// probe stands for a label that no table lists.
const probe = "zq0."

// wildcard returns the parent of which the entry answers every host, if it does: the farthest one for which it answers a host that
// nobody named. An entry that Berth wrote for the host itself needs no probe.
func (m *match) wildcard(h hostkey.Host, rest string) (hostkey.Host, bool) {
	if isFor(m.Pattern, h) {
		return "", false
	}
	var widest hostkey.Host
	for parent, ok := h.Parent(); ok; parent, ok = parent.Parent() {
		if !m.re.MatchString(probe + string(parent) + rest) {
			break
		}
		widest = parent
	}
	return widest, widest != ""
}
