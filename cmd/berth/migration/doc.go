// Package migration is the operator's side of a migration: it wires the parts of package migrate into a server, and serves the
// API that `berth migrate` speaks.
//
// # Which resolver the edge asks
//
// A server whose migration is over, or never began, asks the router of hashed routes and nothing else: Service.Resolver costs it one
// atomic load. In every other phase the same value asks rollout.Switch, which has the tables of the old design beside it. What that
// needs (their router, the index of custom hosts, the comparison of both) is made when the server starts in such a phase, or when an
// import begins one. A change of phase or of the rollout is in force before the call that makes it returns, by a hook on the commit.
//
// # Who may do this
//
// All of it asks for a token that administers the server. The token's name is who did it, in the log that `berth migrate log` shows.
package migration
