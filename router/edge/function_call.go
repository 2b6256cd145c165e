package edge

import (
	"bytes"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
	"golang.org/x/net/http/httpguts"

	"berth/router/functions"
)

// newCall makes of a request what goes to a function. All of it is copied: parts of it may be in use when the request is over. body is
// nil if there is none.
func (s *Server) newCall(c *conn, x *exchange, ctx *fasthttp.RequestCtx) (call *functions.Call, body *functionBody, a answer) {
	h := &ctx.Request.Header
	header, ok := forwardedFields(h.RawHeaders(), c.trusted)
	if !ok {
		return nil, nil, badRequest()
	}
	header.Del("Cf-Connecting-Ip")
	for _, name := range [...]string{"Cf-Connecting-Ip", "X-Real-Ip", "X-Forwarded-For"} {
		if delete(header, name); x.client.IsValid() {
			header[name] = []string{x.client.String()}
		}
	}
	header["X-Forwarded-Proto"] = []string{x.req.Scheme}
	authority := string(x.host)
	if x.req.Port != "" {
		authority += ":" + x.req.Port
	}
	path, query := x.plan.Address(x.req.Target)
	call = &functions.Call{
		Deployment: x.serving.no, Method: string(h.Method()), URL: x.req.Scheme + "://" + authority + path + query,
		Host: strings.Clone(authority), Header: header,
	}
	length := h.ContentLength()
	if length > s.opts.MaxFunctionBody {
		return nil, nil, bodyTooLarge()
	}
	if stream := ctx.RequestBodyStream(); stream != nil && length != 0 {
		body = s.newFunctionBody(c, stream, length)
		call.Body, call.Length = body, int64(max(length, -1))
	}
	return call, body, answer{}
}

// forwardedFields are the fields of a request that its function sees: not those that are the connection's (RFC 9110 section 7.6.1), nor
// those by which this server speaks to the dispatcher, nor, unless a trusted proxy sent them, those that are Cloudflare's to set.
func forwardedFields(raw []byte, trusted bool) (http.Header, bool) {
	header := make(http.Header, 24)
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\r\n"))
		raw = rest
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue // the end
		}
		key, text := textproto.CanonicalMIMEHeaderKey(string(name)), string(trimSpace(value))
		if !httpguts.ValidHeaderFieldValue(text) {
			return nil, false
		}
		switch {
		case key == "Host", key == "Expect", key != "Connection" && ownedByTransport(key), key == "Te",
			strings.HasPrefix(key, functions.FieldPrefix), !trusted && strings.HasPrefix(key, "Cf-"):
			continue
		}
		header[key] = append(header[key], text)
	}
	for _, field := range header["Connection"] {
		for option := range strings.SplitSeq(field, ",") {
			header.Del(strings.TrimSpace(option))
		}
	}
	header.Del("Connection")
	if cookies := header["Cookie"]; len(cookies) > 1 {
		header["Cookie"] = []string{strings.Join(cookies, "; ")} // RFC 9113 section 8.2.3
	}
	return header, true
}

// sortedNames has answers look the same each time.
func sortedNames(h http.Header) []string { return slices.Sorted(maps.Keys(h)) }
