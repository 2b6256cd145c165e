// Package legacy is the router of the old design: each project has one table of regular expressions, which is fetched, parsed and
// tried in order for each request. It serves while a server migrates, and is deleted as one folder when that is over.
//
// # Tables
//
// A table is a list of entries, {"pattern":"^(?:docs.example.com(?:[:][0-9]+)?\\/(?<p1>.*))$","script_hash":"…"}. A pattern is tested
// against host[:port]/path, and the first one that matches decides. script_hash names a deployment: by its UUID in 32 hexadecimal digits, or
// by a name that was imported (store.Reader.Pipeline). The store keeps a table in pieces, each a table document; the entries of all
// of them, in order, are the project's.
//
// # Regular expressions
//
// The old design matched with PCRE, this with Go's regexp, in linear time. What Go lacks (look-around, back-references,
// possessive and atomic groups) does not compile: such an entry never matches, is counted, and reported. Go's $ matches at the
// end only, PCRE's also before a final line feed, and neither dot matches one; a path of a request contains none.
package legacy

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"

	"berth/router/hostkey"
	"berth/store"
)

// Parse says when tables are parsed.
type Parse uint8

const (
	Each Parse = iota // for each request, as the old design did
	Once              // when a table is loaded: the cache keeps it compiled
)

// ParseMode reads "each" or "once".
func ParseMode(s string) (Parse, error) {
	switch s {
	case "each":
		return Each, nil
	case "once":
		return Once, nil
	}
	return 0, fmt.Errorf("parse mode %q: want each or once", s)
}

func (p Parse) String() string {
	if p == Once {
		return "once"
	}
	return "each"
}

// Deps are what a Resolver works on.
type Deps struct {
	Store *store.Store
	Log   *slog.Logger // nil: none
}

// Options bound a Resolver. Domain must be given; 0 stands for the default.
type Options struct {
	Domain string // the server's own, below which projects have their hosts
	Parse  Parse

	CacheBytes      int64 // of tables that are kept; default 256 MiB
	MaxTableBytes   int64 // of one table; a larger one cannot be used; default 64 MiB
	MaxPatternBytes int   // a longer pattern never matches; default 64 KiB
	MaxProgram      int   // instructions of a compiled pattern; a larger one never matches; default 8,192

	MaxParses    int // tables that are read or parsed at once; default one a processor
	MaxWaiting   int // requests that wait to do so; default 1,024
	SiteCache    int // sites and deployments that are kept; default 16,384 of each
	UnknownCache int // unknown sites, and questions without an answer, that are kept; default 16,384 of each
}

func (o *Options) prepare(deps *Deps) error {
	var faults []error
	if deps.Store == nil {
		faults = append(faults, errors.New("legacy: a store is required"))
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	if h, err := hostkey.Canonical(o.Domain); err != nil || string(h) != o.Domain {
		faults = append(faults, fmt.Errorf("legacy: Domain %q is not a canonical host", o.Domain))
	}
	if o.Parse > Once {
		faults = append(faults, fmt.Errorf("legacy: Parse is %d: want Each or Once", o.Parse))
	}
	faults = append(faults, bound("CacheBytes", &o.CacheBytes, 256<<20), bound("MaxTableBytes", &o.MaxTableBytes, 64<<20),
		bound("MaxPatternBytes", &o.MaxPatternBytes, 64<<10), bound("MaxProgram", &o.MaxProgram, 8192),
		bound("MaxParses", &o.MaxParses, runtime.GOMAXPROCS(0)), bound("MaxWaiting", &o.MaxWaiting, 1024),
		bound("SiteCache", &o.SiteCache, 16_384), bound("UnknownCache", &o.UnknownCache, 16_384))
	return errors.Join(faults...)
}

func bound[N int | int64](name string, n *N, ifZero N) error {
	if *n < 0 {
		return fmt.Errorf("legacy: %s is %d: must be 0 (for %d) or more", name, *n, ifZero)
	}
	*n = cmp.Or(*n, ifZero)
	return nil
}

type counts struct{ loads, parses, faults, invalid, dangling atomic.Uint64 }
