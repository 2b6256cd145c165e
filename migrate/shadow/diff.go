package shadow

import (
	"errors"
	"time"

	"berth/router"
	"berth/store"
)

// Class says how the answers of the two sides compare; the tables are the authority.
type Class string

const (
	Agree     Class = "agree"
	Missing   Class = "missing"   // the tables answer, hashed has no route
	Extra     Class = "extra"     // hashed answers, the tables have no route
	Different Class = "different" // both answer, otherwise
	Error     Class = "error"     // one of them could not answer
)

// Outcome is what one side said.
type Outcome struct {
	Found      bool               `json:"found"` // false: it has no route, or Error
	Project    store.ProjectNo    `json:"project,omitempty"`
	Deployment store.DeploymentNo `json:"deployment,omitempty"`
	Kind       store.RouteKind    `json:"kind,omitempty"`
	Class      store.Class        `json:"class,omitempty"`
	Flags      store.RouteFlags   `json:"flags,omitempty"`
	Error      string             `json:"error,omitempty"`
	Took       time.Duration      `json:"took_ns"`
}

const maxErrorBytes = 512

func outcomeOf(d router.Decision, err error, took time.Duration) Outcome {
	switch {
	case err == nil:
		return Outcome{Found: true, Project: d.Project, Deployment: d.Deployment, Kind: d.Kind, Class: d.Class, Flags: d.Flags, Took: took}
	case errors.Is(err, router.ErrNoRoute):
		return Outcome{Took: took}
	}
	text := err.Error()
	return Outcome{Error: text[:min(len(text), maxErrorBytes)], Took: took}
}

func (o Outcome) sameAnswer(p Outcome) bool {
	o.Took, p.Took = 0, 0
	return o == p
}

func classify(hashed, legacy Outcome) Class {
	switch {
	case hashed.Error != "" || legacy.Error != "":
		return Error
	case hashed.sameAnswer(legacy):
		return Agree
	case !hashed.Found:
		return Missing
	case !legacy.Found:
		return Extra
	}
	return Different
}

// Diff is a host about which the two sides differ.
type Diff struct {
	Version int       `json:"v"`
	Class   Class     `json:"class"`
	Host    string    `json:"host"`
	Port    string    `json:"port,omitempty"`
	Path    string    `json:"path,omitempty"` // of the newest such request, without its query
	Hashed  Outcome   `json:"hashed"`
	Legacy  Outcome   `json:"legacy"`
	Line    string    `json:"line,omitempty"` // of the table that the tables' answer is from
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Count   uint64    `json:"count"`
}

const (
	diffVersion  = 1
	maxPathBytes = 256
	maxLineBytes = 1024
)

// absorb adds an older diff of the same host.
func (d *Diff) absorb(older Diff) {
	d.Count += older.Count
	if older.First.Before(d.First) {
		d.First = older.First
	}
	if d.Line == "" {
		d.Line = older.Line
	}
}
