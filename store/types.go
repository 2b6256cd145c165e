package store

import (
	"time"

	"berth/assets/manifest"
	"berth/router/hostkey"
)

// AccountNo, ProjectNo and DeploymentNo are dense numbers, given out in order, never reused; zero is "none".
// They are inside only: the API speaks account IDs, project names and UUIDs.
type (
	AccountNo    uint32
	ProjectNo    uint32
	DeploymentNo uint64
)

// Revision counts commits without gaps: the n-th successful Update has Revision n.
type Revision uint64

// Epoch numbers the times that a migration began to write route records beside the tables of the old design; zero on a
// server that never migrated. A route record of another epoch than the store's counts as absent: it may be older than what the
// tables have said since.
type Epoch uint32

// UUID is a random (version 4) UUID.
type UUID [16]byte

// Class says what sort of host a route belongs to.
type Class uint8

const (
	ClassDeployment Class = 1 + iota // <8 hex>.<project>.<domain>: immutable
	ClassBranch                      // branch alias: moves with its branch
	ClassProduction                  // <project>.<domain>: moves with production
	ClassCustom                      // custom domain: moves with production or with the branch it names
)

// RouteKind says how the edge answers for a route.
type RouteKind uint8

// RouteSite serves a deployment. Other kinds are for later formats.
const RouteSite RouteKind = 1

// RouteFlags are properties of the host that the planner needs.
type RouteFlags uint8

const (
	// FlagNoIndex marks a host whose pages search engines must not index.
	FlagNoIndex RouteFlags = 1 << 0
	// FlagFollowsBranch marks a custom domain that moves with its deployment's branch; others move with production.
	FlagFollowsBranch RouteFlags = 1 << 1
)

// Route is the stored answer for a host key, at most 24 bytes encoded.
type Route struct {
	Kind       RouteKind
	Class      Class
	Flags      RouteFlags
	Project    ProjectNo
	Deployment DeploymentNo
	Epoch      Epoch
}

// Account owns projects and tokens.
type Account struct {
	No      AccountNo
	ID      string // 1-64 of [a-z0-9_-]; what the API's {account} is
	Name    string
	Created time.Time
}

// ProjectState says whether a project takes deployments.
type ProjectState uint8

const (
	ProjectActive   ProjectState = 1
	ProjectDeleting ProjectState = 2 // its name stays taken until the last batch of its deletion
)

// Environment of a deployment.
type Environment uint8

const (
	Production Environment = 1
	Preview    Environment = 2
)

// Project owns deployments.
type Project struct {
	No               ProjectNo
	Account          AccountNo
	UUID             UUID
	Name             string // a DNS label, unique on the server
	ProductionBranch string
	State            ProjectState
	Created          time.Time
	Modified         time.Time
	Live             DeploymentNo // what production serves; 0 before the first production deployment
	Latest           DeploymentNo // the newest deployment of any branch
	Site             SiteSettings
	// Settings is control's own document (deployment_configs with sealed values, build_config): opaque here.
	Settings []byte
}

// Choice is a setting that may be left to a default.
type Choice uint8

const (
	Unset Choice = 0
	On    Choice = 1
	Off   Choice = 2
)

// SiteSettings are how a site is served, where that is not for its rule files to say.
type SiteSettings struct {
	CORS Choice // Access-Control-Allow-Origin: * on everything; on unless set
	Skew Choice // pages keep to the deployment that they came from; off unless set
	// KeepAssets is how long files of earlier deployments are answered; 0: as long as the server says, negative: never.
	KeepAssets time.Duration
}

// FileRef names a stored blob; the zero value means "none".
type FileRef struct {
	Digest manifest.Digest
	Size   int64
}

// DeploymentStatus is the final state of a deployment.
type DeploymentStatus uint8

const (
	StatusSuccess DeploymentStatus = 1
	StatusFailure DeploymentStatus = 2
)

// Deployment is immutable but for its existence.
type Deployment struct {
	No                 DeploymentNo
	Project            ProjectNo
	UUID               UUID
	Environment        Environment
	Status             DeploymentStatus
	Created            time.Time
	Branch             string
	CommitHash         string
	CommitMessage      string
	CommitDirty        bool
	Manifest           FileRef // blob that holds the encoded manifest
	Files              uint32
	Bytes              uint64  // sum of the sizes of its files
	Headers            FileRef // _headers
	Redirects          FileRef // _redirects
	Routes             FileRef // _routes.json
	WorkerBundle       FileRef // _worker.bundle
	RoutingConfig      FileRef // functions-filepath-routing-config.json
	UsesFunctions      bool
	WranglerConfigHash string
	BuildOutputDir     string
	Hints              FileRef      // early hints of its documents
	Site               SiteSettings // its own; where one is unset the project's holds
}

