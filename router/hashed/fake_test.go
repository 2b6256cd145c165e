package hashed

import (
	"maps"
	"sync"

	"berth/router/hostkey"
	"berth/store"
)

var testHasher = hostkey.NewHasher(hostkey.Secret{1, 2, 3})

// state is what a fake store holds at one revision.
type state struct {
	routes    map[hostkey.Host]store.Route
	wildcards map[hostkey.Host]store.Route
	gen       uint64
}

func (s state) clone() state {
	s.routes, s.wildcards = maps.Clone(s.routes), maps.Clone(s.wildcards)
	return s
}

// fakeStore keeps every state it ever had. As in the real one, a commit can be read before its hook has run.
type fakeStore struct {
	// pause, if set, is called without mu before and after each read.
	pause func()

	mu      sync.Mutex
	history []state
	hook    func(store.Commit)
	hosts   map[hostkey.Key]hostkey.Host
	fail    error // what the next reads answer
	exact   int   // reads of route records
	probes  int   // reads of wildcard records
	filter  int   // index in the history of the state that the filter was filled from; it forgets nothing since. -1: there is none
}

func newFakeStore(hosts ...hostkey.Host) *fakeStore {
	s := &fakeStore{
		pause:   func() {},
		history: []state{{map[hostkey.Host]store.Route{}, map[hostkey.Host]store.Route{}, 1}},
		hosts:   map[hostkey.Key]hostkey.Host{},
		filter:  -1,
	}
	for _, h := range hosts {
		s.hosts[testHasher.Key(h)] = h
	}
	return s
}

func (s *fakeStore) now() state { return s.history[len(s.history)-1] }

func (s *fakeStore) LookupRoute(k hostkey.Key) (store.Route, error) {
	return s.read(k, &s.exact, func(now state) map[hostkey.Host]store.Route { return now.routes })
}

func (s *fakeStore) LookupWildcard(k hostkey.Key) (store.Route, error) {
	return s.read(k, &s.probes, func(now state) map[hostkey.Host]store.Route { return now.wildcards })
}

func (s *fakeStore) read(k hostkey.Key, count *int, table func(state) map[hostkey.Host]store.Route) (store.Route, error) {
	s.pause()
	defer s.pause()
	s.mu.Lock()
	defer s.mu.Unlock()
	*count++
	if s.fail != nil {
		return store.Route{}, s.fail
	}
	r, ok := table(s.now())[s.hosts[k]]
	if !ok {
		return store.Route{}, store.ErrNotFound
	}
	return r, nil
}

func (s *fakeStore) MayHaveRoute(k hostkey.Key) bool {
	return s.mayHave(k, func(st state) map[hostkey.Host]store.Route { return st.routes })
}

func (s *fakeStore) MayHaveWildcard(k hostkey.Key) bool {
	return s.mayHave(k, func(st state) map[hostkey.Host]store.Route { return st.wildcards })
}

func (s *fakeStore) mayHave(k hostkey.Key, table func(state) map[hostkey.Host]store.Route) bool {
	s.pause()
	defer s.pause()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filter < 0 {
		return true
	}
	for _, st := range s.history[s.filter:] {
		if _, ok := table(st)[s.hosts[k]]; ok {
			return true
		}
	}
	return false
}

// fill makes a filter of what there is now.
func (s *fakeStore) fill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filter = len(s.history) - 1
}

func (s *fakeStore) Wildcards() (int, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.now().wildcards), s.now().gen
}

func (s *fakeStore) Epoch() store.Epoch { return 0 }

func (s *fakeStore) OnCommit(fn func(store.Commit)) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = fn
	return func() { s.hook = nil }
}

// apply makes a change readable, and returns what is left to do before the writer hears of it.
func (s *fakeStore) apply(host hostkey.Host, wildcard bool, r store.Route) (runHook func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.now().clone()
	table := next.routes
	c := store.Commit{Revision: store.Revision(len(s.history))}
	if wildcard {
		table = next.wildcards
		next.gen++
	} else {
		c.Keys = append(c.Keys, testHasher.Key(host))
	}
	if r == (store.Route{}) {
		delete(table, host)
	} else {
		table[host] = r
	}
	s.hosts[testHasher.Key(host)] = host
	s.history = append(s.history, next)
	c.WildcardGeneration = next.gen
	return func() {
		if s.hook != nil {
			s.hook(c)
		}
	}
}

func (s *fakeStore) set(host hostkey.Host, r store.Route)         { s.apply(host, false, r)() }
func (s *fakeStore) setWildcard(host hostkey.Host, r store.Route) { s.apply(host, true, r)() }

func site(deployment store.DeploymentNo) store.Route {
	return store.Route{Kind: store.RouteSite, Class: store.ClassProduction, Project: 7, Deployment: deployment}
}
