package shadow

import (
	"sync/atomic"

	"berth/router/rollout"
)

// Stats are counts since the start. Hashed and Legacy are over the same questions: those that were compared.
type Stats struct {
	Sampled uint64
	Dropped uint64 // of those, the ones that found the queue full
	Waiting int    // now

	Agree, Missing, Extra, Different, Errors uint64 // of those that were compared
	Raced                                    uint64 // of Agree, the ones that differed at the first look

	// Kept are questions about sites that are kept on the tables by name, and KeptDiffs those of them that the sides differed about. They are in
	// none of the other counts of comparing: such a site is kept because its records do not say all that its table does, and no
	// step of a ramp asks them.
	Kept, KeptDiffs uint64

	Hashed, Legacy rollout.SideStats

	Unkept uint64 // diffs that found no room to wait for being kept
}

// Compared counts questions that both sides were asked.
func (s Stats) Compared() uint64 { return s.Agree + s.Missing + s.Extra + s.Different + s.Errors }

// Diffs counts those that the sides differed about.
func (s Stats) Diffs() uint64 { return s.Missing + s.Extra + s.Different + s.Errors }

type counts struct {
	sampled, dropped, raced                  atomic.Uint64
	agree, missing, extra, different, errors atomic.Uint64
	kept, keptDiffs                          atomic.Uint64
	hashed, legacy                           rollout.SideCounter
}

// pair counts the first look: what came of it for each side is a fact, even if the difference goes away.
func (c *counts) pair(p [2]Outcome) {
	for i, side := range [2]*rollout.SideCounter{&c.hashed, &c.legacy} {
		side.Count(p[i].Took, !p[i].Found && p[i].Error == "", p[i].Error != "")
	}
}

func (c *counts) keptOnTables(class Class) {
	c.kept.Add(1)
	if class != Agree {
		c.keptDiffs.Add(1)
	}
}

func (c *counts) class(class Class) {
	switch class {
	case Agree:
		c.agree.Add(1)
	case Missing:
		c.missing.Add(1)
	case Extra:
		c.extra.Add(1)
	case Different:
		c.different.Add(1)
	case Error:
		c.errors.Add(1)
	}
}

// Stats returns the counts so far, read one by one.
func (s *Shadow) Stats() Stats {
	c := &s.counts
	return Stats{
		Sampled: c.sampled.Load(), Dropped: c.dropped.Load(), Waiting: len(s.queue),
		Agree: c.agree.Load(), Missing: c.missing.Load(), Extra: c.extra.Load(), Different: c.different.Load(), Errors: c.errors.Load(),
		Raced: c.raced.Load(), Kept: c.kept.Load(), KeptDiffs: c.keptDiffs.Load(), Hashed: c.hashed.Stats(), Legacy: c.legacy.Stats(), Unkept: s.pending.lost(),
	}
}
