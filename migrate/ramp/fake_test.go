package ramp

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"berth/migrate"
	"berth/router/rollout"
)

// memory is a Keeper without a store.
type memory struct {
	mu      sync.Mutex
	at      Standing
	lines   []string
	fails   int // Saves to come that fail
	percent func(float64)
}

func newMemory() *memory { return &memory{at: Standing{Phase: migrate.Ramp, Default: rollout.Legacy}} }

func (m *memory) Load() (Standing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at, nil
}

func (m *memory) Save(_ context.Context, mv Move) (Standing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails > 0 {
		m.fails--
		return Standing{}, errors.New("disk full")
	}
	if m.at.State.Revision != mv.From.State.Revision || mv.SetPercent && (m.at.Percent != mv.From.Percent || m.at.Phase != mv.From.Phase) {
		return Standing{}, ErrChanged
	}
	mv.To.Revision = m.at.State.Revision + 1
	m.at.State = mv.To
	if mv.SetPercent {
		m.set(mv.To.Percent)
	}
	m.lines = append(m.lines, mv.What)
	return m.at, nil
}

func (m *memory) set(percent float64) {
	m.at.Percent = percent
	if m.percent != nil {
		m.percent(percent)
	}
}

// operate is somebody else's change.
func (m *memory) operate(f func(*Standing)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.at)
	if m.percent != nil {
		m.percent(m.at.Percent)
	}
}

// traffic is health as the test makes it.
type traffic struct {
	mu                     sync.Mutex
	h                      Health
	hashed, legacy, served rollout.SideCounter
}

func (tr *traffic) health() Health {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	h := tr.h
	h.Hashed, h.Legacy, h.Served = tr.hashed.Stats(), tr.legacy.Stats(), tr.served.Stats()
	return h
}

func (tr *traffic) change(f func(*Health)) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	f(&tr.h)
}

// good is n questions to both sides, and n requests to hashed, of which nothing bad is to be said.
func (tr *traffic) good(n int) {
	tr.compared(n, time.Millisecond, time.Millisecond)
	for range n {
		tr.served.Count(time.Millisecond, false, false)
	}
}

func (tr *traffic) compared(n int, hashed, legacy time.Duration) {
	for range n {
		tr.hashed.Count(hashed, false, false)
		tr.legacy.Count(legacy, false, false)
	}
	tr.change(func(h *Health) { h.Compared += uint64(n) })
}

type rig struct {
	t     *testing.T
	keep  *memory
	tr    *traffic
	guard *Guard
	stop  func()
}

func newRig(t *testing.T, change ...func(*Deps)) *rig {
	r := &rig{t: t, keep: newMemory(), tr: &traffic{}}
	deps := Deps{Keep: r.keep, Health: r.tr.health, Every: 5 * time.Second}
	for _, f := range change {
		f(&deps)
	}
	var err error
	if r.guard, err = NewGuard(deps); err != nil {
		t.Fatal(err)
	}
	r.run()
	return r
}

// run starts the guard's loop, as a server does.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.guard.Run(ctx); close(done) }()
	r.stop = func() { cancel(); <-done }
}

func testPlan() Plan {
	return Plan{
		Steps: []float64{1, 5, 25}, Soak: 10 * time.Minute, MaxDiff: 0, MaxErrorIncrease: 0.001, MaxP99Increase: 0.1, MinSamples: 100,
		P99Floor: time.Microsecond,
	}
}

func (r *rig) start(p Plan) {
	r.t.Helper()
	if _, err := r.guard.Start(context.Background(), p, "ann", "test"); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

// pass lets time go by with good traffic in every minute.
func (r *rig) pass(d time.Duration) {
	for range d / time.Minute {
		r.tr.good(50)
		time.Sleep(time.Minute)
	}
	synctest.Wait()
}

// quiet lets time go by without traffic.
func (r *rig) quiet(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) want(status Status, percent float64) {
	r.t.Helper()
	at, _ := r.keep.Load()
	if at.State.Status != status || at.Percent != percent {
		r.t.Errorf("%s at %v%%, want %s at %v%%; waiting for %q; reason %q; log %q",
			at.State.Status, at.Percent, status, percent, r.guard.Progress().Waiting, at.State.Reason, r.keep.lines)
	}
}
