package catalog

import (
	"fmt"
	"unsafe"

	"berth/assets/rules"
	"berth/store"
)

// Functions are the code of a deployment, as far as a request is concerned.
type Functions struct {
	routes *rules.Routes // nil: every path
}

// Select reports whether the code answers for an encoded path. No Functions answer for none.
func (f *Functions) Select(path string) bool { return f != nil && f.routes.Match(path) }

// Why says which rule of _routes.json decided on a path, "" if none did, and what came of it.
func (f *Functions) Why(path string) (rule string, selected bool) {
	if f == nil {
		return "", false
	}
	return f.routes.Why(path)
}

func (f *Functions) weight() int64 {
	if f == nil {
		return 0
	}
	return int64(unsafe.Sizeof(*f)) + f.routes.Weight()
}

// compileFunctions reads which paths are for the code. What was accepted at deploy and is not now (by other limits) makes the
// deployment corrupt: to guess would be to run code for pages, or to show code's pages bare.
func compileFunctions(d store.Deployment, routes []byte, limits rules.Options) (*Functions, error) {
	if d.WorkerBundle == (store.FileRef{}) {
		return nil, nil
	}
	if d.Routes == (store.FileRef{}) {
		return &Functions{}, nil
	}
	compiled, report := rules.ParseRoutes(string(routes), limits)
	if compiled == nil {
		return nil, fmt.Errorf("%w: %s", ErrCorrupt, report.Problems[0])
	}
	return &Functions{compiled}, nil
}
