// Package control is the control plane: every change of state, and the HTTP API that wrangler, CI and the command line
// speak.
package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"berth/assets/blob"
	"berth/router/hostkey"
	"berth/store"
)

// TXTResolver looks up TXT records; net.Resolver is one.
type TXTResolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Change is what one state change does to routes: records to set and to delete, in the Update it belongs to.
type Change struct {
	Project store.ProjectNo
	Routes  []RouteChange
}

// RouteChange sets (Route != nil) or deletes the record of one host. A wildcard's Host is the parent, with Wildcard true.
type RouteChange struct {
	Host     hostkey.Host
	Wildcard bool
	Route    *store.Route
}

// RouteWriter writes route changes inside the Update that makes them; it is what dual-write decorates. An error undoes
// the whole Update.
type RouteWriter interface {
	Apply(ctx context.Context, tx *store.Tx, c Change) error
}

// Deps are the parts that control works on.
type Deps struct {
	Store    *store.Store
	Blobs    *blob.Dir
	Hasher   *hostkey.Hasher
	Routes   RouteWriter // nil: route records only
	Resolver TXTResolver // nil: net.DefaultResolver
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
	Rand     io.Reader        // nil: crypto/rand
	// SealingKey seals env vars and secrets at rest (AES-256-GCM); UploadKey signs upload JWTs (HS256).
	SealingKey, UploadKey [32]byte
}

// Options are the operator's settings. The zero value of each means its default.
type Options struct {
	Domain    string // base domain of hostnames, default pages.localhost
	PublicURL string // SCHEME[:PORT] for URLs in answers, default http
	DataDir   string // for DIR/admin.token

	MaxFileBytes       int64         // one asset, default 25 MiB
	MaxFiles           int           // files of a deployment, default 20000
	MaxManifestBytes   int64         // the manifest field, default 32 MiB
	MaxUploadBytes     int64         // body of one asset upload, default 64 MiB
	MaxUploadFiles     int           // items of one asset upload, default 5000
	MaxBundleBytes     int64         // _worker.bundle, default 100 MiB
	MaxRuleFileBytes   int64         // _headers, _redirects, _routes.json, default 1 MiB each
	MaxParts           int           // parts of a multipart form, default 64 (bundle modules: 2000)
	MaxJSONBytes       int64         // any other JSON body, default 8 MiB
	MaxConcurrentCalls int           // API requests worked on at once, default 256
	BodyTimeout        time.Duration // without a byte from the client, default 60s
	UploadTokenTTL     time.Duration // default 15m, at most 30m
	SweepEvery         time.Duration // default 1h; negative: never
	SweepGrace         time.Duration // default 24h
}

// Service is the control plane. It is safe for concurrent use.
type Service struct {
	deps Deps
	opts Options
}

// New checks everything and touches nothing.
func New(deps Deps, opts Options) (*Service, error) {
	return nil, errors.New("todo: tenancy helper")
}

// Handler serves the API: /client/v4/…, /healthz, /readyz.
func (s *Service) Handler() http.Handler { panic("todo: tenancy helper") }
