package edge

import (
	"errors"
	"os"
	"runtime/debug"
	"strings"

	"github.com/valyala/fasthttp"

	"berth/assets"
	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

// serve is the handler of every request whose head fasthttp could parse.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	c := ctx.Conn().(*conn)
	x := s.begin(c, ctx)
	defer s.rescue(ctx, x)
	s.note(x, ctx)
	a := s.check(c, x, ctx)
	if a.status == 0 {
		a = s.respond(c, x, ctx)
	} else {
		a = s.settleBody(c, ctx, a)
	}
	if a.status != 0 {
		s.give(ctx, x, a)
	}
	if a == unknownHost() {
		s.keepUnknown(x, ctx)
	}
	if x.uploading {
		return // its connection ends with the answer, and is not ours to look at
	}
	// While draining, pipelined requests behind this one have been sent already: the last of them ends the connection.
	if x.head.closes || s.draining.Load() && c.received-c.used <= c.blank && !c.moreRead() {
		ctx.Response.Header.SetConnectionClose()
	}
}

// rescue turns a panic into a 500. Nothing has been written yet: fasthttp writes after the handler.
func (s *Server) rescue(ctx *fasthttp.RequestCtx, x *exchange) {
	r := recover()
	if r == nil {
		return
	}
	s.stats.panics.Add(1)
	s.faults.report("request panicked", "panic", r, "deployment", x.route.Deployment, "stack", string(debug.Stack()))
	a := internalError()
	a.close = true // the body may be half read
	s.give(ctx, x, a)
}

func (s *Server) give(ctx *fasthttp.RequestCtx, x *exchange, a answer) {
	head := ctx.IsHead()
	a.render(&ctx.Response, head)
	x.status, x.sent = a.status, a.bodyLen(head)
	x.stream.used, x.body = false, nil
	x.answered.end()
	x.answered.sent = 0
	if a.status == 400 {
		s.stats.badRequests.Add(1)
	}
}

// check refuses what must not reach a site, and reads the body away unless a function may want it. The zero answer means: go on.
func (s *Server) check(c *conn, x *exchange, ctx *fasthttp.RequestCtx) answer {
	h := &ctx.Request.Header
	if a := x.checkFraming(h); a.status != 0 {
		return a
	}
	target := h.RequestURI()
	if len(target) > s.opts.MaxTargetBytes {
		return targetTooLong()
	}
	if s.functions == nil { // else it is not known yet who wants it
		if a := s.discardBody(c, ctx); a.status != 0 {
			return a
		}
	}
	if c.trusted {
		x.client = s.client(c.peer, x.head.forwardedFor)
		if s.requests != nil && !s.trusts(x.client) {
			if !s.requests.take(x.client) {
				return tooManyRequests()
			}
			x.counted = true
		}
	}
	return s.checkTarget(c, x, h.Method(), target, h.Host())
}

// checkFraming refuses heads in which two recipients may see different messages.
func (x *exchange) checkFraming(h *fasthttp.RequestHeader) answer {
	if !x.head.parse(h.RawHeaders()) {
		return badRequest()
	}
	proto := h.Protocol()
	if len(proto) != 8 || proto[5] != '1' {
		return wrongVersion()
	}
	switch {
	case x.head.hasTE && x.head.hasLength,
		// RFC 9112 section 6.1: a Transfer-Encoding in HTTP/1.0 is faulty framing.
		x.head.hasTE && !h.IsHTTP11(),
		// fasthttp passes over "identity", which RFC 9112 no longer knows.
		x.head.hasTE && h.ContentLength() != -1:
		return badRequest()
	}
	return answer{}
}

// checkTarget settles the host and fills in the planner's request.
func (s *Server) checkTarget(c *conn, x *exchange, method, target, host []byte) answer {
	if string(method) == fasthttp.MethodConnect {
		return noConnect()
	}
	form, origin, authority := splitTarget(target, host)
	if form == asteriskForm && string(method) == fasthttp.MethodOptions && validHost(target, host) {
		return optionsStar()
	}
	if form != originForm {
		return badRequest()
	}
	canonical, err := hostkey.Canonical(view(authority))
	if err != nil || !validHost(target, host) {
		return badRequest()
	}
	x.host = canonical
	x.query = router.Query{Host: canonical, Path: view(originPath(origin))}
	h := &x.head
	x.req = assets.Request{
		Method: view(method), Target: view(origin), Host: string(canonical), Scheme: h.scheme(c.trusted),
		Authorization:  h.hasAuthentication,
		AcceptEncoding: h.acceptEncoding, IfNoneMatch: h.ifNoneMatch, IfMatch: h.ifMatch,
		IfModifiedSince: h.ifModifiedSince, IfRange: h.ifRange, Range: h.rangeField,
		SecFetchDest: h.secFetchDest, SecFetchMode: h.secFetchMode, Cookie: h.cookie,
	}
	x.req.Port = portOf(view(authority), x.req.Scheme)
	x.query.Port = x.req.Port
	if x.record != nil {
		x.record.host = x.record.keep(bytesOf(string(canonical)), len(canonical))
	}
	return answer{}
}

