package load

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"berth/migrate"
	"berth/migrate/convert"
	"berth/migrate/dualwrite"
	"berth/migrate/nginx"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// NginxReport is what became of an nginx configuration.
type NginxReport struct {
	Entries   int           `json:"entries"` // names and lines of maps
	Hosts     int           `json:"hosts"`   // that got an entry, wildcards included
	Same      int           `json:"same"`    // that had this entry
	Domains   int           `json:"domains"` // custom hosts that were given to a project
	ByClass   map[Class]int `json:"by_class,omitempty"`
	Problems  []Problem     `json:"problems,omitempty"`
	Unrelated int           `json:"unrelated"` // whose value names nothing of Berth's
}

// Nginx adds the hosts of an nginx configuration to the tables. The value of each, what its server serves or what the map gives, says where it
// leads: the name of a project stands for what that serves in production now, and a deployment is named by its UUID or script_hash. A host that
// has another entry already keeps it.
func Nginx(ctx context.Context, s *store.Store, m *migrate.Machine, c *nginx.Config, o Options) (NginxReport, error) {
	l, err := newLoader(s, m, o)
	if err != nil {
		return NginxReport{}, err
	}
	n := &nginxLoad{loader: l}
	for _, p := range c.Problems {
		n.problem(BadLine, p.Position, "%s", p.Message)
	}
	n.report.Entries = len(c.Entries)
	for start := 0; start < len(c.Entries); start += nginxBatch {
		if err := n.batch(ctx, c.Entries[start:min(start+nginxBatch, len(c.Entries))]); err != nil {
			return n.report, fmt.Errorf("load: %w", err)
		}
	}
	return n.report, nil
}

// nginxBatch is how many entries go into one Update: each may stand for a thousand hosts.
const nginxBatch = 64

type nginxLoad struct {
	*loader
	report NginxReport
}

func (n *nginxLoad) problem(class Class, at nginx.Position, format string, args ...any) {
	if n.report.ByClass == nil {
		n.report.ByClass = map[Class]int{}
	}
	n.report.ByClass[class]++
	if len(n.report.Problems) < n.opts.MaxProblems*MaxProblemProjects {
		n.report.Problems = append(n.report.Problems, Problem{Class: class, Place: at.String(), Entry: -1, Text: fmt.Sprintf(format, args...)})
	}
}

func (n *nginxLoad) batch(ctx context.Context, entries []nginx.Entry) error {
	_, err := n.store.Update(ctx, func(tx *store.Tx) error {
		if err := n.loads(tx); err != nil {
			return err
		}
		editors := map[store.ProjectNo]*dualwrite.Editor{}
		for i := range entries {
			if err := n.entry(tx, editors, &entries[i]); err != nil {
				return fmt.Errorf("%s: %s: %w", entries[i].Position, entries[i].Name, err)
			}
		}
		for _, e := range editors {
			if err := e.Flush(); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (n *nginxLoad) entry(tx *store.Tx, editors map[store.ProjectNo]*dualwrite.Editor, x *nginx.Entry) error {
	switch x.Class {
	case convert.CannotConvert:
		n.problem(NotConverted, x.Position, "%s: %s (%s)", x.Name, x.Why, x.Reason)
		return nil
	case convert.Shadowed:
		n.problem(Shadowed, x.Position, "%s: %s; it is left out", x.Name, x.Why)
		return nil
	}
	p, d, err := n.named(tx, x.Value)
	if err != nil {
		return err
	}
	if d.No == 0 {
		n.report.Unrelated++
		n.problem(Dangling, x.Position, "%s: %q names no project that has a production deployment, and no deployment", x.Name, clip(x.Value))
		return nil
	}
	if editors[p.No] == nil {
		editors[p.No] = n.editor(tx, p.No)
	}
	for _, h := range x.Hosts {
		if err := n.host(tx, editors[p.No], x, p, d, h, false); err != nil {
			return err
		}
	}
	for _, s := range x.Wildcards {
		if err := n.host(tx, editors[p.No], x, p, d, hostkey.Host(strings.TrimPrefix(s, "*.")), true); err != nil {
			return err
		}
	}
	return nil
}

// named finds what a value stands for. A project comes first: its name is what people write.
func (n *nginxLoad) named(tx *store.Tx, value string) (p store.Project, d store.Deployment, err error) {
	p, err = tx.ProjectByName(value)
	switch {
	case err == nil && p.Live != 0 && p.State == store.ProjectActive:
		d, err = tx.Deployment(p.Live)
		return p, d, err
	case err == nil:
		return p, d, nil
	case !errors.Is(err, store.ErrNotFound):
		return p, d, err
	}
	if id, ok := parseUUID(value); ok {
		d, err = tx.DeploymentByUUID(id)
	} else if value != "" {
		d, err = legacy.Target(&tx.Reader, value)
	}
	if err == nil && d.No != 0 {
		p, err = tx.Project(d.Project)
	}
	if errors.Is(err, store.ErrNotFound) {
		return p, store.Deployment{}, nil
	}
	return p, d, err
}

func (n *nginxLoad) host(tx *store.Tx, e *dualwrite.Editor, x *nginx.Entry, p store.Project, d store.Deployment, h hostkey.Host, wildcard bool) error {
	hash, has, err := e.Get(h, wildcard)
	if err != nil {
		return err
	}
	if has {
		old, err := legacy.Target(&tx.Reader, hash)
		switch {
		case err == nil && old.No == d.No:
			n.report.Same++
		case err == nil || errors.Is(err, store.ErrNotFound):
			n.problem(Known, x.Position, "%s has another entry in the table of project %s, which stays", name(h, wildcard), p.Name)
		default:
			return err
		}
		return nil
	}
	was, err := servesNow(tx, n.opts.Domain, p, h, wildcard)
	if err != nil {
		return err
	}
	c := claimer{tx: tx, opts: &n.opts, project: &p}
	refusal, err := c.take(h, wildcard, d.No)
	if err != nil {
		return err
	}
	n.report.Domains += c.added
	if refusal.text != "" {
		n.problem(refusal.class, x.Position, "%s; it is left out", refusal.text)
		return nil
	}
	if c.moved != "" {
		n.problem(Moved, x.Position, "%s", c.moved)
	}
	if was != 0 && was != d.No {
		n.problem(Replaced, x.Position, "%s served another deployment of project %s, and serves %s now", name(h, wildcard), p.Name, d.UUID)
	}
	n.report.Hosts++
	if err := pointed(tx, &n.rules, p, h, wildcard, target{d.No, [4]byte(d.UUID[:4])}); err != nil {
		return err
	}
	return e.Set(h, wildcard, legacy.ScriptHash(d.UUID))
}
