package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
)

func newProjectCommand(a *app) *cobra.Command {
	c := a.noun("project", "Create, list, show, set up and delete projects", "A project owns deployments and the hostnames that lead to them. Names are unique on the server.")
	c.AddCommand(newProjectCreate(a), newProjectList(a), newProjectShow(a), newProjectSet(a), newProjectDelete(a))
	return c
}

func newProjectCreate(a *app) *cobra.Command {
	var branch string
	c := a.withServer(a.verb("create", []string{"NAME"}, "Create a project", "", func(ctx context.Context, args []string) error {
		raw, err := a.call(ctx, func(api *client.Client) client.Request {
			return client.Request{Method: http.MethodPost, Path: api.Account("pages", "projects"),
				JSON: map[string]string{"name": args[0], "production_branch": branch}}
		})
		if err != nil {
			return fmt.Errorf("create project %q: %w", args[0], err)
		}
		return a.print(raw, func(w io.Writer) {
			p := decode[client.Project](raw)
			fmt.Fprintf(w, "Created project %s (production branch %s).\nIt will answer at %s once deployed: berth deploy DIR --project %[1]s\n",
				oneLine(p.Name), oneLine(p.ProductionBranch), oneLine(p.Subdomain))
		})
	}))
	c.Flags().StringVar(&branch, "production-branch", "main", "`branch` whose deployments are production")
	return c
}

func newProjectList(a *app) *cobra.Command {
	return a.withServer(a.verb("list", nil, "List the account's projects", "", func(ctx context.Context, _ []string) error {
		api, err := a.client()
		if err != nil {
			return err
		}
		items, err := api.List(ctx, api.Account("pages", "projects"), nil, 100, 0)
		if err != nil {
			return fmt.Errorf("list projects: %w", err)
		}
		return a.print(items, func(w io.Writer) {
			var rows [][]string
			for _, raw := range items {
				p := decode[client.Project](raw)
				last := ""
				if p.Latest != nil {
					last = shortTime(p.Latest.Created)
				}
				rows = append(rows, []string{p.Name, p.ProductionBranch, strings.Join(p.Domains, " "), last})
			}
			table(w, "No projects yet: berth project create NAME", []string{"NAME", "BRANCH", "DOMAINS", "LAST DEPLOYMENT"}, rows)
		})
	}))
}

func newProjectShow(a *app) *cobra.Command {
	return a.withServer(a.verb("show", []string{"NAME"}, "Show a project", "", func(ctx context.Context, args []string) error {
		raw, err := a.call(ctx, func(api *client.Client) client.Request {
			return client.Request{Method: http.MethodGet, Path: api.Project(args[0])}
		})
		if err != nil {
			return fmt.Errorf("show project %q: %w", args[0], err)
		}
		return a.print(raw, func(w io.Writer) { writeProject(w, raw) })
	}))
}

func writeProject(w io.Writer, raw json.RawMessage) {
	p := decode[client.Project](raw)
	rows := [][2]string{
		{"name", p.Name}, {"id", p.ID}, {"production branch", p.ProductionBranch},
		{"domains", strings.Join(p.Domains, " ")}, {"created", shortTime(p.Created)},
	}
	for _, d := range []struct {
		what string
		d    *client.Deployment
	}{{"production is", p.Canonical}, {"latest is", p.Latest}} {
		if d.d != nil {
			rows = append(rows, [2]string{d.what, fmt.Sprintf("%s  %s  %s", d.d.ID, shortTime(d.d.Created), d.d.URL)})
		}
	}
	fields(w, append(rows, siteRows(p)...))
}

func newProjectDelete(a *app) *cobra.Command {
	return a.withServer(a.verb("delete", []string{"NAME"}, "Delete a project with all of its deployments, hostnames and secrets", "",
		func(ctx context.Context, args []string) error {
			raw, err := a.call(ctx, func(api *client.Client) client.Request {
				return client.Request{Method: http.MethodDelete, Path: api.Project(args[0]), Slow: true}
			})
			if client.HasCode(err, client.CodeProjectMissing) {
				return fmt.Errorf("delete project %q: %w", args[0], err)
			}
			if err != nil {
				return fmt.Errorf("delete project %q: %w\n  if it was interrupted, run it again: it goes on where it stopped", args[0], err)
			}
			return a.print(raw, func(w io.Writer) { fmt.Fprintf(w, "Deleted project %s.\n", oneLine(args[0])) })
		}))
}
