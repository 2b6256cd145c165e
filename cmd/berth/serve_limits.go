package main

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"berth/assets/rules"
	"berth/cmd/berth/server"
	"berth/router/edge"
)

// addEdgeFlags is a flag for each bound on what a browser, or a stranger, may do.
func addEdgeFlags(f *pflag.FlagSet, s *server.Settings) {
	s.Edge = edge.Defaults()
	e := &s.Edge
	e.AnswerCache, e.BodyCache = 0, 0 // their shares of the memory, unless addMemoryFlags' say otherwise
	f.DurationVar(&e.HeaderTimeout, "header-timeout", e.HeaderTimeout, "time for the head of a request")
	f.DurationVar(&e.ReadTimeout, "read-timeout", e.ReadTimeout, "time for the body of a request")
	f.DurationVar(&e.WriteTimeout, "write-timeout", e.WriteTimeout, "time for the client to take each 64 KiB of an answer")
	f.DurationVar(&e.IdleTimeout, "idle-timeout", e.IdleTimeout, "time that a connection may wait for its next request")
	f.DurationVar(&e.DrainGrace, "drain-grace", e.DrainGrace, "time for one more request on idle connections at the end")
	f.Var(byteSize[int]{&e.MaxHeaderBytes}, "max-header-bytes", "request line and header fields")
	f.Var(byteSize[int]{&e.MaxTargetBytes}, "max-target-bytes", "request target")
	f.Var(byteSize[int]{&e.MaxBodyBytes}, "max-body-bytes", "request body, which is thrown away")
	f.IntVar(&e.MaxConns, "max-conns", e.MaxConns, "open connections")
	f.IntVar(&e.MaxConnsPerIP, "max-conns-per-ip", e.MaxConnsPerIP, "open connections of one client address; negative for no bound")
	f.Var(byteSize[int64]{&e.BodyCacheMaxItem}, "body-cache-max-item", "largest file that is kept in memory; larger ones are sent from the disk")
	f.IntVar(&e.OpenFiles, "open-files", e.OpenFiles, "files kept open to be sent from")
	f.BoolVar(&e.PlainOnly, "plain", false, "prepare no answers and keep no connection waiting outside of fasthttp: for comparisons")
	f.DurationVar(&e.SkewMaxAge, "skew-max-age", e.SkewMaxAge, "time that pages keep to their deployment, on sites with skew protection; 1m to 720h")
	f.IntVar(&e.AccessLogRing, "access-log-ring", e.AccessLogRing, "requests that may wait to be logged; more are dropped and counted")
}

// addControlFlags is a flag for each bound on what a deployment, or a client of the API, may do. The defaults shown are
// those of the control plane, which fills in a zero.
func addControlFlags(f *pflag.FlagSet, s *server.Settings) {
	c := &s.Control
	f.Var(byteSize[int64]{&c.MaxFileBytes}, "max-file-bytes", "one file of a deployment; default 25MiB")
	f.IntVar(&c.MaxFiles, "max-files", 0, "files of a deployment (default 20000)")
	f.Var(byteSize[int64]{&c.MaxManifestBytes}, "max-manifest-bytes", "listing of a deployment; default 32MiB")
	f.Var(byteSize[int64]{&c.MaxUploadBytes}, "max-upload-bytes", "body of one upload; default 64MiB")
	f.IntVar(&c.MaxUploadFiles, "max-upload-files", 0, "files of one upload (default 5000)")
	f.Var(byteSize[int64]{&c.MaxBundleBytes}, "max-bundle-bytes", "functions of a deployment; default 100MiB")
	f.Var(byteSize[int64]{&c.MaxRuleFileBytes}, "max-rule-file-bytes", "_headers, _redirects, _routes.json; default 1MiB each")
	f.IntVar(&c.MaxParts, "max-parts", 0, "parts of a multipart form (default 64)")
	f.Var(byteSize[int64]{&c.MaxJSONBytes}, "max-json-bytes", "any other body that the API takes; default 8MiB")
	f.IntVar(&c.MaxConcurrentCalls, "max-concurrent-calls", 0, "API calls worked on at once (default 256)")
	f.IntVar(&s.MaxAPIConns, "max-api-conns", s.MaxAPIConns, "open connections to the API")
	f.DurationVar(&c.BodyTimeout, "body-timeout", 0, "time without a byte from an API client (default 1m0s)")
	f.Var(byteSize[int64]{&c.MinBodyRate}, "min-body-rate", "bytes a second at which an API client has to send, --body-timeout apart; default 1KiB")
	f.DurationVar(&c.UploadTokenTTL, "upload-token-ttl", 0, "life of upload tokens, at most 30m (default 15m0s)")
	f.DurationVar(&c.SweepEvery, "sweep-every", 0, "time between sweeps, negative for none (default 1h0m0s)")
	f.DurationVar(&c.SweepGrace, "sweep-grace", 0, "age below which no blob is swept (default 24h0m0s)")
	f.IntVar(&c.MaxEnvVars, "max-env-vars", 0, "variables and secrets of one environment (default 512)")
	f.Var(byteSize[int]{&c.MaxEnvVarBytes}, "max-env-var-bytes", "value of one of them; default 64KiB")
	f.Var(byteSize[int]{&c.MaxSettingsBytes}, "max-settings-bytes", "all settings of a project; default 1MiB")
	f.IntVar(&c.MaxTokens, "max-tokens", 0, "tokens of an account (default 1000)")
	f.IntVar(&c.MaxDomains, "max-domains", 0, "custom domains of a project (default 100)")
	f.Var(workersFlag{&c.CompressWorkers}, "compress-workers", "files encoded at a time, in the background and on idle processors, 0 for none; default one for each processor, up to 8")
	f.Var(byteSize[int64]{&c.CompressMaxBytes}, "compress-max-bytes", "largest file that is encoded; default 16MiB")
	addRuleFlags(f, &c.Rules)
	f.Var(keepFlag{&c.KeepAssets}, "keep-assets", "`time` for which files of earlier deployments are answered, off for never; default 7d")
	f.IntVar(&c.MaxKeptFiles, "max-kept-files", 0, "those files of a project, the newest (default 20000)")
	f.DurationVar(&c.DomainTimeout, "domain-timeout", 0, "one look-up of a TXT record (default 5s)")
}

