package store

import (
	"context"
	"errors"
	"iter"

	"berth/assets/manifest"
	"berth/router/hostkey"
)

// CONTRACT FILE: signatures that other packages are written against. The implementation replaces the bodies (and
// moves them to well-named files); signatures and meanings stay.

var (
	ErrNotFound    = errors.New("store: not found")
	ErrNewerFormat = errors.New("store: the data directory was written by a newer berth")
	ErrLocked      = errors.New("store: the data directory is in use by another process")
	ErrCorrupt     = errors.New("store: corrupt record")
	ErrClosed      = errors.New("store: closed")
)

// Store is an open database.
type Store struct{ Reader }

// Reader has every read. *Store embeds one over the live database, *Snapshot over a frozen one, *Tx over the group's batch,
// so checks inside Update are serialised. Get-like methods return ErrNotFound (wrapped) when there is no such record.
type Reader struct{}

type Snapshot struct{ Reader }

// Tx is one Update: reads see the group's earlier successful updates and its own writes.
type Tx struct{ Reader }

func (s *Store) Update(ctx context.Context, fn func(*Tx) error) (Revision, error) { panic("todo") }
func (s *Store) OnCommit(fn func(Commit)) (cancel func())                         { panic("todo") }
func (s *Store) Snapshot() *Snapshot                                              { panic("todo") }
func (s *Snapshot) Close() error                                                  { panic("todo") }
func (s *Store) Revision() Revision                                               { panic("todo") }
func (s *Store) Close() error                                                     { panic("todo") }

// LookupRoute is the hot point read of the request path: exact key only, no allocation, ErrNotFound unwrapped when absent.
func (s *Store) LookupRoute(k hostkey.Key) (Route, error) { panic("todo") }

// LookupWildcard is LookupRoute for the wildcard record of a parent host's key.
func (s *Store) LookupWildcard(k hostkey.Key) (Route, error) { panic("todo") }

// Wildcards returns the number of wildcard routes and their generation, from memory, without a lock.
func (s *Store) Wildcards() (n int, generation uint64) { panic("todo") }

// RouteAt answers what the record of k was at revision rev, from the bounded commit log (ErrNotFound: no record then;
// ErrTooOld when the log no longer reaches back).
func (s *Store) RouteAt(k hostkey.Key, rev Revision) (Route, error) { panic("todo") }

var ErrTooOld = errors.New("store: the commit log no longer reaches back to that revision")

// ---- reads
func (r *Reader) Route(k hostkey.Key) (Route, error)                              { panic("todo") }
func (r *Reader) Wildcard(k hostkey.Key) (Route, error)                           { panic("todo") }
func (r *Reader) AllRoutes() iter.Seq2[hostkey.Key, RouteOrErr]                   { panic("todo") }
func (r *Reader) AllWildcards() iter.Seq2[hostkey.Key, RouteOrErr]                { panic("todo") }
func (r *Reader) Account(no AccountNo) (Account, error)                           { panic("todo") }
func (r *Reader) AccountByID(id string) (Account, error)                          { panic("todo") }
func (r *Reader) Accounts() iter.Seq2[Account, error]                             { panic("todo") }
func (r *Reader) Project(no ProjectNo) (Project, error)                           { panic("todo") }
func (r *Reader) ProjectByName(name string) (Project, error)                      { panic("todo") }
func (r *Reader) ProjectsOf(a AccountNo) iter.Seq2[Project, error]                { panic("todo") } // by name
func (r *Reader) Projects() iter.Seq2[Project, error]                             { panic("todo") } // all, by name
func (r *Reader) Deployment(no DeploymentNo) (Deployment, error)                  { panic("todo") }
func (r *Reader) DeploymentByUUID(id UUID) (Deployment, error)                    { panic("todo") }
func (r *Reader) DeploymentByLabel(p ProjectNo, label string) (Deployment, error) { panic("todo") } // first 8 hex digits of its UUID

// DeploymentsOf lists newest first, reading no other project's records, starting after (older than) the given number (0: from the newest).
func (r *Reader) DeploymentsOf(p ProjectNo, after DeploymentNo) iter.Seq2[Deployment, error] {
	panic("todo")
}
func (r *Reader) Deployments() iter.Seq2[Deployment, error]               { panic("todo") } // all
func (r *Reader) DeploymentLog(no DeploymentNo) ([]LogLine, error)        { panic("todo") }
func (r *Reader) Branch(p ProjectNo, name string) (Branch, error)         { panic("todo") }
func (r *Reader) BranchByLabel(p ProjectNo, label string) (Branch, error) { panic("todo") } // who holds an alias label
func (r *Reader) Branches(p ProjectNo) iter.Seq2[Branch, error]           { panic("todo") }
func (r *Reader) Domain(p ProjectNo, host string) (Domain, error)         { panic("todo") }
func (r *Reader) Domains(p ProjectNo) iter.Seq2[Domain, error]            { panic("todo") }
func (r *Reader) HostOwner(host string) (HostOwner, error)                { panic("todo") } // canonical host or "*." + host

