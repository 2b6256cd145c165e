package edge

import (
	"errors"
	"strings"
	"time"

	"berth/store"
)

// selector says what chose the deployment that answers.
type selector uint8

const (
	byHost selector = iota // nothing did: it is what the host serves
	byHeader
	byQuery
	byCookie
)

// skew is what was decided about one request on a host with skew protection.
type skew struct {
	on         bool
	by         selector
	navigation bool // for a document: it pins
	denied     bool // it named a deployment that cannot be chosen here, or not yet
	dest       bool // the choice looked at Sec-Fetch-Dest
	cookie     bool // the choice looked at Cookie
}

// choose decides which deployment answers, where x.serving is what the host serves.
func (s *Server) choose(x *exchange) {
	h := &x.head
	x.skew = skew{on: true}
	x.skew.navigation = h.secFetchDest == "document" && h.secFetchMode == "navigate" && !speculative(h.secPurpose)
	if h.deploymentID != "" && s.chooseNamed(x, h.deploymentID) {
		x.skew.by = byHeader
		return
	}
	if id := queryValue(x.req.Target, pinQuery); id != "" && s.chooseNamed(x, id) {
		x.skew.by = byQuery
		return
	}
	x.skew.dest = true
	if h.secFetchDest == "" || x.skew.navigation {
		return
	}
	x.skew.cookie = true
	now := s.now()
	if no, ok := s.pins.find(h.cookie, x.host, now); ok && s.chooseServed(x, now, func(p store.DeploymentNo, _ store.UUID) bool { return p == no }) {
		x.skew.by = byCookie
	}
}

// speculative says that a browser fetches a page that nobody has gone to yet. It belongs to the page that has the link, and
// so does what it loads while it is rendered unseen: were it to pin, it would take the page in front of the visitor along.
func speculative(purpose string) bool {
	return len(purpose) >= len("prefetch") && strings.EqualFold(purpose[:len("prefetch")], "prefetch")
}

func (s *Server) chooseNamed(x *exchange, id string) bool {
	name, ok := parseDeploymentName(id)
	if !ok {
		return false
	}
	ok = s.chooseServed(x, s.now(), func(_ store.DeploymentNo, id store.UUID) bool { return name.is(id) })
	x.skew.denied = x.skew.denied || !ok
	return ok
}

// chooseServed makes x.serving the deployment that is wanted, if the host serves it or has served it lately.
func (s *Server) chooseServed(x *exchange, now time.Time, wanted func(store.DeploymentNo, store.UUID) bool) bool {
	if wanted(x.serving.no, x.serving.uuid) {
		return true
	}
	t := s.target(x)
	if t == nil {
		return false
	}
	past, ok := t.Find(wanted)
	if !ok || now.Sub(past.Left) > s.opts.SkewMaxAge {
		return false
	}
	d, err := s.sites.deployment(s.base, past.No)
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			s.fault(x, answer{}, "pinned deployment cannot be had", err)
		}
		return false
	}
	x.serving = d
	return true
}

// finishSkew adds what caches and the browser must know of the choice.
func (s *Server) finishSkew(x *exchange) {
	p := &x.plan
	p.Fields = append(p.Fields, varyOn(&x.skew))
	pins := x.skew.navigation && p.Page
	switch {
	case x.skew.denied:
		x.keepNothing()
	case pins || x.skew.by == byCookie:
		x.keepPrivate()
	}
	if pins {
		from := len(x.text)
		x.text = s.pins.appendCookie(x.text, x.host, x.serving.no, s.now(), x.req.Scheme == "https")
		p.Fields = append(p.Fields, field("Set-Cookie", x.text[from:]))
	}
}
