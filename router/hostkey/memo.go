package hostkey

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
)

// Memo remembers the keys of some hosts. A key costs 0.15 µs, nine tenths of what finding a cached route takes, and the same few
// hosts come again and again. What it remembers is a fact about a secret and a host: it cannot become stale.
//
// It is a table of fixed size that is read without a lock. It is safe for concurrent use and allocates nothing after NewMemo.
type Memo struct {
	seed    maphash.Seed // strangers cannot aim at a set
	mask    uint64
	tags    []atomic.Uint64 // of a set: 16 bits of the hash for each way, so that a host that is not there costs one word
	entries []memoEntry     // memoWays to a set
}

const (
	memoWays  = 4
	memoWords = 12 // longest host in words of eight bytes: 96 characters
	keyWords  = 2
)

// memoEntry is two cache lines. Its version is odd while it is written: whoever reads it looks at the version before and after, and
// who came at the wrong moment sees that he read nonsense. All words are atomic, so that this is no race.
type memoEntry struct {
	version atomic.Uint64
	length  atomic.Uint64 // of the host; 0 if there is none
	host    [memoWords]atomic.Uint64
	key     [keyWords]atomic.Uint64
}

// NewMemo returns a Memo for about so many hosts, 130 bytes each.
func NewMemo(hosts int) *Memo {
	sets := 1 << bits.Len(uint(max(1, (hosts+memoWays-1)/memoWays)-1))
	return &Memo{
		seed: maphash.MakeSeed(), mask: uint64(sets - 1),
		tags: make([]atomic.Uint64, sets), entries: make([]memoEntry, sets*memoWays),
	}
}

// place is the number of a host's set and its tag, which is not 0.
func (m *Memo) place(h Host) (set, tag uint64) {
	hash := maphash.String(m.seed, string(h))
	return hash & m.mask, hash>>48 | 1
}

// Get returns the key of a host if it is remembered.
func (m *Memo) Get(h Host) (Key, bool) {
	if len(h) == 0 || len(h) > memoWords*8 {
		return Key{}, false
	}
	set, tag := m.place(h)
	tags := m.tags[set].Load()
	for way := range uint64(memoWays) {
		if tags>>(16*way)&0xffff != tag {
			continue
		}
		if k, ok := m.entries[set*memoWays+way].get(h); ok {
			return k, true
		}
	}
	return Key{}, false
}

func (e *memoEntry) get(h Host) (k Key, ok bool) {
	version := e.version.Load()
	if e.length.Load() != uint64(len(h)) || version&1 != 0 {
		return k, false
	}
	words, tail := len(h)/8, len(h)%8
	for i := range words {
		if e.host[i].Load() != word(h[8*i:]) {
			return k, false
		}
	}
	if tail != 0 && e.host[words].Load() != lastWord(h[8*words:]) {
		return k, false
	}
	binary.LittleEndian.PutUint64(k[:], e.key[0].Load())
	binary.LittleEndian.PutUint64(k[8:], e.key[1].Load())
	return k, e.version.Load() == version
}

func word(s Host) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// lastWord is word for less than eight bytes.
func lastWord(s Host) (w uint64) {
	for i := range len(s) {
		w |= uint64(s[i]) << (8 * i)
	}
	return w
}

// Put remembers a host's key, in the place of another one if need be. Of two who write to one place at once one does nothing.
func (m *Memo) Put(h Host, k Key) {
	if len(h) == 0 || len(h) > memoWords*8 {
		return
	}
	set, tag := m.place(h)
	tags := m.tags[set].Load()
	way := uint64(rand.IntN(memoWays))
	for w := range uint64(memoWays) {
		if tags>>(16*w)&0xffff == 0 {
			way = w
			break
		}
	}
	if !m.entries[set*memoWays+way].put(h, k) {
		return
	}
	// A tag that another writer overwrites with an older one leaves an entry that is not found: no harm.
	m.tags[set].Store(tags&^(0xffff<<(16*way)) | tag<<(16*way))
}

func (e *memoEntry) put(h Host, k Key) bool {
	version := e.version.Load()
	if version&1 != 0 || !e.version.CompareAndSwap(version, version+1) {
		return false
	}
	e.length.Store(uint64(len(h)))
	words, tail := len(h)/8, len(h)%8
	for i := range words {
		e.host[i].Store(word(h[8*i:]))
	}
	if tail != 0 {
		e.host[words].Store(lastWord(h[8*words:]))
	}
	e.key[0].Store(binary.LittleEndian.Uint64(k[:]))
	e.key[1].Store(binary.LittleEndian.Uint64(k[8:]))
	e.version.Store(version + 2)
	return true
}
