package hashed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

var (
	modelHosts     = []hostkey.Host{"a.b.example", "c.b.example", "b.example", "other"}
	modelWildcards = []hostkey.Host{"b.example", "example"}
)

// world runs resolves and commits in any interleaving: a read waits before and after it looks, a commit between the moment it
// can be read and the moment its hook runs.
type world struct {
	t *rapid.T
	s *fakeStore
	r *Resolver

	mu    sync.Mutex
	gates []chan struct{}

	hooks    []func() // of commits that can be read, in order
	returned int      // index in the history that the last writer knows is in force
	next     store.DeploymentNo
	asks     []*modelAsk
}

type modelAsk struct {
	host   hostkey.Host
	from   int // returned, when it began
	cancel context.CancelFunc
	done   bool
	to     int // length of the history when it ended
	got    store.DeploymentNo
	err    error
}

func (w *world) pause() {
	gate := make(chan struct{})
	w.mu.Lock()
	w.gates = append(w.gates, gate)
	w.mu.Unlock()
	<-gate
}

func (w *world) ask() {
	ctx, cancel := context.WithCancel(context.Background())
	a := &modelAsk{host: rapid.SampledFrom(modelHosts).Draw(w.t, "host"), from: w.returned, cancel: cancel}
	w.asks = append(w.asks, a)
	go func() {
		d, err := w.r.Resolve(ctx, &router.Query{Host: a.host})
		w.mu.Lock()
		defer w.mu.Unlock()
		a.got, a.err, a.done, a.to = d.Deployment, err, true, len(w.s.history)
	}()
}

func (w *world) commit() {
	wildcard := rapid.Bool().Draw(w.t, "wildcard")
	hosts := modelHosts
	if wildcard {
		hosts = modelWildcards
	}
	var r store.Route
	if rapid.IntRange(0, 3).Draw(w.t, "set") > 0 {
		w.next++
		r = site(w.next)
	}
	w.hooks = append(w.hooks, w.s.apply(rapid.SampledFrom(hosts).Draw(w.t, "host"), wildcard, r))
}

func (w *world) hook() {
	if len(w.hooks) > 0 {
		w.hooks[0]()
		w.hooks = w.hooks[1:]
		w.returned = len(w.s.history) - 1 - len(w.hooks)
	}
}

func (w *world) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.gates) > 0 {
		i := rapid.IntRange(0, len(w.gates)-1).Draw(w.t, "gate")
		close(w.gates[i])
		w.gates = append(w.gates[:i], w.gates[i+1:]...)
	}
}

func (w *world) cancel() {
	if len(w.asks) > 0 {
		w.asks[rapid.IntRange(0, len(w.asks)-1).Draw(w.t, "ask")].cancel()
	}
}

// fail makes reads fail, or succeed again.
func (w *world) fail() {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.fail = nil; rapid.Bool().Draw(w.t, "fails") {
		w.s.fail = store.ErrCorrupt
	}
}

func (w *world) check() {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	open := w.asks[:0]
	for _, a := range w.asks {
		if !a.done {
			open = append(open, a)
			continue
		}
		a.cancel()
		if a.err != nil && !errors.Is(a.err, router.ErrNoRoute) {
			if !errors.Is(a.err, store.ErrCorrupt) && !errors.Is(a.err, context.Canceled) {
				w.t.Fatalf("Resolve(%s): %v", a.host, a.err)
			}
			continue
		}
		if allowed := answers(w.s.history[a.from:a.to], a.host); !allowed[a.got] {
			w.t.Fatalf("Resolve(%s) = %d; allowed by the states %d to %d: %v", a.host, a.got, a.from, a.to-1, allowed)
		}
	}
	w.asks = open
}

// answers are those that a resolve may give that ran while the store went through these states: its reads come one after another, each
// may see a later state than the one before, none an earlier.
func answers(states []state, host hostkey.Host) map[store.DeploymentNo]bool {
	got := map[store.DeploymentNo]bool{}
	for i, st := range states {
		if r, ok := st.routes[host]; ok {
			got[r.Deployment] = true
			continue
		}
		wildcardAnswers(states[i:], host, got)
	}
	return got
}

