package explain

import (
	"fmt"
	"strings"
	"time"

	"berth/assets"
	"berth/assets/manifest"
	"berth/store"
)

// Report is the explanation of one URL. A step that was not reached is null.
type Report struct {
	URL        string         `json:"url"`
	Method     string         `json:"method"`
	Host       string         `json:"host"`
	Canonical  string         `json:"canonical_host"`
	Key        string         `json:"key"`
	Datacentre string         `json:"datacentre"`
	Revision   store.Revision `json:"revision"`             // the one that is explained
	Newest     store.Revision `json:"newest"`               // the store's
	Table      string         `json:"table"`                // which router answered
	Why        string         `json:"why,omitempty"`        // why that one, while there are two
	Line       string         `json:"table_line,omitempty"` // of the table that answered
	Match      string         `json:"match"`                // exact, wildcard, table or none
	Wildcard   string         `json:"wildcard"`             // the pattern that matched, if one did
	Record     *Record        `json:"record"`               // what is stored under the key
	Agrees     bool           `json:"cache_agrees"`         // the router's answer, from its cache, is what is stored
	Deployment *Deployment    `json:"deployment"`
	Pinned     *Pinned        `json:"pinned"`         // the one that skew protection chose instead
	Entry      *Entry         `json:"manifest_entry"` // the file that the answer is about
	Variants   []Variant      `json:"variants"`       // the content codings that it is stored in as well
	Kept       *Kept          `json:"kept"`           // the earlier deployment that it is of
	Steps      []Step         `json:"steps"`          // how the plan came about, in order
	Plan       *Plan          `json:"plan"`
	Note       string         `json:"note,omitempty"` // why a step could not be made
}

// Record is a route record.
type Record struct {
	Kind       string             `json:"kind"`
	Class      string             `json:"class"`
	Flags      []string           `json:"flags"`
	Project    string             `json:"project"`
	ProjectNo  store.ProjectNo    `json:"project_no"`
	Deployment store.DeploymentNo `json:"deployment_no"`
	Epoch      store.Epoch        `json:"epoch"`
}

// Deployment is the one that the record leads to.
type Deployment struct {
	ID          string    `json:"id"`
	Branch      string    `json:"branch"`
	Environment string    `json:"environment"`
	CommitHash  string    `json:"commit_hash"`
	Created     time.Time `json:"created_on"`
	Files       uint32    `json:"files"`
}

// Pinned is an earlier deployment that answers instead, because the request belongs to a page of it.
type Pinned struct {
	Deployment
	No store.DeploymentNo `json:"deployment_no"`
	By string             `json:"by"` // what of the request said so
}

// Entry is a line of the manifest.
type Entry struct {
	Path string `json:"path"`
	Blob string `json:"blob"`
	Key  string `json:"asset_key"`
	Size int64  `json:"size"`
}

func entryOf(e manifest.Entry) *Entry {
	return &Entry{Path: strings.Clone(e.Path), Blob: e.Digest.String(), Key: e.Key.String(), Size: e.Size}
}

// Variant is a content coding that a file is stored in.
type Variant struct {
	Encoding string `json:"encoding"`
	Blob     string `json:"blob"`
	Size     int64  `json:"size"`
	ETag     string `json:"etag"`
}

// Kept says whose file answers where the host's own deployment has none.
type Kept struct {
	Deployment   string             `json:"deployment"`
	DeploymentNo store.DeploymentNo `json:"deployment_no"`
	Until        time.Time          `json:"until"`
}

// Step is one thing that was tried and what it came to.
type Step struct {
	Stage string `json:"stage"`
	Said  string `json:"said"`
	File  string `json:"file,omitempty"` // the rule file that had a say
	Line  int    `json:"line,omitempty"`
}

// Plan is the response.
type Plan struct {
	Status int     `json:"status"`
	Fields []Field `json:"fields"`
	Body   string  `json:"body"` // none, inline, blob or multipart
	Length int64   `json:"length"`
	Parts  []Part  `json:"parts,omitempty"` // of a multipart body
}

// Part is a run of the bytes of a file.
type Part struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// Field is a header field of a plan.
type Field struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin Origin `json:"origin"`
}

// Origin says what a field comes from.
type Origin struct {
	From  string `json:"from"`
	File  string `json:"file,omitempty"` // of a rule
	Lines []int  `json:"lines,omitempty"`
}

func (o Origin) String() string {
	for i, line := range o.Lines {
		sep := " "
		if i > 0 {
			sep = ", "
		}
		o.From += fmt.Sprintf("%s%s:%d", sep, o.File, line)
	}
	return o.From
}

func kindName(k store.RouteKind) string {
	if k == store.RouteSite {
		return "site"
	}
	return fmt.Sprintf("kind %d", k)
}

func className(c store.Class) string {
	switch c {
	case store.ClassDeployment:
		return "deployment"
	case store.ClassBranch:
		return "branch"
	case store.ClassProduction:
		return "production"
	case store.ClassCustom:
		return "custom"
	}
	return fmt.Sprintf("class %d", c)
}

func bodyName(k assets.BodyKind) string {
	switch k {
	case assets.BodyInline:
		return "inline"
	case assets.BodyBlob:
		return "blob"
	case assets.BodyMultipart:
		return "multipart"
	}
	return "none"
}
