package rollout

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"berth/router/hostkey"
)

// Index finds the site of a custom host, in memory. Find takes no lock; whoever knows the hosts of the sites fills it with
// Fill, once, and keeps it with Update. Hosts are canonical; a wildcard is "*." and its parent.
type Index struct {
	seed  maphash.Seed
	exact shards
	wild  shards // by parent
	wilds atomic.Int64

	// mu guards what only writers use, and makes them one at a time.
	mu     sync.Mutex
	hosts  map[string][]string // by site: what it claims, in order
	claims map[string][]string // by host: the sites that claim it, first come first; only where there are several
	count  int
	bytes  int64
}

const shardCount = 1024

// shards is a map in pieces, of which a change copies only its own: at a million hosts one has a thousand.
type shards [shardCount]atomic.Pointer[map[string]string]

// NewIndex returns an empty index.
func NewIndex() *Index {
	return &Index{seed: maphash.MakeSeed(), hosts: map[string][]string{}, claims: map[string][]string{}}
}

// Find returns the site of a host: its own entry, else the wildcard of its nearest parent; "" if there is none.
func (x *Index) Find(h hostkey.Host) string {
	if site, ok := x.get(&x.exact, string(h)); ok {
		return site
	}
	if x.wilds.Load() == 0 {
		return ""
	}
	labels := h.Labels()
	for parent, ok := h.Parent(); ok; parent, ok = parent.Parent() {
		// A made-up host may have 127 labels, and no wildcard stands above that many.
		if labels--; labels > hostkey.MaxWildcardLabels {
			continue
		}
		if site, ok := x.get(&x.wild, string(parent)); ok {
			return site
		}
	}
	return ""
}

func (x *Index) get(s *shards, key string) (string, bool) {
	m := s[maphash.String(x.seed, key)%shardCount].Load()
	if m == nil {
		return "", false
	}
	site, ok := (*m)[key]
	return site, ok
}

// Update says which custom hosts a site has now; none forgets it. Of two sites that claim one host the first has it, and the second gets
// it when the first lets go.
func (x *Index) Update(site string, hosts []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	changes := map[string]string{}
	x.claim(strings.Clone(site), hosts, changes)
	x.publish(changes)
}

// Fill replaces everything by what the sequence yields, site by site. While it runs, Find answers for some hosts as before.
func (x *Index) Fill(sites iter.Seq2[string, []string]) {
	x.mu.Lock()
	defer x.mu.Unlock()
	changes := map[string]string{}
	gone := maps.Clone(x.hosts)
	for site, hosts := range sites {
		delete(gone, site)
		x.claim(strings.Clone(site), hosts, changes)
	}
	for site := range gone {
		x.claim(site, nil, changes)
	}
	x.publish(changes)
}

// claim notes a site's hosts, and in changes what becomes of those that it takes or lets go: their site, "" for none.
func (x *Index) claim(site string, hosts []string, changes map[string]string) {
	now := make([]string, 0, len(hosts))
	for _, h := range hosts {
		now = append(now, strings.Clone(h))
	}
	slices.Sort(now)
	now = slices.Compact(now)
	was := x.hosts[site]
	for _, h := range was {
		if _, stays := slices.BinarySearch(now, h); !stays {
			x.release(site, h, changes)
		}
	}
	for _, h := range now {
		if _, had := slices.BinarySearch(was, h); !had {
			x.take(site, h, changes)
		}
	}
	if len(now) == 0 {
		delete(x.hosts, site)
		return
	}
	x.hosts[site] = now
}

func (x *Index) take(site, host string, changes map[string]string) {
	holder := x.holder(host, changes)
	switch {
	case holder == "":
		changes[host] = site
	case x.claims[host] == nil:
		x.claims[host] = []string{holder, site}
	default:
		x.claims[host] = append(x.claims[host], site)
	}
}

func (x *Index) release(site, host string, changes map[string]string) {
	others := slices.DeleteFunc(x.claims[host], func(s string) bool { return s == site })
	switch {
	case len(others) == 0:
		changes[host] = ""
		return
	case len(others) == 1:
		delete(x.claims, host)
	default:
		x.claims[host] = others
	}
	changes[host] = others[0]
}

// holder is who has a host, with the changes that are not published yet.
func (x *Index) holder(host string, changes map[string]string) string {
	if site, ok := changes[host]; ok {
		return site
	}
	s, key := x.place(host)
	site, _ := x.get(s, key)
	return site
}

func (x *Index) place(host string) (*shards, string) {
	if parent, wild := strings.CutPrefix(host, "*."); wild {
		return &x.wild, parent
	}
	return &x.exact, host
}

// publish copies each piece that changes once.
func (x *Index) publish(changes map[string]string) {
	type piece struct {
		s *shards
		i uint64
	}
	by := map[piece][]string{}
	for host := range changes {
		s, key := x.place(host)
		at := piece{s, maphash.String(x.seed, key) % shardCount}
		by[at] = append(by[at], host)
	}
	for at, hosts := range by {
		next := make(map[string]string, len(hosts))
		if m := at.s[at.i].Load(); m != nil {
			maps.Copy(next, *m)
		}
		for _, host := range hosts {
			_, key := x.place(host)
			x.put(next, at.s == &x.wild, key, changes[host])
		}
		at.s[at.i].Store(&next)
	}
}

func (x *Index) put(m map[string]string, wild bool, key, site string) {
	_, had := m[key]
	step := 0
	switch {
	case site == "" && had:
		delete(m, key)
		step = -1
	case site != "":
		m[key] = site
		if !had {
			step = 1
		}
	}
	x.count += step
	x.bytes += int64(step) * entryBytes(key)
	if wild {
		x.wilds.Add(int64(step)) // before the piece is stored: Find must not pass by a wildcard that is there
	}
}

// entryBytes is about what a host takes: its text, its slot in a map that is three quarters full, and its place in the site's list.
func entryBytes(host string) int64 { return int64(len(host)) + 32*4/3 + 2 + 16 }

// IndexStats is the size of an index.
type IndexStats struct {
	Sites, Hosts, Wildcards int
	Bytes                   int64 // about
}

// Stats counts what is there.
func (x *Index) Stats() IndexStats {
	x.mu.Lock()
	defer x.mu.Unlock()
	st := IndexStats{Sites: len(x.hosts), Hosts: x.count, Wildcards: int(x.wilds.Load()), Bytes: x.bytes}
	for site := range x.hosts {
		st.Bytes += int64(len(site)) + 64
	}
	return st
}
