package shadow

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// pending are diffs that wait to be kept, one a host.
type pending struct {
	// mu guards all below. It is held for a look into a map only: never while a side or the store is asked.
	mu      sync.Mutex
	byHost  map[string]Diff
	most    int
	dropped uint64 // diffs of hosts that found no room
}

func (p *pending) init(most int) { p.byHost, p.most = map[string]Diff{}, most }

// add is for a diff that is newer than what waits.
func (p *pending) add(d Diff) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if older, ok := p.byHost[d.Host]; ok {
		if older.Class != d.Class || !older.Legacy.sameAnswer(d.Legacy) {
			older.Line = "" // it is of another answer
		}
		d.absorb(older)
	} else if len(p.byHost) >= p.most {
		p.dropped++
		return
	}
	p.byHost[d.Host] = d
}

// back is for one that was taken before what waits.
func (p *pending) back(d Diff) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if newer, ok := p.byHost[d.Host]; ok {
		newer.absorb(d)
		p.byHost[d.Host] = newer
		return
	}
	if len(p.byHost) >= p.most {
		p.dropped++
		return
	}
	p.byHost[d.Host] = d
}

// take empties it; the diffs are in the order of their hosts.
func (p *pending) take() []Diff {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := slices.SortedFunc(maps.Values(p.byHost), func(a, b Diff) int { return strings.Compare(a.Host, b.Host) })
	clear(p.byHost)
	return out
}

func (p *pending) lost() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}
