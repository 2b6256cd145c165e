package edge

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/valyala/fasthttp"

	"berth/assets"
	"berth/router/functions"
)

// Functions runs the code of deployments; it is a *functions.Runtime. Run returns when the head of the answer is there, whose body
// the caller closes. Its error is one of package functions', or says that the connection to the code failed.
type Functions interface {
	Run(ctx context.Context, c *functions.Call) (*http.Response, error)
}

// selects reports whether a request is for the code of the deployment that answers it.
func (s *Server) selects(x *exchange) bool {
	f := x.serving.functions
	if f == nil || s.functions == nil {
		return false
	}
	path, _ := x.plan.Address(x.req.Target)
	return f.Select(path)
}

// settleBody is for requests that are not for code, where some could have been: their bodies are still to be read. a is the answer so far;
// what is wrong with the body goes before it.
func (s *Server) settleBody(c *conn, ctx *fasthttp.RequestCtx, a answer) answer {
	if s.functions == nil || a.close {
		return a
	}
	if fault := s.discardBody(c, ctx); fault.status != 0 {
		return fault
	}
	return a
}

// maxBody is the largest body that some request may have.
func (s *Server) maxBody() int {
	if s.functions == nil {
		return s.opts.MaxBodyBytes
	}
	return max(s.opts.MaxBodyBytes, s.opts.MaxFunctionBody)
}

// runFunction has a deployment's code answer a request.
func (s *Server) runFunction(c *conn, x *exchange, ctx *fasthttp.RequestCtx) answer {
	if s.running != nil && !x.running {
		if !s.running.take(x.client) {
			a := tooManyRequests()
			a.retry = "1"
			return s.settleBody(c, ctx, a)
		}
		x.running = true
	}
	call, body, a := s.newCall(c, x, ctx)
	if a.status != 0 {
		return a
	}
	res, err := s.functions.Run(s.base, call)
	if err != nil {
		a = s.functionFault(x, err)
		if body != nil {
			if fault := body.fault(); fault.status != 0 {
				a = fault
			}
			a.close = a.close || !body.whole()
		}
		return a
	}
	x.answered.res, x.answered.body, x.answered.server = res, body, s
	if body != nil && !body.whole() {
		// More of the request may come while the answer goes out, or never. Either way what follows on the connection is of no use.
		ctx.Response.Header.SetConnectionClose()
		x.uploading = true
	}
	if !x.takePlan(res) {
		x.answered.end()
		s.faults.report("function gave no valid answer", "deployment", x.serving.no, "status", res.StatusCode)
		a = badGateway()
		a.close = x.uploading
		return a
	}
	if x.skew.on {
		s.finishSkew(x)
	}
	return s.renderFunction(x, ctx)
}

// functionFault is what a client is told of a function that did not answer.
func (s *Server) functionFault(x *exchange, err error) answer {
	thrown := (*functions.Thrown)(nil)
	switch {
	case errors.As(err, &thrown):
		s.faults.report("function failed", "deployment", x.serving.no, "thrown", thrown.Text)
		return internalError()
	case errors.Is(err, functions.ErrBusy):
		a := unavailable()
		a.retry = "1"
		return a
	case errors.Is(err, functions.ErrUnavailable):
		return unavailable()
	case errors.Is(err, functions.ErrTimeout):
		s.faults.report("function was silent for too long", "deployment", x.serving.no)
		return gatewayTimeout()
	}
	s.faults.report("function was cut off", "deployment", x.serving.no, "err", err)
	return badGateway()
}

// takePlan makes the head of a function's answer the plan, so that what the edge adds to plans can be added to it.
func (x *exchange) takePlan(res *http.Response) bool {
	if res.StatusCode < 200 || res.StatusCode > 599 {
		return false
	}
	p := &x.plan
	p.Status, p.Fields, p.Body, p.Head = res.StatusCode, p.Fields[:0], assets.Body{}, false
	p.Missing, p.Fixed, p.KeptSource = false, false, 0
	p.Page = res.StatusCode == fasthttp.StatusOK && strings.HasPrefix(strings.ToLower(res.Header.Get("Content-Type")), "text/html")
	for _, name := range sortedNames(res.Header) {
		if ownedByTransport(name) || strings.HasPrefix(name, functions.FieldPrefix) {
			continue
		}
		for _, v := range res.Header[name] {
			p.Fields = append(p.Fields, assets.Field{Name: name, Value: bytesOf(v)})
		}
	}
	return true
}
