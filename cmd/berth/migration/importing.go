package migration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"berth/migrate/load"
	"berth/migrate/nginx"
	"berth/router/hostkey"
	"berth/store/control"
)

// Bounds of what an import sends at once. A client sends about ImportBytes in one request, more only if a single table is larger.
const (
	ImportBytes   = 4 << 20
	MaxTableBytes = 64 << 20 // of one table
	maxUpload     = MaxTableBytes + 1<<20
)

// mountImport adds the calls that take more than a short text.
func (s *Service) mountImport(c *control.Service) {
	for pattern, h := range map[string]handler{
		"POST /berth/migrate/import/tables":      s.postTables,
		"POST /berth/migrate/import/deployments": s.postDeployments,
		"POST /berth/migrate/import/nginx":       s.postNginx,
		"POST /berth/migrate/import/complete":    s.postComplete,
	} {
		c.ExtraUpload(pattern, control.NeedServer, maxUpload, "an import", func(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
			v, err := h(ctx, p, r)
			return v, public(err)
		})
	}
}

func (s *Service) loadOptions(who, why string) load.Options {
	return load.Options{Domain: string(s.opts.Domain), Hasher: s.deps.Hasher, Who: who, Why: why, Now: s.deps.Now}
}

// asked reads ?why=, ?place= (what the body is called in messages), ?replace= and ?max_replaced= of an upload.
func (s *Service) asked(p control.Principal, r *http.Request) (o load.Options, place string, err error) {
	q := r.URL.Query()
	why := cmp.Or(q.Get("why"), "tables are imported")
	o = s.loadOptions(who(p), why)
	if v := q.Get("replace"); v != "" {
		if o.Replace, err = strconv.ParseBool(v); err != nil {
			return o, "", bad("?replace=%q: want true or false", v)
		}
	}
	if v := q.Get("max_replaced"); v != "" {
		if o.MaxReplaced, err = strconv.Atoi(v); err != nil || o.MaxReplaced < 1 || o.MaxReplaced > load.MostReplaced {
			return o, "", bad("?max_replaced=%.20q: want a number from 1 to %d", v, load.MostReplaced)
		}
	}
	return o, cmp.Or(q.Get("place"), "upload"), checkWhy(why)
}

// postTables takes lines {"project":"docs","table":{…}}, of which each is one project's whole table.
func (s *Service) postTables(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	o, place, err := s.asked(p, r)
	if err != nil {
		return nil, err
	}
	return s.ImportTables(ctx, whole(load.NDJSON(place, r.Body, maxUpload)), o)
}

// whole has offsets counted from the beginning of each table: the lines are the client's making.
func whole(src load.Source) load.Source {
	return func(yield func(load.Table, error) bool) {
		for t, err := range src {
			t.Base = 0
			if !yield(t, err) {
				return
			}
		}
	}
}

// ImportTables loads tables. What is wrong with one of them is in the report.
func (s *Service) ImportTables(ctx context.Context, src load.Source, o load.Options) (load.Report, error) {
	o.Domain, o.Hasher, o.Now = string(s.opts.Domain), s.deps.Hasher, s.deps.Now
	if err := s.prepare(); err != nil {
		return load.Report{}, err
	}
	return load.Tables(ctx, s.deps.Store, s.machine, src, o)
}

func (s *Service) postDeployments(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	o, place, err := s.asked(p, r)
	if err != nil {
		return nil, err
	}
	return s.ImportDeployments(ctx, place, r.Body, o)
}

// ImportDeployments loads what the old design calls deployments.
func (s *Service) ImportDeployments(ctx context.Context, place string, r io.Reader, o load.Options) (load.NamesReport, error) {
	o.Domain, o.Hasher, o.Now = string(s.opts.Domain), s.deps.Hasher, s.deps.Now
	return load.Deployments(ctx, s.deps.Store, s.machine, place, r, o)
}

// postNginx takes a part of what package nginx read: the client has the files.
func (s *Service) postNginx(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	o, _, err := s.asked(p, r)
	if err != nil {
		return nil, err
	}
	var c nginx.Config
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		return nil, bad("the request body is not what `berth migrate import --nginx` sends: %v", err)
	}
	for i := range c.Entries {
		if err := canonical(&c.Entries[i]); err != nil {
			return nil, bad("%s: %v", c.Entries[i].Position, err)
		}
	}
	return s.ImportNginx(ctx, &c, o)
}

func canonical(e *nginx.Entry) error {
	for _, h := range e.Hosts {
		if c, err := hostkey.Canonical(string(h)); err != nil || c != h {
			return fmt.Errorf("%q is not a canonical host", h)
		}
	}
	for _, w := range e.Wildcards {
		if c, wild, err := hostkey.CanonicalPattern(w); err != nil || !wild || "*."+string(c) != w {
			return fmt.Errorf("%q is not a wildcard of a canonical host", w)
		}
	}
	return nil
}

// ImportNginx loads hosts of an nginx configuration.
func (s *Service) ImportNginx(ctx context.Context, c *nginx.Config, o load.Options) (load.NginxReport, error) {
	o.Domain, o.Hasher, o.Now = string(s.opts.Domain), s.deps.Hasher, s.deps.Now
	if err := s.prepare(); err != nil {
		return load.NginxReport{}, err
	}
	return load.Nginx(ctx, s.deps.Store, s.machine, c, o)
}

func (s *Service) postComplete(ctx context.Context, p control.Principal, r *http.Request) (any, error) {
	o, _, err := s.asked(p, r)
	if err != nil {
		return nil, err
	}
	return s.CompleteImport(ctx, o)
}

// CompleteImport gives the hosts that Berth serves already entries of their own. The tables answer for everything from then on.
func (s *Service) CompleteImport(ctx context.Context, o load.Options) (load.FillReport, error) {
	o.Domain, o.Hasher, o.Now = string(s.opts.Domain), s.deps.Hasher, s.deps.Now
	return load.Fill(ctx, s.deps.Store, s.machine, s.hosts, o)
}

// limitOf reads ?limit=.
func limitOf(r *http.Request, ifNone int) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return ifNone, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, bad("limit=%.20q: want a number from 1 to %d", text, maxPage)
	}
	return n, nil
}
