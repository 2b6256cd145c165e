package edge

import "github.com/valyala/fasthttp"

// answer is a response that is the same for every request: it tells nothing about hosts, files or this server.
type answer struct {
	status int
	body   string
	allow  string // the Allow field, "" for none
	retry  string // seconds, the Retry-After field, "" for none
	close  bool   // the connection cannot go on: where its next request begins is not known, or not wanted
}

// The answers that are given without a site. Every 400 closes: what follows a message that two parsers may read
// differently must not be taken for a request (RFC 9112 section 11.2).
func badRequest() answer  { return answer{status: 400, body: "Bad request\n", close: true} }
func unknownHost() answer { return answer{status: 404, body: "Not found\n"} }
func noConnect() answer {
	return answer{status: 405, body: "Method not allowed\n", allow: "GET, HEAD", close: true}
}
func optionsStar() answer  { return answer{status: 204, allow: "GET, HEAD"} }
func slowRequest() answer  { return answer{status: 408, body: "Request timeout\n", close: true} }
func bodyTooLarge() answer { return answer{status: 413, body: "Content too large\n", close: true} }
func targetTooLong() answer {
	return answer{status: 414, body: "URI too long\n", close: true}
}
func tooManyRequests() answer { return answer{status: 429, body: "Too many requests\n"} }
func headTooLarge() answer {
	return answer{status: 431, body: "Request header fields too large\n", close: true}
}
func internalError() answer  { return answer{status: 500, body: "Internal server error\n"} }
func badGateway() answer     { return answer{status: 502, body: "Bad gateway\n"} }
func unavailable() answer    { return answer{status: 503, body: "Service unavailable\n"} }
func gatewayTimeout() answer { return answer{status: 504, body: "Gateway timeout\n"} }
func wrongVersion() answer {
	return answer{status: 505, body: "HTTP version not supported\n", close: true}
}

// What a connection gets that is not served. Not even the date is worth computing for it.
const (
	fullAnswer = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 20\r\n" +
		"Cache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\n\r\nService unavailable\n"
	crowdAnswer = "HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 18\r\n" +
		"Cache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\n\r\nToo many requests\n"
)

// render makes resp the answer, whatever it held before.
func (a answer) render(resp *fasthttp.Response, head bool) {
	resp.ResetBody()
	resp.SkipBody = head
	h := &resp.Header
	h.Reset()
	h.SetNoDefaultContentType(true) // Reset forgets it
	h.DisableNormalizing()
	h.SetStatusCode(a.status)
	h.Add("Cache-Control", "no-store")
	if a.allow != "" {
		h.Add("Allow", a.allow)
	}
	if a.retry != "" {
		h.Add("Retry-After", a.retry)
	}
	if a.body != "" {
		h.SetContentType("text/plain; charset=utf-8")
		if head {
			h.SetContentLength(len(a.body))
		} else {
			resp.SetBodyString(a.body)
		}
	}
	if a.close {
		h.SetConnectionClose()
	}
}

func (a answer) bodyLen(head bool) int64 {
	if head {
		return 0
	}
	return int64(len(a.body))
}
