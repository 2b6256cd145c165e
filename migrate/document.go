package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"berth/store"
)

// Versioned is a document that says which version of its form it has.
type Versioned interface{ FormVersion() int }

// Get reads a document; there is false if there is none. It refuses one of a form that this berth does not read.
func Get[T Versioned](r *store.Reader, name string) (v T, there bool, err error) {
	raw, err := r.Document(name)
	if errors.Is(err, store.ErrNotFound) {
		return v, false, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &v)
	}
	if err == nil && v.FormVersion() != documentVersion {
		err = fmt.Errorf("version %d; this berth reads %d", v.FormVersion(), documentVersion)
	}
	if err != nil {
		var none T
		return none, false, fmt.Errorf("read document %s: %w", name, err)
	}
	return v, true, nil
}

// Put writes a document.
func Put(tx *store.Tx, name string, v any) error { return put(tx, name, v) }

const documentVersion = 1

// Control is what operators say to a job: it holds at once, and across restarts.
type Control struct {
	Version int      `json:"v"`
	Paused  bool     `json:"paused"`
	Rate    *float64 `json:"rate,omitempty"` // entries a second, 0: no limit; nil: as the server was started
	// The job gives way when a commit of the store takes longer, or the edge's p99 is above it. 0: never; nil: as the server was started.
	YieldCommit *time.Duration `json:"yield_commit_ns,omitempty"`
	YieldP99    *time.Duration `json:"yield_p99_ns,omitempty"`

	Who   string    `json:"who"` // paused it, or let it go on
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// FormVersion is the version of its form.
func (c Control) FormVersion() int { return c.Version }

// RateOr is the rate that holds for a job that was started with another.
func (c Control) RateOr(started float64) float64 {
	if c.Rate != nil {
		return *c.Rate
	}
	return started
}

// YieldOr are the bounds of YieldCommit and YieldP99 that hold for a job that was started with others; 0: it never gives way.
func (c Control) YieldOr(commit, p99 time.Duration) (time.Duration, time.Duration) {
	return boundOr(c.YieldCommit, commit), boundOr(c.YieldP99, p99)
}

// LoadControl reads what was said to a job; nothing yet is the zero value.
func LoadControl(r *store.Reader, job string) (Control, error) {
	c, _, err := Get[Control](r, job+"/control")
	return c, err
}

// SetControl changes it, inside an Update.
func SetControl(tx *store.Tx, job string, now time.Time, who, why string, change func(*Control)) error {
	c, err := LoadControl(&tx.Reader, job)
	if err != nil {
		return err
	}
	was := c.Paused
	change(&c)
	if c.Version = documentVersion; c.Paused != was {
		c.Who, c.Why, c.Since = who, why, now.UTC()
	}
	return put(tx, job+"/control", c)
}
