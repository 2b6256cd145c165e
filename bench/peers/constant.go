package peers

import (
	"net"

	"github.com/valyala/fasthttp"
)

// Constant serves the same body to every request with fasthttp used the plain way, and with the header fields that the edge sends
// for a file: the ceiling of what a server that has to find its answer can reach that way. It serves until the process ends.
func Constant(addr string, size int) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	body := make([]byte, size)
	srv := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
		h := &ctx.Response.Header
		h.SetContentType("image/png")
		h.Set("Accept-Ranges", "bytes")
		h.Set("ETag", `"2a28e23db2cf7d98c7e9115289a53958"`)
		h.Set("Cache-Control", "public, max-age=0, must-revalidate")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		ctx.SetBody(body)
	}}
	return srv.Serve(ln)
}