// HostsUnder lists the claimed hosts that end in "."+suffix (wildcards included), for overlap checks; stored under the reversed labels.
func (r *Reader) HostsUnder(suffix string) iter.Seq2[string, HostOwnerOrErr]        { panic("todo") }
func (r *Reader) Token(id string) (Token, error)                                    { panic("todo") }
func (r *Reader) Tokens(a AccountNo) iter.Seq2[Token, error]                        { panic("todo") }
func (r *Reader) Proof(a AccountNo, k manifest.AssetKey, ext string) (Proof, error) { panic("todo") }
func (r *Reader) HasProof(a AccountNo, k manifest.AssetKey) ([]Proof, error)        { panic("todo") } // any extension
func (r *Reader) Claims(p ProjectNo, k manifest.AssetKey) ([]Claim, error)          { panic("todo") }

// Wanted says that a refusal asked for k to be uploaded again to p: check-missing must then answer "missing".
func (r *Reader) Wanted(p ProjectNo, k manifest.AssetKey) (bool, error) { panic("todo") }

// AllClaims and AllProofs are for the sweep and fsck.
func (r *Reader) AllClaims() iter.Seq2[Claim, error] { panic("todo") }
func (r *Reader) AllProofs() iter.Seq2[Proof, error] { panic("todo") }

type RouteOrErr struct {
	Route Route
	Err   error
}
type HostOwnerOrErr struct {
	Owner HostOwner
	Err   error
}

// ---- writes; each marks what the commit hook is told
func (tx *Tx) Revision() Revision                                            { panic("todo") } // the one this Update will get
func (tx *Tx) SetRoute(k hostkey.Key, r Route) error                         { panic("todo") }
func (tx *Tx) DeleteRoute(k hostkey.Key) error                               { panic("todo") }
func (tx *Tx) SetWildcard(k hostkey.Key, r Route) error                      { panic("todo") }
func (tx *Tx) DeleteWildcard(k hostkey.Key) error                            { panic("todo") }
func (tx *Tx) NextAccount() (AccountNo, error)                               { panic("todo") }
func (tx *Tx) NextProject() (ProjectNo, error)                               { panic("todo") }
func (tx *Tx) NextDeployment() (DeploymentNo, error)                         { panic("todo") }
func (tx *Tx) PutAccount(a Account) error                                    { panic("todo") }
func (tx *Tx) PutProject(p Project) error                                    { panic("todo") }
func (tx *Tx) DeleteProject(no ProjectNo) error                              { panic("todo") } // record and name only
func (tx *Tx) PutDeployment(d Deployment, log []LogLine) error               { panic("todo") }
func (tx *Tx) AppendLog(no DeploymentNo, lines []LogLine) error              { panic("todo") }
func (tx *Tx) DeleteDeployment(no DeploymentNo) error                        { panic("todo") } // record, indexes, log
func (tx *Tx) PutBranch(b Branch) error                                      { panic("todo") }
func (tx *Tx) DeleteBranch(p ProjectNo, name string) error                   { panic("todo") }
func (tx *Tx) PutDomain(d Domain) error                                      { panic("todo") }
func (tx *Tx) DeleteDomain(p ProjectNo, host string) error                   { panic("todo") }
func (tx *Tx) ClaimHost(host string, o HostOwner) error                      { panic("todo") }
func (tx *Tx) ReleaseHost(host string) error                                 { panic("todo") }
func (tx *Tx) PutToken(t Token) error                                        { panic("todo") }
func (tx *Tx) DeleteToken(id string) error                                   { panic("todo") }
func (tx *Tx) PutProof(p Proof) error                                        { panic("todo") }
func (tx *Tx) DeleteProof(p Proof) error                                     { panic("todo") }
func (tx *Tx) PutClaim(c Claim) error                                        { panic("todo") }
func (tx *Tx) DeleteClaim(c Claim) error                                     { panic("todo") }
func (tx *Tx) SetWanted(p ProjectNo, k manifest.AssetKey, wanted bool) error { panic("todo") }