// addRuleFlags is a flag for each limit of _redirects, _headers and _routes.json. They hold for deployments that are there already, too:
// rule files are compiled when a site is loaded.
func addRuleFlags(f *pflag.FlagSet, r *rules.Options) {
	f.IntVar(&r.MaxRedirectsStatic, "max-redirects-static", 0, "lines of _redirects before the first with * or :name (default 2000)")
	f.IntVar(&r.MaxRedirectsDynamic, "max-redirects-dynamic", 0, "lines of _redirects from that one on (default 100)")
	f.IntVar(&r.MaxRedirectLine, "max-redirect-line", 0, "characters of a line of _redirects (default 2000)")
	f.IntVar(&r.MaxHeaderRules, "max-header-rules", 0, "rules of _headers (default 100)")
	f.IntVar(&r.MaxHeaderLine, "max-header-line", 0, "characters of a line of _headers (default 2000)")
	f.Var(byteSize[int]{&r.MaxHeadersBytes}, "max-headers-bytes", "fields of all rules of _headers together; default 1MiB")
	f.IntVar(&r.MaxRoutesRules, "max-routes-rules", 0, "rules of _routes.json (default 100)")
	f.IntVar(&r.MaxRouteLength, "max-route-length", 0, "characters of a rule of _routes.json (default 100)")
}

// inFlags says the faults of the packages' options in the words of the command line: MaxFiles is --max-files.
func inFlags(err error) error {
	text := strings.NewReplacer("make edge: ", "", "control: ", "").Replace(err.Error())
	var b strings.Builder
	for i := 0; i < len(text); {
		if word := optionName(text[i:]); word != "" && (i == 0 || text[i-1] == ' ' || text[i-1] == '\n') {
			b.WriteString("--" + flagOf(word))
			i += len(word)
			continue
		}
		b.WriteByte(text[i])
		i++
	}
	return errors.New(b.String())
}

// optionName is the name of an option at the start of s: at least two words in one, capitals first.
func optionName(s string) string {
	n, humps := 0, 0
	for n < len(s) && (s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
		if s[n] < 'a' && (n == 0 || s[n-1] >= 'a') {
			humps++
		}
		n++
	}
	if humps < 2 || s[0] >= 'a' {
		return ""
	}
	return s[:n]
}

// flagOf turns MaxConnsPerIP into max-conns-per-ip.
func flagOf(name string) string {
	var b strings.Builder
	for i := range len(name) {
		upper := name[i] < 'a'
		if upper && i > 0 && (name[i-1] >= 'a' || i+1 < len(name) && name[i+1] >= 'a') {
			b.WriteByte('-')
		}
		if upper {
			b.WriteByte(name[i] | 0x20)
			continue
		}
		b.WriteByte(name[i])
	}
	return b.String()
}
