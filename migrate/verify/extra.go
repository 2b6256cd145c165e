package verify

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"berth/migrate"
	"berth/router/hostkey"
	"berth/store"
)

// hunt looks for records that no table has, at one state of the store.
type hunt struct {
	job     *Job
	r       *store.Reader
	epoch   store.Epoch
	records int64
	sums    map[store.ProjectNo]*sum
}

// extras compares the sums of all records with those of the tables, and goes through the projects where they are not the same.
func (j *Job) extras(ctx context.Context, s situation, f *finding) (records int64, err error) {
	snap := j.deps.Store.Snapshot()
	defer snap.Close()
	h := &hunt{job: j, r: &snap.Reader, epoch: s.state.Epoch, sums: map[store.ProjectNo]*sum{}}
	for k, rec := range h.all() {
		if err := h.tally(ctx, k, rec, f); err != nil {
			return 0, err
		}
	}
	suspects, strays, err := h.suspects()
	if err != nil {
		return 0, err
	}
	for len(suspects) > 0 {
		n, keys := 0, int64(0)
		for n < len(suspects) && (n == 0 || keys+h.count(suspects[n]) <= int64(j.opts.MaxKeys)) {
			keys += h.count(suspects[n])
			n++
		}
		if err := h.group(ctx, suspects[:n], strays, f); err != nil {
			return 0, err
		}
		suspects = suspects[n:]
	}
	return h.records, nil
}

// all yields the records of exact hosts, then those of wildcards.
func (h *hunt) all() iter.Seq2[slot, store.RouteOrErr] {
	return func(yield func(slot, store.RouteOrErr) bool) {
		for k, r := range h.r.AllRoutes() {
			if !yield(slot{k, false}, r) {
				return
			}
		}
		for k, r := range h.r.AllWildcards() {
			if !yield(slot{k, true}, r) {
				return
			}
		}
	}
}

func (h *hunt) tally(ctx context.Context, k slot, rec store.RouteOrErr, f *finding) error {
	switch {
	case rec.Err != nil && !errors.Is(rec.Err, store.ErrCorrupt):
		return rec.Err
	case rec.Err != nil:
		s := Site{Hosts: map[Class]int64{}}
		f.diff(&s, h.job.opts.MaxExamples, Diff{Class: Error, Key: k.key.String(), Line: -1, Entry: -1, Why: rec.Err.Error()})
		return nil
	case rec.Route.Epoch != h.epoch:
		return nil
	}
	h.records++
	if h.sums[rec.Route.Project] == nil {
		h.sums[rec.Route.Project] = &sum{}
	}
	h.sums[rec.Route.Project].note(k)
	if h.records%1024 == 0 {
		return ctx.Err()
	}
	return nil
}

func (h *hunt) count(p store.ProjectNo) int64 {
	if s := h.sums[p]; s != nil {
		return s.Count
	}
	return 0
}

// suspects are the projects that have other records than their tables had, and those whose tables have hosts of others.
func (h *hunt) suspects() (suspects, strays []store.ProjectNo, err error) {
	known := map[store.ProjectNo]bool{}
	for d, err := range h.r.Documents(sumPrefix, "") {
		if err != nil {
			return nil, nil, err
		}
		no, err := strconv.ParseUint(strings.TrimPrefix(d.Name, sumPrefix), 16, 32)
		if err != nil {
			return nil, nil, fmt.Errorf("document %s: %w", d.Name, err)
		}
		was, _, err := migrate.Get[sum](h.r, d.Name)
		if err != nil {
			return nil, nil, err
		}
		p := store.ProjectNo(no)
		known[p] = true
		if is := h.sums[p]; is != nil && !was.same(is) {
			suspects = append(suspects, p)
		}
		if was.Strays {
			strays = append(strays, p)
		}
	}
	for p := range h.sums {
		if !known[p] {
			suspects = append(suspects, p)
		}
	}
	slices.Sort(suspects)
	return suspects, strays, nil
}

