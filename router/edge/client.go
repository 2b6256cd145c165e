package edge

import (
	"net/netip"
	"strings"
	"sync"
)

func (s *Server) trusts(a netip.Addr) bool {
	for _, p := range s.opts.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// client finds who sent a request that came over a trusted proxy: proxies append to X-Forwarded-For, so what is
// right of the rightmost untrusted address was written by proxies we trust, and what is left of it by anybody. An entry that is
// no address ends the search at the last one that was.
func (s *Server) client(peer netip.Addr, forwardedFor string) netip.Addr {
	client := peer
	for forwardedFor != "" && s.trusts(client) {
		i := strings.LastIndexByte(forwardedFor, ',')
		a, ok := forwardedAddr(strings.Trim(forwardedFor[i+1:], " \t"))
		if !ok {
			break
		}
		client, forwardedFor = a, forwardedFor[:max(i, 0)]
	}
	return client
}

// forwardedAddr reads an entry, with the port and brackets that some proxies add.
func forwardedAddr(s string) (netip.Addr, bool) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return netip.Addr{}, false
		}
		s = s[1:end]
	} else if i := strings.IndexByte(s, ':'); i >= 0 && strings.IndexByte(s[i+1:], ':') < 0 {
		s = s[:i]
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// forwardedScheme is the scheme that the client used, as the nearest proxy tells it.
func forwardedScheme(proto string) string {
	proto = strings.Trim(proto[strings.LastIndexByte(proto, ',')+1:], " \t")
	if strings.EqualFold(proto, "https") {
		return "https"
	}
	return "http"
}

// addressCounts bounds something per client address. An IPv6 client owns its /64, so that is what is counted.
type addressCounts struct {
	max    int
	shards [16]addressShard
}

type addressShard struct {
	mu sync.Mutex // guards n; nothing is locked under it
	n  map[netip.Addr]int
	_  [48]byte // shards are locked from different cores
}

func newAddressCounts(max int) *addressCounts {
	c := &addressCounts{max: max}
	for i := range c.shards {
		c.shards[i].n = make(map[netip.Addr]int)
	}
	return c
}

func (c *addressCounts) shard(a netip.Addr) (*addressShard, netip.Addr) {
	b := a.As16()
	if a.Is6() {
		clear(b[8:])
		a = netip.AddrFrom16(b)
	}
	x := uint32(0)
	for _, v := range b {
		x = x*31 + uint32(v)
	}
	return &c.shards[(x^x>>8)%uint32(len(c.shards))], a
}

// take counts one more, unless that is too many.
func (c *addressCounts) take(a netip.Addr) bool {
	s, a := c.shard(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n[a] >= c.max {
		return false
	}
	s.n[a]++
	return true
}

// put undoes take. Addresses with nothing to count are forgotten: strangers choose them.
func (c *addressCounts) put(a netip.Addr) {
	s, a := c.shard(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n[a]--; s.n[a] <= 0 {
		delete(s.n, a)
	}
}
