package edge

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"berth/assets/catalog"
	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

// answerHere answers a request whose head is raw, and reports whether it did. What it leaves alone is fasthttp's: whatever is not a
// plain GET, is not well-formed to the letter, or has no prepared answer.
func (c *conn) answerHere(fd uintptr, l *lane, raw []byte) bool {
	s := c.srv
	target, fields, ok := plainGet(raw)
	if !ok || len(target) > s.opts.MaxTargetBytes || s.draining.Load() || !l.head.parse(fields) || !l.head.plain() {
		return false
	}
	p := s.lookUp(c, l, target)
	if p == nil {
		return false
	}
	var file *openFile
	if p.fromFile() {
		var err error
		if file, err = s.files.get(s.base, p.blob, p.size); err != nil {
			return false // fasthttp finds so too, and says it
		}
		defer file.unref()
	}
	client := c.peer
	if c.trusted {
		client = s.client(c.peer, l.head.forwardedFor)
		if s.requests != nil && !s.trusts(client) {
			if !s.requests.take(client) {
				return false // which says so
			}
			defer s.requests.put(client)
		}
	}
	c.answerPrepared(fd, l, p, file, target, client)
	return true
}

// answerPrepared sends an answer, counts it and logs it.
func (c *conn) answerPrepared(fd uintptr, l *lane, p *prepared, file *openFile, target []byte, client netip.Addr) {
	s := c.srv
	c.idleFrom(l.now)
	r := s.noteGet(c, l, target, client)
	if p.status == fasthttp.StatusNotFound {
		s.stats.unknownHosts.Add(1)
	}
	sent := c.sendPrepared(fd, l, p, file)
	c.shard.answered(p.status, sent)
	c.shard.prepared.Add(1)
	if r != nil {
		r.status, r.bytes = p.status, sent
		l.records = append(l.records, r)
	}
	if len(l.out) == 0 {
		c.logSent(l)
	}
	c.asked = routing{} // or an idle connection would keep a site in memory
}

// logSent logs the answers that are no longer waiting.
func (c *conn) logSent(l *lane) {
	for i, r := range l.records {
		r.duration, r.aborted = time.Since(r.start), c.failed
		c.srv.access.put(r)
		l.records[i] = nil
	}
	l.records = l.records[:0]
}

// lookUp finds the prepared answer of a request; nil: there is none. What the router says is kept for fasthttp's handler, so that a
// request which is not answered here is routed once all the same: routers count, sample and compare.
func (s *Server) lookUp(c *conn, l *lane, target []byte) (p *prepared) {
	defer func() {
		if recover() != nil { // fasthttp's handler comes to the same place, and has an answer for it
			c.asked, p = routing{}, nil
		}
	}()
	authority := l.head.host
	host, err := hostkey.Canonical(authority)
	if err != nil {
		return nil
	}
	path := originPath(target)
	began := time.Time{}
	if s.access != nil {
		began = time.Now()
	}
	l.query = router.Query{Host: host, Path: view(path), Port: portOf(authority, l.head.scheme(c.trusted))}
	route, err := s.resolver.Resolve(s.base, &l.query)
	c.asked = routing{began: began, done: true, route: route, err: err}
	if err == router.ErrNoRoute {
		return s.answers.unknown.Load()
	}
	if err != nil || route.Kind != store.RouteSite {
		return nil
	}
	d, err := s.sites.deployment(s.base, route.Deployment)
	c.asked.loaded, c.asked.site, c.asked.siteErr = true, d, err
	if err != nil || d.content == (catalog.Content{}) {
		return nil
	}
	project, err := s.sites.settings(s.base, route.Project)
	if err != nil {
		return nil
	}
	settings := catalog.Effective(d.settings, *project)
	if settings.Skew == store.On && route.Class != store.ClassDeployment {
		return nil
	}
	return s.answers.get(answerKey{
		content: d.content, path: view(path), noneMatch: l.head.ifNoneMatch, accepts: l.accepts.of(l.head.acceptEncoding),
		noIndex: route.Flags&store.FlagNoIndex != 0, noCORS: settings.CORS == store.Off,
	})
}

// plain says that a request has no field that makes its answer other than a prepared one, and none that fasthttp has to see to.
func (h *head) plain() bool {
	return h.hosts == 1 && !h.odd && !h.closes && !h.hasLength && !h.hasTE && !h.hasAuthentication &&
		h.rangeField == "" && h.deploymentID == ""
}

// plainGet takes a head apart that is of the form that browsers send, and nothing that needs interpretation: a GET of HTTP/1.1 of an
// origin-form target without white space or fragment.
func plainGet(raw []byte) (target, fields []byte, ok bool) {
	const method, version = "GET ", " HTTP/1.1\r"
	end := bytes.IndexByte(raw, '\n')
	if end < len(method)+1+len(version) || string(raw[:len(method)]) != method || string(raw[end-len(version):end]) != version {
		return nil, nil, false
	}
	target, fields = raw[len(method):end-len(version)], raw[end+1:]
	if target[0] != '/' || firstControl(target) < len(target) || bytes.IndexByte(target, ' ') >= 0 || bytes.IndexByte(target, '#') >= 0 {
		return nil, nil, false
	}
	return target, fields, true
}