// validHost judges a Host field that target leaves unused: RFC 9112 section 3.2 wants a 400 for a malformed one whatever
// the target, for another recipient may have read that one. Only HTTP/1.0 gets here without the field.
func validHost(target, host []byte) bool {
	if target[0] == '/' || len(host) == 0 {
		return true // it was judged as the authority, or is not there
	}
	_, err := hostkey.Canonical(view(host))
	return err == nil
}

// respond asks the router and the site, and renders the plan, or has the site's code answer.
func (s *Server) respond(c *conn, x *exchange, ctx *fasthttp.RequestCtx) answer {
	a := s.find(x)
	if a.status == 0 {
		a = s.plan(x)
	}
	if a.status == 0 && x.code {
		return s.runFunction(c, x, ctx)
	}
	if a = s.settleBody(c, ctx, a); a.status != 0 {
		return a
	}
	if a := s.render(x, ctx); a.status != 0 {
		return a
	}
	s.keep(x, ctx)
	return answer{}
}

// find resolves the host to a site. A deployment may be deleted between the two look-ups; then its route is gone or
// moved too, so a site that cannot be had is a fault only if the host still leads to it.
func (s *Server) find(x *exchange) answer {
	var failed error
	for {
		route, err := s.resolve(x)
		if errors.Is(err, router.ErrNoRoute) {
			s.stats.unknownHosts.Add(1)
			x.route = router.Decision{}
			return unknownHost()
		}
		if err != nil {
			return s.fault(x, unavailable(), "resolve failed", err)
		}
		if route.Kind != store.RouteSite {
			return s.fault(x, internalError(), "route is of an unknown kind", nil)
		}
		if failed != nil && route == x.route {
			return s.fault(x, internalError(), "site cannot be had", failed)
		}
		x.route = route
		d, err := s.load(x, route.Deployment)
		if err == nil {
			x.serving = d
			return answer{}
		}
		if failed != nil {
			return s.fault(x, internalError(), "site cannot be had", err)
		}
		failed = err
	}
}

// resolve asks the router, unless it was asked already.
func (s *Server) resolve(x *exchange) (router.Decision, error) {
	if x.asked.done {
		x.asked.done = false
		return x.asked.route, x.asked.err
	}
	return s.resolver.Resolve(s.base, &x.query)
}

func (s *Server) load(x *exchange, no store.DeploymentNo) (deployment, error) {
	if x.asked.loaded && x.asked.route.Deployment == no {
		x.asked.loaded = false
		return x.asked.site, x.asked.siteErr
	}
	return s.sites.deployment(s.base, no)
}

// fault counts and logs what went wrong on our side, with its cause, which the client is not told.
func (s *Server) fault(x *exchange, a answer, msg string, err error) answer {
	s.stats.faults.Add(1)
	s.faults.report(msg, "host", strings.Clone(string(x.host)), "deployment", x.route.Deployment, "err", err)
	return a
}

// refuseUnparsed answers what never became a request.
func (s *Server) refuseUnparsed(ctx *fasthttp.RequestCtx, err error) {
	c := ctx.Conn().(*conn)
	if !c.heard {
		return // nothing to answer, and Write will not
	}
	a := badRequest()
	var tooSmall *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &tooSmall) && !c.sawLF:
		a = targetTooLong()
	case errors.As(err, &tooSmall):
		a = headTooLarge()
	case errors.Is(c.readErr, os.ErrDeadlineExceeded):
		a = slowRequest()
	}
	c.used = c.received
	if c.x == nil { // else the body failed after it was invited
		x := s.begin(c, ctx)
		x.head = head{joined: x.head.joined[:0]}
		s.note(x, ctx)
	}
	s.give(ctx, c.x, a)
}