func wildcardAnswers(states []state, host hostkey.Host, got map[store.DeploymentNo]bool) {
	parent, ok := host.Parent()
	if !ok {
		got[0] = true
		return
	}
	for i, st := range states {
		if len(st.wildcards) == 0 {
			got[0] = true
		}
		if r, ok := st.wildcards[parent]; ok {
			got[r.Deployment] = true
			continue
		}
		wildcardAnswers(states[i:], parent, got)
	}
}

func (w *world) finish() {
	for {
		synctest.Wait()
		w.mu.Lock()
		gates := w.gates
		w.gates = nil
		w.mu.Unlock()
		if len(gates) == 0 {
			return
		}
		for _, g := range gates {
			close(g)
		}
	}
}

// settle ends everything under way; then every host must have exactly the answer of the last state.
func (w *world) settle() {
	for len(w.hooks) > 0 {
		w.hook()
	}
	w.finish()
	w.check()
	w.s.fail, w.s.pause = nil, func() {}
	for _, host := range modelHosts {
		d, err := w.r.Resolve(context.Background(), &router.Query{Host: host})
		if err != nil && err != router.ErrNoRoute {
			w.t.Fatalf("Resolve(%s): %v", host, err)
		}
		if want := answers(w.s.history[len(w.s.history)-1:], host); !want[d.Deployment] {
			w.t.Fatalf("at rest, Resolve(%s) = %d, want %v", host, d.Deployment, want)
		}
	}
}

// bubbled hides Deadline from rapid: a test in a synctest bubble has none, and panics when asked.
type bubbled struct{ *testing.T }

func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(bubbled{t}, func(t *rapid.T) {
			w := &world{t: t, s: newFakeStore(append(modelHosts, modelWildcards...)...)}
			w.s.pause = w.pause
			r, err := New(w.s, testHasher, Options{
				RouteCache:   rapid.IntRange(1, 4).Draw(t, "routes"),
				UnknownCache: rapid.IntRange(1, 4).Draw(t, "unknown"),
			})
			if err != nil {
				t.Fatal(err)
			}
			w.r = r
			defer w.finish()
			t.Repeat(map[string]func(*rapid.T){
				"ask":    func(*rapid.T) { w.ask() },
				"ask2":   func(*rapid.T) { w.ask() },
				"commit": func(*rapid.T) { w.commit() },
				"hook":   func(*rapid.T) { w.hook() },
				"open":   func(*rapid.T) { w.open() },
				"open2":  func(*rapid.T) { w.open() },
				"open3":  func(*rapid.T) { w.open() },
				"cancel": func(*rapid.T) { w.cancel() },
				"fail":   func(*rapid.T) { w.fail() },
				"fill":   func(*rapid.T) { w.s.fill() },
				"":       func(*rapid.T) { w.check() },
			})
			w.settle()
		})
	})
}

// Many writers' commits against many readers, in real time.
func TestNoStaleAnswerUnderLoad(t *testing.T) {
	s := newFakeStore()
	r := newResolver(t, s, Options{RouteCache: 3, UnknownCache: 3})
	hosts := make([]hostkey.Host, 8)
	var mu sync.Mutex
	floor := map[hostkey.Host]store.DeploymentNo{}
	for i := range hosts {
		hosts[i] = hostkey.Host(fmt.Sprintf("h%d.w%d.example", i, i%2))
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for g := range 4 {
		readers.Go(func() {
			for i := g; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				host := hosts[i%len(hosts)]
				mu.Lock()
				least := floor[host]
				mu.Unlock()
				d, err := r.Resolve(context.Background(), &router.Query{Host: host})
				if err != nil && err != router.ErrNoRoute || d.Deployment < least {
					t.Errorf("Resolve(%s) = %d, %v; had been %d", host, d.Deployment, err, least)
					return
				}
			}
		})
	}
	// Deployments only grow, and a host has an answer for good once it has one.
	for n := range store.DeploymentNo(2000) {
		host := hosts[n%8]
		if parent, _ := host.Parent(); n%16 < 4 {
			s.setWildcard(parent, site(n+1)) // before the host has a record of its own, or without effect on it
			host = "none"
		} else {
			s.set(host, site(n+1))
		}
		mu.Lock()
		floor[host] = n + 1
		mu.Unlock()
	}
	close(stop)
	readers.Wait()
}
