package edge

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"berth/assets"
	"berth/assets/catalog"
	"berth/router"
	"berth/router/hostkey"
	"berth/store"
)

// ServeAsset answers code that asks for a file of its deployment, as the request would be answered if there were no code: rules,
// absent pages, ranges and encodings included. rawURL is absolute. If its host leads to the project of the deployment, what the host
// brings along holds too: noindex, and files of its earlier deployments.
func (s *Server) ServeAsset(w http.ResponseWriter, r *http.Request, no store.DeploymentNo, rawURL string) {
	x := new(exchange)
	a := s.planAsset(x, r, no, rawURL)
	if a.status == 0 {
		a = s.sendAsset(w, r, x)
	}
	if a.status != 0 {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, strings.TrimSuffix(a.body, "\n"), a.status)
	}
}

func (s *Server) planAsset(x *exchange, r *http.Request, no store.DeploymentNo, rawURL string) answer {
	form, origin, authority := splitTarget([]byte(rawURL), nil)
	if form != originForm || len(rawURL) > s.opts.MaxHeaderBytes {
		return badRequest()
	}
	d, err := s.sites.deployment(s.base, no)
	if err != nil {
		return s.fault(x, internalError(), "site of a function cannot be had", err)
	}
	x.serving = d
	x.route = s.routeOf(x, view(authority), d)
	project, err := s.sites.settings(s.base, d.project)
	if err != nil {
		return s.fault(x, unavailable(), "settings cannot be had", err)
	}
	scheme, _, _ := strings.Cut(rawURL, ":")
	x.req = assetRequest(r, view(origin), strings.ToLower(scheme))
	x.req.Host, x.req.Port = string(x.host), portOf(view(authority), x.req.Scheme)
	return s.planFiles(x, catalog.Effective(d.settings, *project))
}

// routeOf is the route of the host that code names, if it leads to the project of its deployment; else that of a deployment's own host,
// which brings nothing along.
func (s *Server) routeOf(x *exchange, authority string, d deployment) router.Decision {
	own := router.Decision{Kind: store.RouteSite, Project: d.project, Deployment: d.no, Class: store.ClassDeployment}
	host, err := hostkey.Canonical(authority)
	if err != nil {
		return own
	}
	x.host = host
	x.query = router.Query{Host: host, Path: "/", Port: portOf(authority, "http")}
	route, err := s.resolver.Resolve(s.base, &x.query)
	if err != nil || route.Kind != store.RouteSite || route.Project != d.project {
		return own
	}
	return route
}

func assetRequest(r *http.Request, target, scheme string) assets.Request {
	field := func(name string) string { return strings.Join(r.Header[name], ", ") }
	return assets.Request{
		Method: r.Method, Target: target, Scheme: scheme,
		Authorization:  len(r.Header["Authorization"]) > 0,
		AcceptEncoding: field("Accept-Encoding"), IfNoneMatch: field("If-None-Match"), IfMatch: field("If-Match"),
		IfModifiedSince: field("If-Modified-Since"), IfRange: field("If-Range"), Range: field("Range"),
		SecFetchDest: field("Sec-Fetch-Dest"), SecFetchMode: field("Sec-Fetch-Mode"), Cookie: strings.Join(r.Header["Cookie"], "; "),
	}
}

// sendAsset is render for the other transport.
func (s *Server) sendAsset(w http.ResponseWriter, r *http.Request, x *exchange) answer {
	p, header := &x.plan, w.Header()
	stream, err := s.openAsset(&p.Body)
	if err != nil {
		return s.fault(x, internalError(), "blob cannot be had", err)
	}
	defer stream.Close()
	header["Content-Type"] = nil // or net/http guesses one
	for _, f := range p.Fields {
		if !ownedByTransport(f.Name) {
			header[f.Name] = append(header[f.Name], string(f.Value))
		}
	}
	if p.Status != http.StatusNoContent && p.Status != http.StatusNotModified {
		header.Set("Content-Length", strconv.FormatInt(p.Body.Length, 10))
	}
	w.WriteHeader(p.Status)
	if p.Head || r.Method == http.MethodHead || p.Body.Length == 0 {
		return answer{}
	}
	_, _ = stream.WriteTo(&timedWriter{w, http.NewResponseController(w), s.opts.WriteTimeout}) // the reader's end, or told already
	return answer{}
}

// openAsset is setBody for the other transport.
func (s *Server) openAsset(b *assets.Body) (*blobStream, error) {
	stream := &blobStream{srv: s, digest: b.Blob, size: b.BlobSize, used: true}
	switch b.Kind {
	case assets.BodyInline:
		stream.text = b.Inline
		return stream, nil
	case assets.BodyBlob:
		stream.off, stream.left = b.Offset, b.Length
	case assets.BodyMultipart:
		if err := checkParts(b); err != nil {
			return nil, err
		}
		stream.parts, stream.tail = b.Parts, b.Tail
	default:
		return stream, nil
	}
	var err error
	if b.BlobSize > s.opts.BodyCacheMaxItem {
		stream.file, err = s.files.get(s.base, b.Blob, b.BlobSize)
	} else {
		stream.data, err = s.bodies.get(s.base, b.Blob, b.BlobSize)
	}
	return stream, err
}

// timedWriter gives the reader so long for each piece.
type timedWriter struct {
	w       io.Writer
	control *http.ResponseController
	timeout time.Duration
}

func (t *timedWriter) Write(p []byte) (int, error) {
	if err := t.control.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return t.w.Write(p)
}
