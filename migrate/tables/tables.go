// Package tables reads the tables of the old design as routes: what the record of each host must be, and which entries have
// no such meaning. Backfill writes what it says, verify compares with it, so both rest on the same reading.
//
// # Which table counts
//
// The old router first finds the project of a host (the label below the server's domain, or who holds the custom domain), and
// looks into that project's table alone. So an entry of another project's table never answered for the host: it is a Fault of class
// Foreign, and no route; so is one that leads to a deployment of another project.
//
// # Order
//
// The pieces of a table are tried in the order of their numbers, and a Table must be given them in that order.
//
// # Numbers
//
// Entries are counted from 0 in the table as it is stored, pieces in their order; texts of package convert count so too. That is not the
// number that an entry had in the file that was imported: the import leaves out what can never answer, changes of hosts take entries away
// and add others in front, and keeping the old number with each of millions of entries would cost more than it is worth. The pattern
// is what an operator finds an entry by.
//
// # Bounds
//
// A Table holds what convert needs to know of one project's earlier entries, and the numbers of the project's
// deployments; both grow with that one project, up to convert.Options.MaxRoutes. Nothing grows with the number of projects.
package tables

import (
	"errors"
	"fmt"

	"berth/migrate/convert"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// Line is one entry of a piece.
type Line = legacy.Filter

// Converter understands the entries of one table, in their order. *convert.Project is one.
type Converter interface {
	Add(convert.Filter) convert.Entry
}

// Config is what a Reader needs.
type Config struct {
	Domain  string // below which the hosts of projects are
	Hasher  *hostkey.Hasher
	Convert func(hosts int) Converter // begins a table of about so many hosts, 0 if it is not known; nil: convert with its defaults
}

// Reader begins tables. It is safe for concurrent use.
type Reader struct {
	config Config
	below  string // how the hosts of projects end
}

// New checks a Config.
func New(c Config) (*Reader, error) {
	var faults []error
	if c.Domain == "" {
		faults = append(faults, errors.New("tables: no domain"))
	}
	if c.Hasher == nil {
		faults = append(faults, errors.New("tables: no hasher"))
	}
	if c.Convert == nil {
		converter, err := convert.New(convert.Options{Brief: true})
		if err != nil {
			faults = append(faults, err)
		}
		c.Convert = func(hosts int) Converter { return converter.ProjectOf(hosts) }
	}
	return &Reader{c, "." + c.Domain}, errors.Join(faults...)
}

// Domain is the one below which the hosts of projects are.
func (r *Reader) Domain() string { return r.config.Domain }

// Key is the key of a host's record.
func (r *Reader) Key(h hostkey.Host) hostkey.Key { return r.config.Hasher.Key(h) }

// Class says why an entry, or one of its hosts, has no route.
type Class string

const (
	Unreadable    Class = "unreadable-piece" // a whole piece is not what a table is made of
	NoProject     Class = "no-project"       // a whole table belongs to no project
	CannotConvert Class = "cannot-convert"   // the pattern means no list of hosts; the site stays with its table
	NoDeployment  Class = "no-deployment"    // script_hash names no deployment
	Foreign       Class = "foreign"          // the old router never answers by it: host or deployment are not the project's
)

// Fault is an entry, or one of its hosts, without a route.
type Fault struct {
	Class      Class           `json:"class"`
	Project    store.ProjectNo `json:"project"`
	Piece      uint32          `json:"piece"`
	Line       int             `json:"line"`  // in the piece, from 0; -1: all of it
	Entry      int             `json:"entry"` // in the whole table as it was read, from 0; -1: all of the piece. See Numbers
	Pattern    string          `json:"pattern,omitempty"`
	ScriptHash string          `json:"script_hash,omitempty"`
	Host       string          `json:"host,omitempty"` // if it is about one
	Why        string          `json:"why"`
}

// Route is what a table says about one host.
type Route struct {
	Host     hostkey.Host // of a wildcard, the parent
	Wildcard bool
	Key      hostkey.Key // of Host
	Record   store.Route // its epoch is not set
	Line     int         // index into Lines
	Own      bool        // Berth itself gives the host to the deployment
}

// Name is the host as people write it.
func (r *Route) Name() string {
	if r.Wildcard {
		return "*." + string(r.Host)
	}
	return string(r.Host)
}

// Piece is what a piece of a table says.
type Piece struct {
	No     uint32
	First  int // number of the first line's entry in the whole table
	Lines  []Line
	Routes []Route // in the order of the lines; no host twice, also not one of an earlier piece
	Faults []Fault
}

func (t *Table) add(l Line) convert.Entry {
	if t.converter == nil {
		t.converter = t.reader.config.Convert(len(t.deployments.ids))
	}
	e := t.converter.Add(convert.Filter{Index: t.next, Pattern: l.Pattern, ScriptHash: l.ScriptHash})
	t.next++
	return e
}

// Skip takes note of a piece, so that those behind it are read rightly.
func (t *Table) Skip(c store.TableChunk) error {
	lines, err := legacy.ParseChunk(c.JSON)
	if err != nil {
		return fmt.Errorf("piece %d of the table of project %d: %w", c.No, c.Project, err)
	}
	for _, l := range lines {
		t.add(l)
	}
	return nil
}
