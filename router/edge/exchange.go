package edge

import (
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"berth/assets"
	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

// exchange is one request and its answer: everything that is needed until the answer has been written, kept for reuse.
// Strings in it are views of the request's bytes.
type exchange struct {
	head  head
	req   assets.Request
	plan  assets.Plan
	query router.Query

	client  netip.Addr
	counted bool // in Server.requests
	host    hostkey.Host
	route   router.Decision
	serving deployment // what answers: that of the route, or one that the client is pinned to
	skew    skew
	pinned  bool // serving is not that of the route
	code    bool // the code of serving answers
	running bool // counted in Server.running
	movedOn bool // the host does not serve that of the route any more
	asked   routing
	status  int
	sent    int64 // bytes of body handed to the connection

	body   []byte    // of the answer, if it is in memory
	file   *openFile // with the body, if it is there
	stream blobStream

	answered  functionAnswer // by code
	uploading bool           // more of the request may come while the answer goes out

	text   []byte  // values of fields that are made here
	record *record // nil: not logged
}

// routing is what the router said of a request before fasthttp had it.
type routing struct {
	began time.Time // for the log; zero without one
	done  bool
	route router.Decision
	err   error

	loaded  bool
	site    deployment
	siteErr error
}

// begin makes the exchange of a request. It ends in finish, when fasthttp has written the answer or given up.
func (s *Server) begin(c *conn, ctx *fasthttp.RequestCtx) *exchange {
	x := s.exchanges.Get().(*exchange)
	x.client, x.counted, x.host, x.route, x.status, x.sent = c.peer, false, "", router.Decision{}, 0, 0
	x.serving, x.pinned, x.plan.KeptSource = deployment{}, false, 0
	x.record, x.body, x.code, x.running, x.uploading = nil, nil, false, false, false
	x.asked, c.asked = c.asked, routing{}
	c.x = x
	c.used += requestLength(&ctx.Request.Header)
	if c.used < 0 {
		c.used = c.received
	}
	return x
}

// requestLength is what a request took up of its connection, or far less than zero if that is not known.
func requestLength(h *fasthttp.RequestHeader) int {
	const lineExtra = len("  \r\n")
	body := h.ContentLength()
	switch body {
	case -1:
		return -1 << 40
	case -2:
		body = 0
	}
	return len(h.Method()) + len(h.RequestURI()) + len(h.Protocol()) + lineExtra + len(h.RawHeaders()) + body
}

// finish ends an exchange. Its request and answer may be gone already.
func (s *Server) finish(c *conn, x *exchange) {
	if x.counted {
		s.requests.put(x.client)
	}
	if x.stream.used {
		x.sent = x.stream.sent
	}
	x.answered.end()
	x.sent += x.answered.sent
	if x.running {
		s.running.put(x.client)
	}
	c.shard.answered(x.status, x.sent)
	x.countEarlier(c.shard)
	if r := x.record; r != nil {
		x.record = nil
		r.duration = time.Since(r.start)
		r.status, r.bytes, r.aborted = x.status, x.sent, c.failed || x.stream.failed || x.answered.failed
		r.client, r.route = x.client, x.route
		r.route.Deployment = x.answering()
		s.access.put(r)
	}
	x.stream, x.answered, x.body, x.file, x.serving, x.asked = blobStream{}, functionAnswer{}, nil, nil, deployment{}, routing{} // or an idle exchange would keep a site in memory
	x.req.Kept = nil
	if cap(x.head.joined) > 64<<10 {
		x.head.joined = nil
	}
	if cap(x.text) > 64<<10 {
		x.text = nil
	}
	s.exchanges.Put(x)
}

// countEarlier counts answers of deployments that the host serves no more.
func (x *exchange) countEarlier(c *counterShard) {
	if x.pinned {
		c.pinned.Add(1)
	}
	if x.plan.KeptSource != 0 {
		c.kept.Add(1)
	}
}

// answering is the deployment whose files and rules the answer comes from.
func (x *exchange) answering() store.DeploymentNo {
	if x.plan.KeptSource != 0 {
		return store.DeploymentNo(x.plan.KeptSource)
	}
	if x.pinned {
		return x.serving.no
	}
	return x.route.Deployment
}
