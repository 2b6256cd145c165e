package bench

import (
	"encoding/json"
	"net"
	"os"

	"github.com/valyala/fasthttp"
)

// Constant serves the same body to every request, with the header fields that the edge would send for a file, until the
// process ends. It writes where it listens to the ready file.
func Constant(size int, ready string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	body := make([]byte, size)
	srv := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
		h := &ctx.Response.Header
		h.SetContentType("application/octet-stream")
		h.Set("ETag", `"2a28e23db2cf7d98c7e9115289a53958"`)
		h.Set("Cache-Control", "public, max-age=0, must-revalidate")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Referrer-Policy", "strict-origin-when-cross-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		ctx.SetBody(body)
	}}
	b, err := json.Marshal(map[string]string{"http": ln.Addr().String()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(ready, b, 0o600); err != nil {
		return err
	}
	return srv.Serve(ln)
}
