package migration

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"berth/migrate"
	"berth/migrate/report"
	"berth/router/rollout"
	"berth/store"
)

const (
	historyDocument = "history"
	historyEvery    = 2 * time.Second
	// historyKept is how often the history is stored: what came since is lost if the server is killed, and only drawn.
	historyKept = time.Minute
)

// history is what the report draws over time. Each series is bounded.
type history struct {
	Version   int                       `json:"v"`
	Epoch     store.Epoch               `json:"epoch"` // of Done, Rate and Diffs
	Done      report.Series             `json:"done"`
	Rate      report.Series             `json:"rate"`
	Median    map[string]*report.Series `json:"median"` // by side, seconds
	P99       map[string]*report.Series `json:"p99"`
	HitRate   map[string]*report.Series `json:"hit_rate"`
	Diffs     map[string]*report.Series `json:"diffs"`      // by class, since the beginning of the epoch
	DiffsBase map[string]float64        `json:"diffs_base"` // what the counts since the server's start lack, or have too much
}

// FormVersion is the version of its form.
func (h history) FormVersion() int { return h.Version }

// historian takes samples while a migration is on.
type historian struct {
	s      *Service
	loaded sync.Once
	mu     sync.Mutex // guards all below
	h      history
	// what the counts were at the last sample
	sides  map[string]rollout.Latencies
	caches map[string]Cache
	stored time.Time
}

func newHistorian(s *Service) *historian {
	return &historian{s: s, sides: map[string]rollout.Latencies{}, caches: map[string]Cache{}}
}

// run samples until ctx is done, and keeps what it has then.
func (h *historian) run(ctx context.Context, e *engine) {
	tick := time.NewTicker(historyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			h.keep(context.WithoutCancel(ctx))
			return
		case <-tick.C:
		}
		if h.s.machine.State().Phase == migrate.Retired {
			continue
		}
		h.sample(e)
		if now := h.s.deps.Now(); now.Sub(h.stored) >= historyKept {
			h.keep(ctx)
			h.stored = now
		}
	}
}

// load reads what earlier starts of the server left.
func (h *historian) load() {
	h.mu.Lock()
	defer h.mu.Unlock()
	got, _, err := migrate.Get[history](&h.s.deps.Store.Reader, historyDocument)
	if err != nil {
		h.s.deps.Log.Warn("what the report draws begins anew", slog.Any("error", err))
	}
	h.h = got
	h.h.Version = 1
	for _, m := range []*map[string]*report.Series{&h.h.Median, &h.h.P99, &h.h.HitRate, &h.h.Diffs} {
		if *m == nil {
			*m = map[string]*report.Series{}
		}
	}
	h.h.DiffsBase = map[string]float64{}
	for class, s := range h.h.Diffs { // counts begin at nothing with each start of the server
		if n := len(s.Points); n > 0 {
			h.h.DiffsBase[class] = s.Points[n-1].Value
		}
	}
}

func (h *historian) sample(e *engine) {
	h.loaded.Do(h.load)
	b, err := h.s.backfill.Status()
	if err != nil {
		return
	}
	now := h.s.deps.Now()
	sides, diffs := e.rollout.Stats(), e.shadow.Stats()
	h.mu.Lock()
	defer h.mu.Unlock()
	found := map[string]uint64{"missing": diffs.Missing, "extra": diffs.Extra, "different": diffs.Different, "error": diffs.Errors}
	if h.h.Epoch != b.Epoch { // everything is copied, and compared, anew
		h.h.Epoch, h.h.Done, h.h.Rate, h.h.Diffs = b.Epoch, report.Series{}, report.Series{}, map[string]*report.Series{}
		for class, n := range found {
			h.h.DiffsBase[class] = -float64(n)
		}
	}
	if b.Epoch != 0 {
		h.h.Done.Add(now, float64(b.Done))
		h.h.Rate.Add(now, b.Rate)
	}
	h.side(now, "hashed", sides.Hashed.Latency, cacheOf(e.hashed.Stats()))
	h.side(now, "legacy", sides.Legacy.Latency, cacheOf(e.legacy.Stats().Tables))
	for class, n := range found {
		add(h.h.Diffs, class, now, h.h.DiffsBase[class]+float64(n))
	}
}

// side draws what came since the last sample; nothing, if nothing was asked.
func (h *historian) side(now time.Time, name string, l rollout.Latencies, c Cache) {
	if since := l.Since(h.sides[name]); since.Count > 0 {
		add(h.h.Median, name, now, since.Quantile(0.5).Seconds())
		add(h.h.P99, name, now, since.Quantile(0.99).Seconds())
	}
	was := h.caches[name]
	if since := (Cache{Hits: c.Hits - was.Hits, Misses: c.Misses - was.Misses}); since.Hits+since.Misses > 0 {
		add(h.h.HitRate, name, now, since.HitRate())
	}
	h.sides[name], h.caches[name] = l, c
}

func add(m map[string]*report.Series, name string, at time.Time, v float64) {
	if m[name] == nil {
		m[name] = new(report.Series)
	}
	m[name].Add(at, v)
}

func (h *historian) keep(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.h.Done.Points)+len(h.h.Median) == 0 {
		return
	}
	_, err := h.s.deps.Store.Update(ctx, func(tx *store.Tx) error { return migrate.Put(tx, historyDocument, h.h) })
	if err != nil {
		h.s.deps.Log.Warn("what the report draws is not stored", slog.Any("error", err))
	}
}

// drawn is a copy for a report.
func (h *historian) drawn() history {
	h.loaded.Do(h.load)
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.h
	c.Done, c.Rate = copyOf(&c.Done), copyOf(&c.Rate)
	for _, m := range []*map[string]*report.Series{&c.Median, &c.P99, &c.HitRate, &c.Diffs} {
		from := *m
		*m = map[string]*report.Series{}
		for name, s := range from {
			s := copyOf(s)
			(*m)[name] = &s
		}
	}
	return c
}

func copyOf(s *report.Series) report.Series {
	if s == nil {
		return report.Series{}
	}
	return report.Series{Points: append([]report.Point{}, s.Points...), Every: s.Every}
}
