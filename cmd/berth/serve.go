package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"berth/assets/compress"
	"berth/cmd/berth/server"
)

func newServeCommand(a *app) *cobra.Command {
	s := server.Defaults()
	c := a.verb("serve", nil, "Serve sites, and the API that publishes them", `Sites are served at --http by their hostnames, and the API at --api, for wrangler, CI and the other berth commands.
The first start makes the data directory, an account called default, and DIR/admin.token with an administrator's token.
SIGTERM and Ctrl-C drain and stop; a second one stops at once. SIGHUP opens the access log and the certificate again.`,
		func(ctx context.Context, _ []string) (err error) {
			if s.EncodeCommand, err = compress.SelfCommand(encodeWorker); err != nil {
				return err
			}
			err = server.Run(ctx, s, server.Output{
				Stdout: a.stdout, Stderr: a.stderr,
				Started: func(st server.Status) error {
					return a.print(st, func(w io.Writer) { writeStarted(w, st, s) })
				},
			})
			if bad, ok := errors.AsType[*server.SettingsError](err); ok {
				return &usageError{err: inFlags(bad.Err)}
			}
			return err
		})
	f := c.Flags()
	f.StringVar(&s.Data, "data", s.Data, "data `directory`")
	f.StringVar(&s.HTTP, "http", s.HTTP, "`address` of the sites, HOST:PORT")
	f.StringVar(&s.API, "api", s.API, "`address` of the API, HOST:PORT")
	f.StringVar(&s.Domain, "domain", s.Domain, "base `domain` of the sites' hostnames")
	f.StringVar(&s.PublicURL, "public-url", "", "`SCHEME[:PORT]` of printed URLs, behind a TLS proxy; default http and the port of --http")
	f.StringVar(&s.Datacentre, "datacentre", s.Datacentre, "`name` of this place, for logs and berth explain")
	f.StringVar(&s.APICert, "api-cert", "", "PEM `file` of the API's certificate: the API then speaks TLS")
	f.StringVar(&s.APIKey, "api-key", "", "PEM `file` of its key")
	f.BoolVar(&s.APIInsecure, "api-insecure", false, "let the API speak plain HTTP beyond this machine, behind a TLS proxy")
	f.BoolVar(&s.Pprof, "pprof", false, "serve profiles at /debug/pprof/ of the API, to the server's administrators")
	f.StringVar(&s.Resolver, "resolver", "", "DNS `server` that is asked for the TXT records of custom domains; default the system's")
	f.StringSliceVar(&s.TrustedProxies, "trusted-proxy", nil, "`range` of proxies whose X-Forwarded-For is believed (repeat, or separate with commas)")
	f.StringVar(&s.AccessLog, "access-log", "", "`file` for one JSON line a request, - for standard output")
	f.StringVar(&s.ReadyFile, "ready-file", "", "write the addresses as JSON to this `file` once the server serves")
	f.DurationVar(&s.DrainTimeout, "drain-timeout", s.DrainTimeout, "how long requests under way may take at the end")
	f.StringVar(&s.LogFormat, "log-format", s.LogFormat, "`text` or json")
	f.StringVar(&s.LogLevel, "log-level", s.LogLevel, "`level`: debug, info, warn or error")
	addMemoryFlags(f, &s)
	addLegacyFlags(f, &s)
	addEdgeFlags(f, &s)
	addFunctionFlags(f, &s)
	addControlFlags(f, &s)
	return c
}

// siteURL is the form of the sites' addresses.
func siteURL(st server.Status) string {
	scheme, port, found := strings.Cut(st.PublicURL, ":")
	if found {
		port = ":" + port
	}
	return scheme + "://PROJECT." + st.Domain + port
}

// writeStarted says where things are, and what to type next.
func writeStarted(w io.Writer, st server.Status, s server.Settings) {
	fmt.Fprintf(w, "berth %s serves\n", version())
	fields(w, [][2]string{
		{"  sites", fmt.Sprintf("%s, as %s", st.HTTP, siteURL(st))},
		{"  API", st.APIURL},
		{"  data", st.Data},
		{"  admin token", st.TokenFile},
	})
	next := "berth deploy DIR --project NAME"
	if st.APIURL != defaultAPI {
		next += " --api " + st.APIURL
	}
	if abs, err := filepath.Abs(defaultData); err != nil || abs != st.Data {
		next += " --data " + s.Data
	}
	fmt.Fprintf(w, "Next, in another terminal: %s\n", next)
}
