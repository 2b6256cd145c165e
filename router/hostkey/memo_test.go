package hostkey

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestMemo(t *testing.T) {
	m, hasher := NewMemo(1<<16), NewHasher(testSecret()) // so large that no five of the hosts share a set
	long := Host(strings.Repeat("x", memoWords*8))
	hosts := []Host{"a", "ab", "12345678", "123456789", "2b469e16.docs.pages.localhost", "2b469e17.docs.pages.localhost", "::1", long, long[1:]}
	for _, h := range hosts {
		if k, ok := m.Get(h); ok {
			t.Errorf("an empty memo has %v for %s", k, h)
		}
	}
	for _, h := range hosts {
		m.Put(h, hasher.Key(h))
		m.Put(h, hasher.Key(h))
	}
	for _, h := range hosts {
		if k, ok := m.Get(h); !ok || k != hasher.Key(h) {
			t.Errorf("%s: %v, %v", h, k, ok)
		}
	}
	for _, h := range []Host{"", long + "x"} { // these are never remembered
		m.Put(h, hasher.Key(h))
		if k, ok := m.Get(h); ok {
			t.Errorf("%q: %v", h, k)
		}
	}
}

// However many hosts come, those that are there are right, and the newest is there.
func TestCrowdedMemo(t *testing.T) {
	m, hasher := NewMemo(8), NewHasher(testSecret())
	if len(m.tags) != 2 {
		t.Fatalf("%d sets", len(m.tags))
	}
	remembered := 0
	for i := range 200 {
		h := Host(fmt.Sprintf("host-%d.example", i))
		m.Put(h, hasher.Key(h))
		if k, ok := m.Get(h); !ok || k != hasher.Key(h) {
			t.Errorf("%s: %v, %v", h, k, ok)
		}
	}
	for i := range 200 {
		h := Host(fmt.Sprintf("host-%d.example", i))
		if k, ok := m.Get(h); ok {
			remembered++
			if k != hasher.Key(h) {
				t.Errorf("%s: %v", h, k)
			}
		}
	}
	if remembered != 8 {
		t.Errorf("%d of 8 are remembered", remembered)
	}
}

// Readers of places that are written all the time get the host's key or nothing. Hosts of one length share all but a few bytes, so that
// a mixture of two would pass for a third.
func TestMemoConcurrently(t *testing.T) {
	m, hasher := NewMemo(1), NewHasher(testSecret())
	hosts := make([]Host, 16)
	keys := make([]Key, len(hosts))
	for i := range hosts {
		hosts[i] = Host(fmt.Sprintf("%08d.example.%08d", i/4, i%4))
		keys[i] = hasher.Key(hosts[i])
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := g; i < 30_000; i++ {
				at := i % len(hosts)
				if k, ok := m.Get(hosts[at]); ok && k != keys[at] {
					t.Errorf("%s: %v, want %v", hosts[at], k, keys[at])
					return
				}
				m.Put(hosts[(at*7+g)%len(hosts)], keys[(at*7+g)%len(hosts)])
			}
		})
	}
	wg.Wait()
}

func BenchmarkMemo(b *testing.B) {
	m, hasher := NewMemo(8192), NewHasher(testSecret())
	hosts := make([]Host, 1024)
	for i := range hosts {
		hosts[i] = Host(fmt.Sprintf("%08x.project-%d.pages.localhost", uint32(i)*2654435761, i))
		m.Put(hosts[i], hasher.Key(hosts[i]))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Get(hosts[i%len(hosts)])
	}
}
