package rollout

import (
	"context"
	"sync"
	"testing"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

const domain = hostkey.Host("pages.localhost")

var testHasher = hostkey.NewHasher(hostkey.Secret{7})

// fake is a router that knows some hosts.
type fake struct {
	mu    sync.Mutex
	hosts map[hostkey.Host]store.DeploymentNo
	fail  error
	asked int
	hold  chan struct{} // if set, answers wait for it
}

func newFake(no store.DeploymentNo, hosts ...hostkey.Host) *fake {
	f := &fake{hosts: map[hostkey.Host]store.DeploymentNo{}}
	for _, h := range hosts {
		f.hosts[h] = no
	}
	return f
}

func (f *fake) Resolve(_ context.Context, q *router.Query) (router.Decision, error) {
	f.mu.Lock()
	f.asked++
	no, ok := f.hosts[q.Host]
	fail, hold := f.fail, f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	switch {
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

// fixed answers every host, without a lock.
type fixed struct{}

func (fixed) Resolve(context.Context, *router.Query) (router.Decision, error) {
	return router.Decision{Kind: store.RouteSite, Deployment: 1}, nil
}

func newSwitch(t testing.TB, hashed, legacy router.Resolver, c Config, change ...func(*Deps, *Options)) *Switch {
	t.Helper()
	deps, o := Deps{Hashed: hashed, Legacy: legacy, Hasher: testHasher}, Options{Domain: domain, Datacentre: "fra", Config: c}
	for _, f := range change {
		f(&deps, &o)
	}
	s, err := New(deps, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
