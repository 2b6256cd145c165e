package tables

import (
	"errors"
	"fmt"
	"strings"

	"berth/migrate/convert"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// Table reads the pieces of one project's table, in their order. It is not safe for concurrent use.
type Table struct {
	reader    *Reader
	project   store.Project
	missing   bool      // no project has the number
	converter Converter // nil before the first entry
	next      int       // index of the next entry

	deployments *deployments
}

// Table begins the table of a project; a project that does not exist makes every line a fault.
func (r *Reader) Table(rd *store.Reader, no store.ProjectNo) (*Table, error) {
	t := &Table{reader: r, deployments: newDeployments(no)}
	var err error
	t.project, err = rd.Project(no)
	if errors.Is(err, store.ErrNotFound) {
		t.missing, t.project.No, err = true, no, nil
	}
	return t, err
}

// Project is whose table it is; only its number is set if there is no such project.
func (t *Table) Project() store.Project { return t.project }

// Piece reads the next piece. What is wrong with the table is in the Piece's Faults; an error is the store's.
func (t *Table) Piece(rd *store.Reader, c store.TableChunk) (Piece, error) {
	p := Piece{No: c.No, First: t.next}
	var err error
	if p.Lines, err = legacy.ParseChunk(c.JSON); err != nil {
		p.Faults = []Fault{Unread(c, err)}
		return p, nil
	}
	if t.missing {
		p.Faults = []Fault{{Class: NoProject, Project: c.Project, Piece: c.No, Line: -1, Entry: -1, Why: fmt.Sprintf("there is no project %d; delete its table", c.Project)}}
		return p, nil
	}
	if err := t.deployments.prepare(rd, p.Lines); err != nil {
		return Piece{}, fmt.Errorf("deployments of project %d: %w", c.Project, err)
	}
	p.Routes = make([]Route, 0, len(p.Lines))
	for i := range p.Lines {
		if err := t.line(rd, &p, i); err != nil {
			return Piece{}, fmt.Errorf("entry %d of piece %d of the table of project %d: %w", i, c.No, c.Project, err)
		}
	}
	return p, nil
}

func (t *Table) line(rd *store.Reader, p *Piece, i int) error {
	l := p.Lines[i]
	fault := func(class Class, host, why string) {
		p.Faults = append(p.Faults, Fault{Class: class, Project: t.project.No, Piece: p.No, Line: i, Entry: p.First + i,
			Pattern: clip(l.Pattern), ScriptHash: clip(l.ScriptHash), Host: host, Why: clip(why)})
	}
	e := t.add(l)
	switch {
	case e.Class == convert.CannotConvert:
		fault(CannotConvert, "", fmt.Sprintf("%s: %s", e.Reason, e.Why))
		return nil
	case e.Routes() == 0:
		return nil // an earlier entry answers
	}
	d, err := t.deployments.named(rd, l.ScriptHash)
	if errors.Is(err, store.ErrNotFound) {
		fault(NoDeployment, "", fmt.Sprintf("script_hash %q names no deployment; tell which with import --deployments, or delete the entry", clip(l.ScriptHash)))
		return nil
	}
	if err != nil {
		return err
	}
	for _, h := range e.Hosts {
		if err := t.route(rd, p, Route{Host: h, Line: i}, d, fault); err != nil {
			return err
		}
	}
	for _, w := range e.Wildcards {
		if err := t.route(rd, p, Route{Host: hostkey.Host(strings.TrimPrefix(w, "*.")), Wildcard: true, Line: i}, d, fault); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) route(rd *store.Reader, p *Piece, r Route, d store.Deployment, fault func(Class, string, string)) error {
	why, err := t.foreign(rd, &r)
	if err != nil {
		return err
	}
	if why != "" {
		fault(Foreign, r.Name(), why)
		return nil
	}
	r.Record, err = legacy.RouteFor(rd, t.reader.config.Domain, t.project, r.Host, r.Wildcard, d)
	switch {
	case errors.Is(err, legacy.ErrForeign):
		fault(Foreign, r.Name(), err.Error())
		return nil
	case err != nil:
		return err
	}
	r.Key = t.reader.config.Hasher.Key(r.Host)
	r.Own = !r.Wildcard && legacy.IsOwnHost(t.reader.config.Domain, t.project.Name, r.Host, [4]byte(d.UUID[:4]))
	p.Routes = append(p.Routes, r)
	return nil
}

// foreign says why the old router would not come to this table for a host, or would find it in another one first; "" if it would. Of a
// host below the server's domain legacy.RouteFor says it.
func (t *Table) foreign(rd *store.Reader, r *Route) (why string, err error) {
	if strings.HasSuffix(string(r.Host), t.reader.below) {
		return "", nil
	}
	owner, err := rd.HostOwner(r.Name())
	parent, up := r.Host.Parent()
	for {
		switch {
		case err == nil && owner.Project == t.project.No:
			return "", nil
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return "", err
		case err == nil:
			if why, err = answeredBy(rd, owner.Project, r, t.project.Name); why != "" || err != nil {
				return why, err
			}
		}
		if r.Wildcard || !up { // the old router asks for a wildcard's hosts in the table of its holder alone
			return "no project holds the domain: add it to " + t.project.Name + ", or delete the entry", nil
		}
		owner, err = rd.HostOwner("*." + string(parent))
		parent, up = parent.Parent()
	}
}

// answeredBy says that another project, which is asked first, has an entry for the host, or is the only one that is asked.
func answeredBy(rd *store.Reader, p store.ProjectNo, r *Route, name string) (why string, err error) {
	if !r.Wildcard {
		if _, err := rd.TableHost(p, r.Name()); errors.Is(err, store.ErrNotFound) {
			return "", nil // the old router goes on to the wildcards above
		} else if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("project %d holds the domain, not %s: two projects claim it", p, name), nil
}

// Unread is the fault of a piece that cannot be read.
func Unread(c store.TableChunk, err error) Fault {
	return Fault{Class: Unreadable, Project: c.Project, Piece: c.No, Line: -1, Entry: -1, Why: clip(err.Error())}
}

// clip shortens a stranger's text for a record.
func clip(s string) string {
	const most = 300
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
