package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
)

// purgeRequest is what the API takes.
type purgeRequest struct {
	Production bool     `json:"production,omitempty"`
	Branch     string   `json:"branch,omitempty"`
	Deployment string   `json:"deployment,omitempty"`
	Paths      []string `json:"paths,omitempty"`
}

func newPurgeCommand(a *app) *cobra.Command {
	var project string
	var what purgeRequest
	c := a.withServer(a.verb("purge", []string{"[PATH...]"}, "Stop answering files of earlier deployments, at once",
		`A host that moves to another deployment goes on answering scripts, styles and the like that pages in open tabs
may still ask for, and lets pages keep to their deployment where that is set. purge ends it: for everything, for one
deployment, or for single files, such as /assets/app.1a2b.js. What the hosts serve now is not touched.
With skew protection, pages that keep to a deployment and requests that name it still get all its files when single ones
are purged: --deployment, without a PATH, ends that.`,
		func(ctx context.Context, paths []string) error {
			what.Paths = paths
			raw, err := a.call(ctx, func(api *client.Client) client.Request {
				return client.Request{Method: http.MethodPost, Path: api.Project(project, "purge"), JSON: what}
			})
			if err != nil {
				return fmt.Errorf("purge %q: %w", project, err)
			}
			return a.print(raw, func(w io.Writer) { writePurge(w, raw) })
		}))
	f := c.Flags()
	f.StringVar(&project, "project", "", "`project` whose hosts are to forget")
	f.BoolVar(&what.Production, "production", false, "only what production and the domains that follow it answer")
	f.StringVar(&what.Branch, "branch", "", "only what the hosts of this `branch` answer")
	f.StringVar(&what.Deployment, "deployment", "", "only what the deployment with this `ID` left behind")
	require(c, "project")
	return c
}

func writePurge(w io.Writer, raw json.RawMessage) {
	r := decode[struct {
		Files   int `json:"files"`
		Targets []struct {
			Branch      *string  `json:"branch"`
			Files       int      `json:"files"`
			Paths       []string `json:"paths"`
			Deployments []string `json:"deployments"`
		} `json:"targets"`
	}](raw)
	if len(r.Targets) == 0 {
		fmt.Fprintln(w, "Nothing of it was answered any more.")
		return
	}
	for _, t := range r.Targets {
		name := "Production"
		if t.Branch != nil {
			name = "Branch " + oneLine(*t.Branch)
		}
		fmt.Fprintf(w, "%s no longer answers %d file(s) of earlier deployments.\n", name, t.Files)
		for _, path := range t.Paths {
			fmt.Fprintf(w, "  %s\n", oneLine(path))
		}
		if more := t.Files - len(t.Paths); more > 0 {
			fmt.Fprintf(w, "  … and %d more\n", more)
		}
		for _, id := range t.Deployments {
			fmt.Fprintf(w, "  no page keeps to deployment %s any more\n", oneLine(id))
		}
	}
}