// group finds the extra records of some projects.
func (h *hunt) group(ctx context.Context, ps, strays []store.ProjectNo, f *finding) error {
	in := map[store.ProjectNo]bool{}
	for _, p := range ps {
		in[p] = true
	}
	left := map[slot]store.Route{}
	for k, rec := range h.all() {
		if rec.Err == nil && rec.Route.Epoch == h.epoch && in[rec.Route.Project] {
			left[k] = rec.Route
		}
	}
	walk := slices.Concat(ps, strays)
	slices.Sort(walk)
	for _, p := range slices.Compact(walk) {
		if err := h.explain(ctx, p, left); err != nil {
			return err
		}
	}
	extra := map[store.ProjectNo][]slot{}
	for k, rec := range left {
		extra[rec.Project] = append(extra[rec.Project], k)
	}
	for _, p := range slices.Sorted(maps.Keys(extra)) {
		if err := h.report(p, extra[p], left, f); err != nil {
			return err
		}
	}
	return nil
}

// explain takes off what a project's table has.
func (h *hunt) explain(ctx context.Context, p store.ProjectNo, left map[slot]store.Route) error {
	t, err := h.job.deps.Tables.Table(h.r, p)
	if err != nil {
		return err
	}
	for chunk, err := range h.r.TableChunks(p) {
		if err != nil {
			return err
		}
		piece, err := t.Piece(h.r, chunk)
		if err != nil {
			return err
		}
		for i := range piece.Routes {
			delete(left, slot{piece.Routes[i].Key, piece.Routes[i].Wildcard})
		}
		if err := h.job.pay(ctx, max(1, len(piece.Lines))); err != nil {
			return err
		}
	}
	return nil
}

// report names the extra records of one project as far as they can be.
func (h *hunt) report(p store.ProjectNo, extra []slot, left map[slot]store.Route, f *finding) error {
	s := Site{Version: documentVersion, Project: p, Name: fmt.Sprintf("project %d, which is not there", p), Hosts: map[Class]int64{}}
	names, err := h.names(p, &s, extra)
	if err != nil {
		return err
	}
	slices.SortFunc(extra, func(a, b slot) int { return strings.Compare(a.key.String(), b.key.String()) })
	for _, k := range extra {
		d := Diff{Class: Extra, Key: k.key.String(), Host: names[k].host, Record: side(left[k]), Line: -1, Entry: -1, Why: "no table has an entry for it"}
		if names[k].indexed {
			d.Class, d.Why = Unconvertible, "its entry stands behind one that cannot be converted and may come first"
		}
		f.diff(&s, h.job.opts.MaxExamples, d)
	}
	f.sites = append(f.sites, s)
	return nil
}

type name struct {
	host    string
	indexed bool // the table has an entry for it
}

// names finds the hosts of keys among those that the project has.
func (h *hunt) names(p store.ProjectNo, s *Site, of []slot) (map[slot]name, error) {
	wanted := make(map[slot]bool, len(of))
	for _, k := range of {
		wanted[k] = true
	}
	found := map[slot]name{}
	try := func(host string, indexed bool) {
		n, wildcard := strings.CutPrefix(host, "*.")
		k := slot{h.job.deps.Tables.Key(hostkey.Host(n)), wildcard}
		if wanted[k] && (indexed || found[k].host == "") {
			found[k] = name{host, indexed}
		}
	}
	project, err := h.r.Project(p)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err == nil {
		s.Name = project.Name
		if err := h.controlHosts(project, try); err != nil {
			return nil, err
		}
	}
	for host, err := range h.r.TableHosts(p) {
		if err != nil {
			return nil, err
		}
		try(host, true)
	}
	return found, nil
}

// controlHosts tries the hosts that the control plane knows of a project.
func (h *hunt) controlHosts(p store.Project, try func(string, bool)) error {
	own := p.Name + "." + h.job.deps.Tables.Domain()
	try(own, false)
	for d, err := range h.r.DeploymentsOf(p.No, 0) {
		if err != nil {
			return err
		}
		try(hex.EncodeToString(d.UUID[:4])+"."+own, false)
	}
	for b, err := range h.r.Branches(p.No) {
		if err != nil {
			return err
		}
		try(b.Exact+"."+own, false)
		try(b.Plain+"."+own, false)
	}
	for d, err := range h.r.Domains(p.No) {
		if err != nil {
			return err
		}
		try(d.Host, false)
	}
	return nil
}
