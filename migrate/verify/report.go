package verify

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"berth/migrate"
	"berth/migrate/tables"
	"berth/router/hostkey"
	"berth/store"
)

const (
	reportDocument  = "verify"
	sumPrefix       = "verify/project/"
	sitePrefix      = "verify/site/"
	documentVersion = 1
)

// Class is how the two sides compare for one host.
type Class string

const (
	Agree         Class = "agree"
	Missing       Class = "missing"       // the table has it, and there is no record of this epoch
	Extra         Class = "extra"         // there is a record, and no table has it
	Different     Class = "different"     // both have it, and say different things
	Error         Class = "error"         // the table, or the record, cannot be read
	Unconvertible Class = "unconvertible" // the table has an entry that no record can stand for; its site stays with the table
)

// Diff is an example of what does not agree.
type Diff struct {
	Class   Class           `json:"class"`
	Project store.ProjectNo `json:"project"`
	Site    string          `json:"site"` // the project's name
	Host    string          `json:"host"` // "" if it could not be found out
	Key     string          `json:"key,omitempty"`
	Table   *Side           `json:"table,omitempty"`
	Record  *Side           `json:"record,omitempty"`
	Piece   uint32          `json:"piece,omitempty"`
	Line    int             `json:"line"`  // in the piece, from 0; -1: none
	Entry   int             `json:"entry"` // in the whole table, as package tables counts; -1: none
	Pattern string          `json:"pattern,omitempty"`
	Why     string          `json:"why,omitempty"`
}

// Side is what one side says about a host.
type Side struct {
	Project    store.ProjectNo    `json:"project"`
	Deployment store.DeploymentNo `json:"deployment"`
	Class      store.Class        `json:"class"`
	Flags      store.RouteFlags   `json:"flags"`
}

func side(r store.Route) *Side { return &Side{r.Project, r.Deployment, r.Class, r.Flags} }

// Report is how far a verification is, and what it found.
type Report struct {
	Version  int             `json:"v"`
	Epoch    store.Epoch     `json:"epoch"`
	Run      store.Revision  `json:"run"` // the revision that began it: its name
	Who      string          `json:"who"`
	Started  time.Time       `json:"started"`
	Finished time.Time       `json:"finished,omitzero"`
	Aborted  string          `json:"aborted,omitempty"` // why it ended without a result
	Next     store.ProjectNo `json:"next"`              // the first project that is not done
	Compared bool            `json:"compared"`          // all are; what is left is to look for extra records

	Projects int                  `json:"projects"` // that have a table
	Entries  int64                `json:"entries"`
	Records  int64                `json:"records"` // of this epoch
	Hosts    map[Class]int64      `json:"hosts"`   // and wildcards; of Unconvertible and Error, entries
	Faults   map[tables.Class]int `json:"faults"`
	Examples []Diff               `json:"examples"` // the first of each class
	Sites    int                  `json:"sites"`    // that are not in agreement
	Listed   int                  `json:"listed"`   // of them
}

// FormVersion is the version of its form.
func (r Report) FormVersion() int { return r.Version }

// Done says whether it has a result.
func (r *Report) Done() bool { return !r.Finished.IsZero() && r.Aborted == "" }

// Clean says whether the result is that both sides agree on every host. A site that stays with its table is no disagreement.
func (r *Report) Clean() bool {
	return r.Done() && r.Hosts[Missing]+r.Hosts[Extra]+r.Hosts[Different]+r.Hosts[Error] == 0
}

// Load reads the newest report; there is false if there never was one.
func Load(r *store.Reader) (report Report, there bool, err error) {
	return migrate.Get[Report](r, reportDocument)
}

// Site is a project whose sides do not agree, or that has entries which cannot be converted.
type Site struct {
	Version  int             `json:"v"`
	Project  store.ProjectNo `json:"project"`
	Name     string          `json:"name"`
	Hosts    map[Class]int64 `json:"hosts"`
	Examples []Diff          `json:"examples"`
}

// Sites yields the projects that the newest report lists, by number.
func Sites(r *store.Reader) iter.Seq2[Site, error] {
	return func(yield func(Site, error) bool) {
		for d, err := range r.Documents(sitePrefix, "") {
			var s Site
			if err == nil {
				s, _, err = migrate.Get[Site](r, d.Name)
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// FormVersion is the version of its form.
func (s Site) FormVersion() int { return s.Version }

// sum is what is kept of a set of records: how many they are, and a digest of their keys that does not depend on their order.
type sum struct {
	Version int    `json:"v"`
	Count   int64  `json:"n"`
	Add     uint64 `json:"add"`
	Xor     uint64 `json:"xor"`
	Strays  bool   `json:"strays,omitempty"` // the table has a host whose record is another project's
}

func (s sum) FormVersion() int { return s.Version }

// slot names a record.
type slot struct {
	key      hostkey.Key
	wildcard bool
}

// note counts a record. Keys are keyed hashes: nobody can choose them so that sums meet.
func (s *sum) note(k slot) {
	a, b := binary.BigEndian.Uint64(k.key[:]), binary.BigEndian.Uint64(k.key[8:])
	if k.wildcard {
		a, b = ^a, b^a
	}
	s.Count, s.Add, s.Xor = s.Count+1, s.Add+a, s.Xor^b
}

func (s *sum) merge(t *sum) {
	s.Count, s.Add, s.Xor, s.Strays = s.Count+t.Count, s.Add+t.Add, s.Xor^t.Xor, s.Strays || t.Strays
}

func (s *sum) same(t *sum) bool { return s.Count == t.Count && s.Add == t.Add && s.Xor == t.Xor }

func sumName(p store.ProjectNo) string  { return fmt.Sprintf("%s%08x", sumPrefix, uint32(p)) }
func siteName(p store.ProjectNo) string { return fmt.Sprintf("%s%08x", sitePrefix, uint32(p)) }
