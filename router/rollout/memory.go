package rollout

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"berth/router/hostkey"
)

// memory remembers hosts, or addresses of them, for a while, as many as it has slots, without a lock. One that finds no room pushes out
// another; what is forgotten is only asked again.
type memory struct {
	slots  []atomic.Pointer[memorised]
	stay   time.Duration
	now    func() time.Duration
	forget atomic.Uint64 // grows when everything is forgotten
}

// memorised is immutable.
type memorised struct {
	key   hostkey.Key
	until time.Duration
	gen   uint64
}

const ways = 4 // slots that a host may stand in

func newMemory(slots int, stay time.Duration, now func() time.Duration) *memory {
	return &memory{slots: make([]atomic.Pointer[memorised], (slots+ways-1)/ways*ways), stay: stay, now: now}
}

// set is the hosts' slots. Keys are outputs of a keyed hash: strangers cannot aim at one.
func (m *memory) set(k hostkey.Key) []atomic.Pointer[memorised] {
	i := int(binary.BigEndian.Uint64(k[:8])%uint64(len(m.slots)/ways)) * ways
	return m.slots[i : i+ways]
}

func (m *memory) has(k hostkey.Key) bool {
	now, gen := m.now(), m.forget.Load()
	set := m.set(k)
	for i := range set {
		if e := set[i].Load(); e != nil && e.key == k {
			return e.gen == gen && e.until > now
		}
	}
	return false
}

// add remembers a host. gen is what forget was before the fact was found out: if that is no longer so, the fact may not be either.
func (m *memory) add(k hostkey.Key, gen uint64) {
	now := m.now()
	set := m.set(k)
	victim, soonest := 0, time.Duration(1<<63-1)
	for i := range set {
		e := set[i].Load()
		if e == nil || e.key == k || e.gen != gen || e.until <= now {
			victim = i
			if e != nil && e.key == k {
				break // and nowhere else
			}
			soonest = -1
			continue
		}
		if e.until < soonest {
			victim, soonest = i, e.until
		}
	}
	set[victim].Store(&memorised{key: k, until: now + m.stay, gen: gen})
}

// pace lets through a number of events a second, and a burst of them after a rest, with one atomic word: the moment until which what was let
// through is paid for.
type pace struct {
	paid     atomic.Int64 // nanoseconds on the clock of now
	interval time.Duration
	burst    int64
	now      func() time.Duration
}

func newPace(perSecond, burst int, now func() time.Duration) *pace {
	p := &pace{interval: time.Second / time.Duration(perSecond), burst: int64(burst), now: now}
	return p
}

func (p *pace) take() bool {
	now := int64(p.now())
	for {
		was := p.paid.Load()
		next := max(was, now) + int64(p.interval)
		if next-now > p.burst*int64(p.interval) {
			return false
		}
		if p.paid.CompareAndSwap(was, next) {
			return true
		}
	}
}
