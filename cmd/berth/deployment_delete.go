package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
)

// bulk says which deployments to delete when none is named.
type bulk struct {
	keep        int
	olderThan   string
	branch      string
	environment string
	dryRun      bool
	force       bool
}

func newDeploymentDelete(a *app, project *string) *cobra.Command {
	b := bulk{}
	c := a.verb("delete", []string{"[ID]"}, "Delete one deployment, or many by age and number", `With ID, deletes that deployment; --force is needed if an alias leads to it.
Without, deletes all deployments that --keep, --older-than, --branch and --environment leave to be deleted; what
production and aliases lead to stays. Look first with --dry-run. An interrupted run goes on when started again.`,
		func(ctx context.Context, args []string) error {
			if len(args) == 1 {
				return a.deleteDeployment(ctx, *project, args[0], b)
			}
			return a.deleteDeployments(ctx, *project, b)
		})
	f := c.Flags()
	f.IntVar(&b.keep, "keep", -1, "keep the newest `N`")
	f.StringVar(&b.olderThan, "older-than", "", "only those older than this `age`: 30d, 12h, 2w")
	f.StringVar(&b.branch, "branch", "", "only those of this `branch`")
	f.StringVar(&b.environment, "environment", "", "only `production` or preview")
	f.BoolVar(&b.dryRun, "dry-run", false, "say what would be deleted, delete nothing")
	f.BoolVar(&b.force, "force", false, "delete the deployment though an alias leads to it")
	return c
}

func (a *app) deleteDeployment(ctx context.Context, project, id string, b bulk) error {
	if b.keep >= 0 || b.olderThan != "" || b.branch != "" || b.environment != "" || b.dryRun {
		return wrong("with an ID, --keep, --older-than, --branch, --environment and --dry-run mean nothing: give either")
	}
	raw, err := a.call(ctx, func(api *client.Client) client.Request {
		return client.Request{Method: http.MethodDelete, Path: api.Project(project, "deployments", id),
			Query: url.Values{"force": {strconv.FormatBool(b.force)}}}
	})
	if err != nil {
		return fmt.Errorf("delete deployment %q: %w", id, err)
	}
	return a.print(raw, func(w io.Writer) { fmt.Fprintf(w, "Deleted deployment %s.\n", oneLine(id)) })
}

func (a *app) deleteDeployments(ctx context.Context, project string, b bulk) error {
	query, err := b.query()
	if err != nil {
		return err
	}
	raw, err := a.call(ctx, func(api *client.Client) client.Request {
		return client.Request{Method: http.MethodDelete, Path: api.Project(project, "deployments"), Query: query, Slow: true}
	})
	if err != nil {
		return fmt.Errorf("delete deployments of %q: %w", project, err)
	}
	return a.print(raw, func(w io.Writer) { writeBulk(w, raw, b.dryRun) })
}

func (b bulk) query() (url.Values, error) {
	q := url.Values{}
	if b.keep >= 0 {
		q.Set("keep", strconv.Itoa(b.keep))
	}
	if b.olderThan != "" {
		if _, err := parseAge(b.olderThan); err != nil {
			return nil, wrong("--older-than: %w", err)
		}
		q.Set("older_than", b.olderThan)
	}
	if b.branch != "" {
		q.Set("branch", b.branch)
	}
	switch b.environment {
	case "":
	case "production", "preview":
		q.Set("environment", b.environment)
	default:
		return nil, wrong("--environment %q: want production or preview", b.environment)
	}
	if b.keep < 0 && b.olderThan == "" {
		return nil, wrong("which deployments? Give an ID, or --keep N, --older-than 30d, or both")
	}
	if b.force {
		return nil, wrong("--force is for one deployment: many are only deleted when nothing leads to them")
	}
	q.Set("dry_run", strconv.FormatBool(b.dryRun))
	return q, nil
}

func writeBulk(w io.Writer, raw json.RawMessage, dryRun bool) {
	did := "Deleted"
	if dryRun {
		did = "Would delete"
	}
	r := decode[struct {
		Deleted int      `json:"deleted"`
		Kept    int      `json:"kept"`
		IDs     []string `json:"ids"`
	}](raw)
	fmt.Fprintf(w, "%s %d deployment(s), kept %d.\n", did, r.Deleted, r.Kept)
	if !dryRun {
		return
	}
	for _, id := range r.IDs {
		fmt.Fprintf(w, "  %s\n", oneLine(id))
	}
	if more := r.Deleted - len(r.IDs); more > 0 {
		fmt.Fprintf(w, "  … and %d more\n", more)
	}
}
