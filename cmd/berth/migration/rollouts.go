package migration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"berth/migrate/ramp"
	"berth/router/rollout"
	"berth/store"
	"berth/store/control"
)

// Rollout is who answers, as the API has it. Sides are "hashed" and "legacy".
type Rollout struct {
	Revision    uint64            `json:"revision"` // of the commit that set it; 0: nobody did
	Time        time.Time         `json:"time,omitzero"`
	Who         string            `json:"who,omitempty"`
	Why         string            `json:"why,omitempty"`
	Percent     float64           `json:"percent"`
	Datacentres map[string]string `json:"datacentres"`
	Sites       map[string]string `json:"sites"`
	OptOut      []string          `json:"opt_out"`
	Kept        []string          `json:"kept"` // sites that stay on the tables by name: opted out, or pinned there
	Default     string            `json:"default"`
	InForce     bool              `json:"in_force"` // the phase lets it decide
	Mode        string            `json:"mode"`
}

// RolloutChange is what an operator wants otherwise. A field that is absent changes nothing; a side "" takes the name away.
type RolloutChange struct {
	Revision    *uint64           `json:"revision,omitempty"` // the one that the caller saw; nil: whichever there is
	Percent     *float64          `json:"percent,omitempty"`
	Datacentres map[string]string `json:"datacentres,omitempty"`
	Sites       map[string]string `json:"sites,omitempty"`
	OptOut      map[string]bool   `json:"opt_out,omitempty"` // false takes it back
	Default     *string           `json:"default,omitempty"`
	Why         string            `json:"why"`
}

// setRollout changes what there is. seen is the revision that the caller saw; nil: whichever there is.
func (s *Service) setRollout(ctx context.Context, who, why string, seen *uint64, change func(*rollout.Config) error) (rollout.Document, error) {
	return s.setRolloutAlso(ctx, who, why, seen, change, nil)
}

// setRolloutAlso does something else in the same batch, unless that is nil.
func (s *Service) setRolloutAlso(ctx context.Context, who, why string, seen *uint64, change func(*rollout.Config) error, also func(*store.Tx) error) (rollout.Document, error) {
	d, err := ramp.LoadRollout(&s.deps.Store.Reader)
	if err != nil {
		return d, err
	}
	if seen == nil {
		seen = &d.Revision
	}
	c := d.Config // decoded for us alone
	c.Datacentres, c.Sites = named(c.Datacentres), named(c.Sites)
	if err := change(&c); err != nil {
		return d, err
	}
	if err := c.Validate(); err != nil {
		return d, bad("%v", err)
	}
	return ramp.SetRollout(ctx, s.deps.Store, s.deps.Now, ramp.Change{From: *seen, Config: c, Who: who, Why: why, Also: also})
}

func named(m map[string]rollout.Side) map[string]rollout.Side {
	if m == nil {
		return map[string]rollout.Side{}
	}
	return m
}

// shown is a document as the API has it.
func shown(d rollout.Document) *Rollout {
	out := &Rollout{
		Revision: d.Revision, Time: d.Time, Who: d.Who, Why: d.Why, Percent: d.Config.Percent, Default: d.Config.Default.String(),
		Datacentres: map[string]string{}, Sites: map[string]string{}, OptOut: append([]string{}, d.Config.OptOut...), Kept: append([]string{}, d.Config.Kept()...),
		Mode: d.Config.Mode.String(), InForce: d.Config.Mode == rollout.ModeRamp,
	}
	for name, side := range d.Config.Datacentres {
		out.Datacentres[name] = side.String()
	}
	for name, side := range d.Config.Sites {
		out.Sites[name] = side.String()
	}
	return out
}

func (s *Service) getRollout(context.Context, control.Principal, *http.Request) (any, error) {
	d, err := ramp.LoadRollout(&s.deps.Store.Reader)
	if err != nil {
		return nil, err
	}
	return shown(d), nil
}

func (s *Service) postRollout(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	var c RolloutChange
	if err := readJSON(r, &c); err != nil {
		return nil, err
	}
	if err := checkWhy(c.Why); err != nil {
		return nil, err
	}
	d, err := s.changeRollout(ctx, who(p), &c)
	if err != nil {
		return nil, err
	}
	return shown(d), nil
}

func (s *Service) changeRollout(ctx context.Context, who string, c *RolloutChange) (rollout.Document, error) {
	var also func(*store.Tx) error
	if len(c.OptOut) > 0 {
		also = func(tx *store.Tx) error { return decide(tx, s.deps.Now(), c.OptOut) }
	}
	return s.setRolloutAlso(ctx, who, c.Why, c.Revision, func(to *rollout.Config) error {
		if err := s.checkSites(c, to); err != nil {
			return err
		}
		return c.apply(to)
	}, also)
}

func (c *RolloutChange) apply(to *rollout.Config) error {
	if c.Percent != nil {
		to.Percent = *c.Percent
	}
	if c.Default != nil {
		side, err := rollout.ParseSide(*c.Default)
		if err != nil {
			return bad("default: %v", err)
		}
		to.Default = side
	}
	if err := applySides("datacentre", to.Datacentres, c.Datacentres); err != nil {
		return err
	}
	if err := applySides("site", to.Sites, c.Sites); err != nil {
		return err
	}
	for site, out := range c.OptOut {
		to.OptOut = slices.DeleteFunc(to.OptOut, func(name string) bool { return name == site })
		if out {
			to.OptOut = append(to.OptOut, site)
		}
	}
	slices.Sort(to.OptOut)
	return nil
}

func applySides(what string, to map[string]rollout.Side, change map[string]string) error {
	for name, text := range change {
		if text == "" {
			delete(to, name)
			continue
		}
		side, err := rollout.ParseSide(text)
		if err != nil {
			return bad("%s %s: %v", what, name, err)
		}
		to[name] = side
	}
	return nil
}

// checkRollout wants every site on the records, but for those that are kept on the tables by name.
func checkRollout(r *store.Reader, p *Plan) error {
	d, err := ramp.LoadRollout(r)
	if err != nil {
		return err
	}
	c := &d.Config
	p.check("rollout", c.Percent == 100 || c.Default == rollout.Hashed, "%s of the sites are on hashed", rollout.FormatPercent(c.Percent))
	if behind := c.Behind(); len(behind) > 0 { // cutover does not ask where: they would go from none of the sites to all at once
		p.check("datacentres", false, "data centres on the tables: %s. `berth migrate rollout set --datacentre NAME=hashed`, or NAME= to have the percentage decide, ends that", some(behind))
	}
	if kept := c.Kept(); len(kept) > 0 {
		p.check("sites on the tables", true, "%d sites stay on the tables by name: %s", len(kept), some(kept))
	}
	return nil
}

// some names the first few.
func some(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
