package shadow

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"berth/router"
	"berth/router/hostkey"
	"berth/router/rollout"
	"berth/store"
)

var testHasher = hostkey.NewHasher(hostkey.Secret{9})

// fake is a router whose answers the test sets.
type fake struct {
	mu    sync.Mutex
	hosts map[hostkey.Host]store.DeploymentNo
	fail  error
	panic any
	hold  chan struct{} // if set, each answer waits for it
	asked int
	paths []string
	// after is called after each answer has been chosen, before it is given.
	after func(f *fake)
}

func newFake(hosts map[hostkey.Host]store.DeploymentNo) *fake { return &fake{hosts: hosts} }

func (f *fake) Resolve(_ context.Context, q *router.Query) (router.Decision, error) {
	f.mu.Lock()
	f.asked++
	f.paths = append(f.paths, string(q.Host)+":"+q.Port+q.Path)
	no, ok := f.hosts[q.Host]
	fail, hold, p := f.fail, f.hold, f.panic
	if f.after != nil {
		f.after(f)
	}
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	switch {
	case p != nil:
		panic(p)
	case fail != nil:
		return router.Decision{}, fail
	case !ok:
		return router.Decision{}, router.ErrNoRoute
	}
	return router.Decision{Kind: store.RouteSite, Project: 1, Deployment: no, Class: store.ClassProduction}, nil
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// kept is a Sink in memory.
type kept struct {
	mu    sync.Mutex
	puts  [][]Diff
	fails int
}

func (k *kept) Put(_ context.Context, diffs []Diff) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails > 0 {
		k.fails--
		return errors.New("disk full")
	}
	k.puts = append(k.puts, diffs)
	return nil
}

func (k *kept) all() []Diff {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []Diff
	for _, p := range k.puts {
		out = append(out, p...)
	}
	return out
}

type world struct {
	hashed, legacy *fake
	live           *rollout.Switch
	diffs          *kept
	shadow         *Shadow
}

const (
	onLegacy = 0.0
	onHashed = 100.0
)

func newWorld(t testing.TB, percentHashed float64, hashed, legacy *fake, change ...func(*Deps, *Options)) *world {
	t.Helper()
	w := &world{hashed: hashed, legacy: legacy, diffs: &kept{}}
	var err error
	w.live, err = rollout.New(rollout.Deps{Hashed: hashed, Legacy: legacy, Hasher: testHasher},
		rollout.Options{Domain: "pages.localhost", Config: rollout.Config{Mode: rollout.ModeRamp, Percent: percentHashed}})
	if err != nil {
		t.Fatal(err)
	}
	deps, o := Deps{Live: w.live, Hashed: hashed, Legacy: legacy, Diffs: w.diffs}, Options{Percent: 100, FlushEvery: time.Second}
	for _, f := range change {
		f(&deps, &o)
	}
	if w.shadow, err = New(deps, o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) ask(h hostkey.Host) (router.Decision, error) {
	return w.shadow.Resolve(context.Background(), &router.Query{Host: h, Path: "/p?secret=1"})
}
