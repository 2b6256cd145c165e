package main

import (
	"context"
	"io"
	"net/http"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"berth/assets/compress"
	"berth/assets/httpsem"
)

// cmdCoded waits until the edge answers in a content coding, and looks whether that is the file: coded CODING HOST PATH FILE.
func cmdCoded(ts *testscript.TestScript, neg bool, args []string) {
	codings := map[string]httpsem.Encoding{"gzip": httpsem.Gzip, "zstd": httpsem.Zstd, "br": httpsem.Brotli}
	if neg || len(args) != 4 || codings[args[0]] == httpsem.Identity {
		ts.Fatalf("usage: coded gzip|zstd|br HOST PATH FILE")
	}
	var body io.ReadCloser
	poll(ts, "wait for "+args[2]+" in "+args[0], func() bool {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+ts.Getenv("HTTP")+args[2], nil)
		ts.Check(err)
		req.Host = args[1]
		req.Header.Set("Accept-Encoding", args[0])
		res, err := http.DefaultTransport.RoundTrip(req)
		ts.Check(err)
		if body = res.Body; res.Header.Get("Content-Encoding") == args[0] {
			return true
		}
		ts.Check(body.Close())
		return false
	})
	defer body.Close()
	file, err := os.Open(ts.MkAbs(args[3]))
	ts.Check(err)
	defer file.Close()
	info, err := file.Stat()
	ts.Check(err)
	same, err := compress.Same(context.Background(), body, codings[args[0]], file, info.Size())
	ts.Check(err)
	if !same {
		ts.Fatalf("GET %s in %s is not %s", args[2], args[0], args[3])
	}
}