// LogLine is one line of a deployment's log, what history/logs shows.
type LogLine struct {
	Time time.Time
	Text string
}

// Branch is the state of one branch of a project that has deployments.
type Branch struct {
	Project ProjectNo
	Name    string
	Latest  DeploymentNo // where its aliases point
	Exact   string       // label it holds, "" if it could not get it
	Plain   string       // second label it holds, "" if another branch has it or it has none
}

// DomainStatus says whether a custom domain serves.
type DomainStatus uint8

const (
	DomainPending DomainStatus = 1 // waits for its TXT record
	DomainActive  DomainStatus = 2
)

// Domain is a custom domain of a project. Pending domains are kept per project and hold nothing; an active one owns
// its host (see Tx.ClaimHost).
type Domain struct {
	Project ProjectNo
	UUID    UUID
	Host    string // canonical; a wildcard is "*." and a canonical host
	Branch  string // "" follows production
	Status  DomainStatus
	Proof   string // what the TXT record at _berth.<host> must say
	Error   string // why the last check failed, "" if none was made
	Created time.Time
	Checked time.Time
}

// HostOwner says who holds a custom host.
type HostOwner struct {
	Account AccountNo
	Project ProjectNo
}

// Scope is what a token may do.
type Scope uint8

const (
	ScopeServerAdmin  Scope = 1
	ScopeAccountAdmin Scope = 2
	ScopeDeploy       Scope = 3 // deploy to, and read, the named projects
	ScopeRead         Scope = 4
)

// Token is an API token as stored: never the secret itself.
type Token struct {
	ID       string // 16 hex digits, public part
	Hash     [32]byte
	Account  AccountNo // home account; a server admin may act on all
	Scope    Scope
	Name     string
	Projects []string // for ScopeDeploy
	Created  time.Time
	Expires  time.Time // zero: never
	LastUsed time.Time // to about ten minutes
}

// Proof says that within an account an asset key with an extension is these bytes: recomputed, so it is true.
type Proof struct {
	Account   AccountNo
	Key       manifest.AssetKey
	Extension string
	Blob      FileRef
	// Link is the Link field that the bytes, as a document, give early hints by. It was looked for if LinkKnown.
	Link      string
	LinkKnown bool
}

// Target is what production of a project, or one of its branches, has served before what it serves now.
type Target struct {
	Project   ProjectNo
	Branch    string  // "" is production
	Past      []Past  // newest first; no deployment twice
	Kept      FileRef // index of files that Past had and that are still answered
	KeptFiles uint32  // how many those are
}

// Past is a deployment that a target served.
type Past struct {
	Deployment DeploymentNo
	Left       time.Time // when the target moved on from it
}

// Encoded is a blob's encoded forms: what they decode to is exactly the blob. One that is none would save too little.
type Encoded struct {
	Blob   manifest.Digest
	Gzip   FileRef
	Zstd   FileRef
	Brotli FileRef
	Made   time.Time
}

// Variants says where the listing of the encoded forms of a deployment's files is.
type Variants struct {
	Deployment DeploymentNo
	Listing    FileRef // none: no file has one
}

// Claim says that somebody uploaded these bytes to a project under that asset key: unproved.
type Claim struct {
	Project ProjectNo
	Key     manifest.AssetKey
	Blob    FileRef
	Time    time.Time
}

// Commit is what a commit hook is told. Slices must not be kept or changed.
type Commit struct {
	Revision    Revision
	Time        time.Time
	Keys        []hostkey.Key // host keys whose route record was set or deleted
	Projects    []ProjectNo
	Deployments []DeploymentNo // created, deleted, or otherwise not what a cache may have of it
	Tables      []ProjectNo    // projects whose table of the old design changed
	Migration   bool           // some document of the migration changed
	Epoch       Epoch          // the store's, from this commit on
	// WildcardGeneration grows with every commit that sets or deletes a wildcard route.
	WildcardGeneration uint64
}
