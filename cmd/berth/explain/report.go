package explain

import (
	"fmt"
	"time"

	"berth/assets"
	"berth/store"
)

// Report is the explanation of one URL. A step that was not reached is null.
type Report struct {
	URL        string         `json:"url"`
	Host       string         `json:"host"`
	Canonical  string         `json:"canonical_host"`
	Key        string         `json:"key"`
	Datacentre string         `json:"datacentre"`
	Revision   store.Revision `json:"revision"`     // the one that is explained
	Newest     store.Revision `json:"newest"`       // the store's
	Table      string         `json:"table"`        // which router answered
	Match      string         `json:"match"`        // exact, wildcard or none
	Wildcard   string         `json:"wildcard"`     // the pattern that matched, if one did
	Record     *Record        `json:"record"`       // what is stored under the key
	Agrees     bool           `json:"cache_agrees"` // the router's answer, from its cache, is what is stored
	Deployment *Deployment    `json:"deployment"`
	Entry      *Entry         `json:"manifest_entry"` // the file that the answer's body is
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

// Entry is a line of the manifest.
type Entry struct {
	Path string `json:"path"`
	Blob string `json:"blob"`
	Key  string `json:"asset_key"`
	Size int64  `json:"size"`
}

// Plan is the response to a GET without conditions.
type Plan struct {
	Status int     `json:"status"`
	Fields []Field `json:"fields"`
	Body   string  `json:"body"` // none, inline or blob
	Length int64   `json:"length"`
}

// Field is a header field of it.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
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
	}
	return "none"
}
