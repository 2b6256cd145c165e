package rollout

import (
	"strings"

	"berth/router/hostkey"
)

// siteBelow returns the label right below the base domain: the site's name in docs.pages.localhost as in any host below that.
// It is a view of h; own says whether h is below the domain at all.
func siteBelow(domain string, h hostkey.Host) (site string, own bool) {
	rest, own := strings.CutSuffix(string(h), domain)
	if !own || rest == "" || rest[len(rest)-1] != '.' {
		return "", false
	}
	rest = rest[:len(rest)-1]
	return rest[strings.LastIndexByte(rest, '.')+1:], true
}

// site finds the site of a host, "" if it is not known. It allocates nothing.
func (s *Switch) site(h hostkey.Host) string {
	if site, own := siteBelow(s.domain, h); own {
		return site
	}
	return s.index.Find(h)
}
