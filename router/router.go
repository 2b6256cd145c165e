// Package router defines what a router is asked and what it answers. Both routers, the A/B switch and the
// shadow comparer are Resolvers.
package router

import (
	"context"
	"errors"

	"berth/router/hostkey"
	"berth/store"
)

// ErrNoRoute says that no deployment answers for the host. It is an answer, not a fault: the edge turns it into a
// constant 404 that reveals nothing.
var ErrNoRoute = errors.New("router: no route for this host")

// Query is one question to a Resolver. Its texts may be views of the request's own bytes: a Resolver that keeps
// one past its return must clone it.
type Query struct {
	Host hostkey.Host
	Port string // that the client named, in digits; "": none, or the scheme's own. Only tables of the old design may tell ports apart
	Path string
}

// Decision is a routing result. Two decisions are the same answer exactly if they are == .
type Decision struct {
	Kind       store.RouteKind
	Project    store.ProjectNo
	Deployment store.DeploymentNo
	Class      store.Class
	// Flags is the route record's, so that a property of the host (not of the deployment) reaches the planner.
	Flags store.RouteFlags
}

// Resolver answers which deployment serves a host. It returns ErrNoRoute (wrapped or not) when none does; any other
// error means that it could not find out, and the edge answers 503.
type Resolver interface {
	Resolve(ctx context.Context, q *Query) (Decision, error)
}
