// Package control is the control plane: every change of state, and the HTTP API that wrangler, CI and the command line
// speak.
package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
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
	// Leads reports whether a host of a project leads to its deployment on any side that is written now.
	Leads(tx *store.Tx, p store.ProjectNo, h store.ImportedHost) (bool, error)
	// Free takes hosts away from their deployments, which must still be there. Where one leads elsewhere nothing changes.
	Free(ctx context.Context, tx *store.Tx, p store.ProjectNo, hosts []store.ImportedHost) error
}

// RouteState says what the route records of the store's epoch are worth.
type RouteState uint8

const (
	RoutesWhole   RouteState = iota // every host has its record
	RoutesPartial                   // every change is written, and not all hosts have a record yet
	RoutesStale                     // changes are not written, but for deletes: what the records say does not count
)

// Deps are the parts that control works on.
type Deps struct {
	Store  *store.Store
	Blobs  *blob.Dir
	Hasher *hostkey.Hasher
	Routes RouteWriter // nil: route records only
	// RoutesSet says how far the route records can be relied on; a server that migrates writes them later. nil: RoutesWhole.
	RoutesSet func(*store.Reader) RouteState
	Resolver  TXTResolver // nil: net.DefaultResolver
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now
	Rand      io.Reader        // nil: crypto/rand
	Encoder   Encoder          // nil: files are served as they were uploaded, and as encoded by CI
	// SealingKey seals env vars and secrets at rest (AES-256-GCM); UploadKey signs upload JWTs (HS256).
	SealingKey, UploadKey [32]byte
}

// Service is the control plane. It is safe for concurrent use.
type Service struct {
	deps Deps
	opts Options

	slots chan struct{} // one for each API request that is worked on
	extra []endpoint    // set before Handler is called
	ready atomic.Bool
	uses  tokenUses

	sealer  sealer
	cursors cursors
	domains domainQueue
	kept    keptAssets

	extensions extensionsOf

	encodings *encodings

	targets targetLocks // one for each project that moves what a host serves; its zero value works
	upkeep  upkeep      // keeps the sweep off what publications need; its zero value works
}

// New checks everything and touches nothing.
func New(deps Deps, opts Options) (*Service, error) {
	var faults []error
	for _, d := range []struct {
		missing bool
		name    string
	}{
		{deps.Store == nil, "store"},
		{deps.Blobs == nil, "blobs"},
		{deps.Hasher == nil, "hasher"},
		{deps.SealingKey == [32]byte{}, "sealing key"},
		{deps.UploadKey == [32]byte{}, "upload token key"},
	} {
		if d.missing {
			faults = append(faults, errors.New("control: no "+d.name))
		}
	}
	opts.setDefaults()
	if err := errors.Join(append(faults, opts.check())...); err != nil {
		return nil, err
	}
	deps.setDefaults()
	sealer, err := newSealer(deps.SealingKey, deps.Rand)
	if err != nil {
		return nil, fmt.Errorf("control: sealing key: %w", err)
	}
	cursors, err := newCursors(deps.UploadKey)
	if err != nil {
		return nil, fmt.Errorf("control: key of cursors: %w", err)
	}
	s := &Service{
		deps:    deps,
		opts:    opts,
		slots:   make(chan struct{}, opts.MaxConcurrentCalls),
		uses:    tokenUses{pending: make(map[string]time.Time)},
		sealer:  sealer,
		cursors: cursors,
		domains: domainQueue{waiting: make(map[domainID]time.Time)},
		kept:    keptAssets{last: make(map[store.ProjectNo]keptSet)},

		extensions: newExtensionsOf(),
	}
	if s.encodings, err = newEncodings(s); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return s, nil
}

func (d *Deps) setDefaults() {
	if d.Routes == nil {
		d.Routes = RecordWriter(d.Hasher)
	}
	if d.Resolver == nil {
		d.Resolver = net.DefaultResolver
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Rand == nil {
		d.Rand = rand.Reader
	}
}

// SetReady says what /readyz answers. A service starts not ready.
func (s *Service) SetReady(ready bool) { s.ready.Store(ready) }

// now is the time of records: UTC, without the monotonic reading.
func (s *Service) now() time.Time { return s.deps.Now().UTC().Round(0) }
