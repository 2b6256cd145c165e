package hashed

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

var (
	_ Store           = (*store.Store)(nil)
	_ router.Resolver = (*Resolver)(nil)
)

func newResolver(t testing.TB, s Store, o Options) *Resolver {
	t.Helper()
	r, err := New(s, testHasher, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// ask returns the deployment, 0 for an unknown host.
func ask(t testing.TB, r *Resolver, host hostkey.Host) store.DeploymentNo {
	t.Helper()
	d, err := r.Resolve(t.Context(), &router.Query{Host: host})
	if errors.Is(err, router.ErrNoRoute) {
		return 0
	}
	if err != nil {
		t.Fatalf("Resolve(%s): %v", host, err)
	}
	return d.Deployment
}

func TestResolve(t *testing.T) {
	s := newFakeStore()
	full := store.Route{Kind: store.RouteSite, Class: store.ClassBranch, Flags: store.FlagNoIndex, Project: 3, Deployment: 4, Epoch: 5}
	s.set("docs.example", full)
	r := newResolver(t, s, Options{})
	want := router.Decision{Kind: store.RouteSite, Class: store.ClassBranch, Flags: store.FlagNoIndex, Project: 3, Deployment: 4}
	for range 2 {
		got, err := r.Resolve(t.Context(), &router.Query{Host: "docs.example", Path: "/"})
		if err != nil || got != want {
			t.Errorf("Resolve = %+v, %v", got, err)
		}
		if got, err := r.Resolve(t.Context(), &router.Query{Host: "nobody.example"}); err != router.ErrNoRoute || got != (router.Decision{}) {
			t.Errorf("unknown host: %+v, %v", got, err)
		}
	}
	if s.exact != 2 || s.probes != 0 {
		t.Errorf("%d reads and %d probes for two hosts and no wildcard", s.exact, s.probes)
	}
}

// Whom the filter knows not to be there costs no read, and nothing is left of the question.
func TestSurelyUnknownHosts(t *testing.T) {
	s := newFakeStore()
	s.set("known.example", site(1))
	s.fill()
	r := newResolver(t, s, Options{})
	unknown := func(hosts ...hostkey.Host) {
		t.Helper()
		for _, h := range hosts {
			if got := ask(t, r, h); got != 0 {
				t.Errorf("%s has deployment %d", h, got)
			}
		}
		if st := r.Stats(); s.exact != 0 || s.probes != 0 || st.Entries != 0 || st.Misses != 0 {
			t.Errorf("%d reads, %d probes, %+v", s.exact, s.probes, st)
		}
	}
	unknown("a.b.example", "nobody.example", "b")
	s.setWildcard("b.example", site(2))
	unknown("a.c.example", "nobody.example", "b")
	if got := ask(t, r, "a.b.example"); got != 2 {
		t.Errorf("host of a wildcard: %d", got)
	}
	s.set("a.c.example", site(3))
	if got := ask(t, r, "a.c.example"); got != 3 {
		t.Errorf("host that was unknown before: %d", got)
	}
	if got := ask(t, r, "known.example"); got != 1 || s.exact != 3 {
		t.Errorf("%d, %d reads", got, s.exact)
	}
}

func TestCommitsAreSeen(t *testing.T) {
	s := newFakeStore()
	r := newResolver(t, s, Options{})
	const host = "a.b.example"
	var got []store.DeploymentNo
	step := func(change func()) {
		change()
		got = append(got, ask(t, r, host), ask(t, r, host))
	}
	step(func() {})
	step(func() { s.set(host, site(1)) })
	step(func() { s.set(host, site(2)) })
	step(func() { s.setWildcard("example", site(3)) })
	step(func() { s.set(host, store.Route{}) })
	step(func() { s.setWildcard("b.example", site(4)) })
	step(func() { s.setWildcard("b.example", store.Route{}) })
	step(func() { s.setWildcard("example", store.Route{}) })
	want := []store.DeploymentNo{0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 3, 3, 0, 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWildcards(t *testing.T) {
	s := newFakeStore()
	s.setWildcard("example.com", site(1))
	s.setWildcard("deep.example.com", site(2))
	s.setWildcard("localhost", site(3))
	s.set("own.example.com", site(9))
	r := newResolver(t, s, Options{})
	got := map[hostkey.Host]store.DeploymentNo{}
	want := map[hostkey.Host]store.DeploymentNo{
		"a.example.com": 1, "a.b.example.com": 1, "a.deep.example.com": 2, "deep.example.com": 1, "own.example.com": 9,
		"x.own.example.com": 1, "example.com": 0, "com": 0, "a.localhost": 3, "localhost": 0, "aexample.com": 0,
	}
	for h := range want {
		got[h] = ask(t, r, h)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProbesAreBounded(t *testing.T) {
	for _, tt := range []struct {
		host   hostkey.Host
		probes int
	}{
		{"a.b.c.example", 3},
		{"localhost", 0},
		{"127.0.0.1", 0},
		{"2001:db8::1", 0},
		{hostkey.Host(strings.Repeat("a.", 126) + "a"), hostkey.MaxWildcardLabels},
	} {
		s := newFakeStore()
		s.setWildcard("other.example", site(1))
		r := newResolver(t, s, Options{})
		for range 3 {
			ask(t, r, tt.host)
		}
		if s.probes != tt.probes || s.exact != 1 {
			t.Errorf("%.20s: %d probes and %d reads, want %d and 1", tt.host, s.probes, s.exact, tt.probes)
		}
	}
}

// The deepest wildcard that may be created is also found.
func TestDeepestWildcard(t *testing.T) {
	parent, wildcard, err := hostkey.CanonicalPattern("*." + strings.Repeat("w.", hostkey.MaxWildcardLabels-1) + "example")
	if err != nil || !wildcard {
		t.Fatal(err)
	}
	s := newFakeStore()
	s.setWildcard(parent, site(1))
	r := newResolver(t, s, Options{})
	if ask(t, r, "a."+parent) != 1 || ask(t, r, "a.b.c.d."+parent) != 1 {
		t.Error("a wildcard at the limit is not found")
	}
}

func TestFloodDoesNotPushOutRoutes(t *testing.T) {
	s := newFakeStore()
	s.setWildcard("wild.example", site(5))
	for i := range 500 {
		s.set(hostkey.Host(fmt.Sprintf("site-%d.example", i)), site(1))
	}
	r := newResolver(t, s, Options{RouteCache: 500, UnknownCache: 100})
	resolveAll := func() {
		for i := range 500 {
			if ask(t, r, hostkey.Host(fmt.Sprintf("site-%d.example", i))) != 1 {
				t.Fatalf("site %d is gone", i)
			}
		}
	}
	resolveAll()
	for i := range 5000 {
		if ask(t, r, hostkey.Host(fmt.Sprintf("made-up-%d.example", i))) != 0 ||
			ask(t, r, hostkey.Host(fmt.Sprintf("made-up-%d.wild.example", i))) != 5 {
			t.Fatal("wrong answer in the flood")
		}
	}
	before := s.exact
	resolveAll()
	if s.exact != before {
		t.Errorf("%d of 500 routes had to be read again after the flood", s.exact-before)
	}
	if st := r.Stats(); st.Entries != 600 || st.AsideEntries != 100 {
		t.Errorf("stats %+v", st)
	}
}

func TestErrorsAreNotCached(t *testing.T) {
	s := newFakeStore()
	s.setWildcard("example", site(2))
	r := newResolver(t, s, Options{})
	broken := fmt.Errorf("read: %w", store.ErrCorrupt)
	s.fail = broken
	for range 2 {
		if _, err := r.Resolve(t.Context(), &router.Query{Host: "a.example"}); !errors.Is(err, broken) || errors.Is(err, router.ErrNoRoute) {
			t.Errorf("err = %v", err)
		}
		if _, err := r.Explain(t.Context(), &router.Query{Host: "a.example"}); !errors.Is(err, broken) {
			t.Errorf("Explain: %v", err)
		}
	}
	s.fail = nil
	if ask(t, r, "a.example") != 2 {
		t.Error("the error outlived its cause")
	}
}

// The query's host is a view of the request's bytes, which are used again.
func TestHostIsNotKept(t *testing.T) {
	s := newFakeStore()
	s.setWildcard("example", site(1))
	s.set("own.example", site(2))
	r := newResolver(t, s, Options{})
	for _, host := range []string{"a.example", "own.example", "nobody"} {
		buf := []byte(host)
		q := router.Query{Host: hostkey.Host(unsafe.String(&buf[0], len(buf)))}
		want := ask(t, r, hostkey.Host(host))
		r.answers.DropAll()
		d, _ := r.Resolve(t.Context(), &q)
		trace, err := r.Explain(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range buf {
			buf[i] = '!'
		}
		if d.Deployment != want || ask(t, r, hostkey.Host(host)) != want || string(trace.Host) != host || strings.Contains(string(trace.Wildcard), "!") {
			t.Errorf("%s: decision %v, trace %+v", host, d, trace)
		}
	}
}

func TestExplain(t *testing.T) {
	s := newFakeStore()
	s.set("own.example", site(1))
	s.setWildcard("wild.example", site(2))
	r := newResolver(t, s, Options{})
	decision := func(n store.DeploymentNo) router.Decision { return found{route: site(n)}.decision() }
	for _, tt := range []struct {
		host hostkey.Host
		want Trace
	}{
		{"own.example", Trace{Source: FromRecord, Decision: decision(1), Record: site(1), RecordKey: testHasher.Key("own.example")}},
		{"a.b.wild.example", Trace{Source: FromWildcard, Decision: decision(2), Record: site(2), RecordKey: testHasher.Key("wild.example"), Wildcard: "wild.example"}},
		{"nobody.example", Trace{}},
	} {
		tt.want.Host, tt.want.Key = tt.host, testHasher.Key(tt.host)
		q := &router.Query{Host: tt.host}
		for _, cached := range []bool{false, true} {
			if cached {
				ask(t, r, tt.host)
				tt.want.Cached, tt.want.CachedSource, tt.want.CachedDecision = true, tt.want.Source, tt.want.Decision
			}
			got, err := r.Explain(t.Context(), q)
			if err != nil || got.Stale() {
				t.Errorf("%s: stale %v, %v", tt.host, got.Stale(), err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, cached %v (-want +got):\n%s", tt.host, cached, diff)
			}
		}
	}
	// A store that changed without telling: what Stale is there to show.
	s.apply("own.example", false, site(8))
	if got, err := r.Explain(t.Context(), &router.Query{Host: "own.example"}); err != nil || !got.Stale() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestClose(t *testing.T) {
	s := newFakeStore()
	s.set("a.example", site(1))
	r := newResolver(t, s, Options{})
	ask(t, r, "a.example")
	r.Close()
	r.Close()
	if s.hook != nil {
		t.Error("still hears of commits")
	}
	if _, err := r.Resolve(t.Context(), &router.Query{Host: "a.example"}); err != ErrClosed {
		t.Errorf("Resolve: %v", err)
	}
	if _, err := r.Explain(t.Context(), &router.Query{Host: "a.example"}); err != ErrClosed {
		t.Errorf("Explain: %v", err)
	}
}

func TestOptions(t *testing.T) {
	_, err := New(nil, nil, Options{RouteCache: -1, UnknownCache: -2})
	for _, want := range []string{"a store and a hasher", "RouteCache is -1", "UnknownCache is -2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
