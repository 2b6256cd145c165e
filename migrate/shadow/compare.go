package shadow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"berth/router"
	"berth/router/hostkey"
	"berth/router/rollout"
)

// Run compares what is sampled, and keeps what differs, until ctx is done and everything that it started has ended. What
// is still queued then is dropped; diffs that were found are kept.
func (s *Shadow) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range s.opts.Workers {
		workers.Go(func() { s.work(ctx) })
	}
	t := time.NewTicker(s.opts.FlushEvery)
	defer t.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.C:
			s.flush(ctx)
		}
	}
	workers.Wait()
	s.flush(context.WithoutCancel(ctx)) // the store is closed only after Run has returned
}

func (s *Shadow) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-s.queue:
			s.compare(ctx, c)
		}
	}
}

// rechecks is how often a difference is looked at again. Each look is two questions right after one another, and a host that moves
// in between every time would have to move thousands of times a second.
const rechecks = 2

func (s *Shadow) compare(ctx context.Context, c *sample) {
	var pair [2]Outcome // by side, Hashed first
	pair[at(c.answer.Side)] = served(c.answer)
	other := c.answer.Side.Other()
	pair[at(other)] = s.ask(ctx, other, &c.query)
	if ctx.Err() != nil {
		return // an outcome may be that of the shutdown
	}
	kept := c.answer.Kept()
	if !kept {
		s.counts.pair(pair)
	}
	class := classify(pair[0], pair[1])
	for i := 0; i < rechecks && class != Agree && class != Error; i++ {
		pair = [2]Outcome{s.ask(ctx, rollout.Hashed, &c.query), s.ask(ctx, rollout.Legacy, &c.query)}
		if class = classify(pair[0], pair[1]); class == Agree && !kept {
			s.counts.raced.Add(1)
		}
	}
	if ctx.Err() != nil {
		return
	}
	if kept {
		s.counts.keptOnTables(class)
	} else {
		s.counts.class(class)
	}
	if class != Agree {
		s.note(class, &c.query, pair)
	}
}

func at(side rollout.Side) int {
	if side == rollout.Hashed {
		return 0
	}
	return 1
}

// served is what the side itself said that was asked first, whatever the tables answered in its stead.
func served(a rollout.Answer) Outcome {
	if a.Fallback != rollout.NotAsked {
		return outcomeOf(router.Decision{}, router.ErrNoRoute, a.Took)
	}
	return outcomeOf(a.Decision, a.Err, a.Took)
}

// errPanic is what a side that panics is taken to have answered: a comparison must not end the process that serves.
var errPanic = errors.New("panic")

func (s *Shadow) ask(ctx context.Context, side rollout.Side, q *router.Query) (o Outcome) {
	r := s.deps.Legacy
	if side == rollout.Hashed {
		r = s.deps.Hashed
	}
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			s.deps.Log.Error("a side panicked while it was compared", slog.String("side", side.String()), slog.Any("panic", p))
			o = outcomeOf(router.Decision{}, fmt.Errorf("%w: %v", errPanic, p), time.Since(began))
		}
	}()
	d, err := r.Resolve(ctx, q)
	return outcomeOf(d, err, time.Since(began))
}

func (s *Shadow) note(class Class, q *router.Query, pair [2]Outcome) {
	now := s.deps.Now().UTC()
	s.pending.add(Diff{
		Version: diffVersion, Class: class, Host: string(q.Host), Port: q.Port, Path: q.Path[:min(len(q.Path), maxPathBytes)],
		Hashed: pair[0], Legacy: pair[1], First: now, Last: now, Count: 1,
	})
}

// Found reports a host that the tables answered for because hashed did not: it is kept as the sampled ones are.
func (s *Shadow) Found(_ context.Context, m rollout.Missing) {
	q := router.Query{Host: m.Host, Port: m.Port}
	q.Path, _, _ = strings.Cut(m.Path, "?")
	s.note(Missing, &q, [2]Outcome{{}, outcomeOf(m.Legacy, nil, m.Took)})
}

// flush keeps what waits. What cannot be kept waits on, as far as there is room.
func (s *Shadow) flush(ctx context.Context) {
	diffs := s.pending.take()
	if len(diffs) == 0 {
		return
	}
	for i := range diffs {
		s.describe(ctx, &diffs[i])
	}
	if err := s.deps.Diffs.Put(ctx, diffs); err != nil {
		s.deps.Log.Error("diffs between the two sides not stored", slog.Int("hosts", len(diffs)), slog.Any("error", err))
		for _, d := range diffs {
			s.pending.back(d)
		}
	}
}

func (s *Shadow) describe(ctx context.Context, d *Diff) {
	if s.deps.Line == nil || d.Line != "" || !d.Legacy.Found {
		return
	}
	q := router.Query{Host: hostkey.Host(d.Host), Port: d.Port, Path: d.Path}
	line, err := s.deps.Line(ctx, &q)
	if err != nil {
		line = "unknown: " + err.Error()
	}
	d.Line = line[:min(len(line), maxLineBytes)]
}
