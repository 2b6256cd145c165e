package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
)

func newDeploymentCommand(a *app) *cobra.Command {
	c := a.noun("deployment", "List, show, delete, roll back to and promote deployments",
		"A deployment never changes. Production and branch aliases move from one to another.")
	var project string
	for _, sub := range []*cobra.Command{
		newDeploymentList(a, &project), newDeploymentShow(a, &project), newDeploymentDelete(a, &project),
		newDeploymentMove(a, &project, "rollback", "Make production serve an earlier deployment again", "Rolled back: production is"),
		newDeploymentMove(a, &project, "promote", "Make production serve this deployment, of whatever branch", "Promoted: production is"),
	} {
		a.withServer(sub)
		sub.Flags().StringVar(&project, "project", "", "`project` of the deployment")
		require(sub, "project")
		c.AddCommand(sub)
	}
	return c
}

func newDeploymentList(a *app, project *string) *cobra.Command {
	var environment string
	var limit int
	c := a.verb("list", nil, "List a project's deployments, newest first", "", func(ctx context.Context, _ []string) error {
		query := url.Values{}
		switch environment {
		case "":
		case "production", "preview":
			query.Set("env", environment)
		default:
			return wrong("--environment %q: want production or preview", environment)
		}
		if limit < 0 {
			return wrong("--limit %d: want 0 (all) or more", limit)
		}
		api, err := a.client()
		if err != nil {
			return err
		}
		items, err := api.List(ctx, api.Project(*project, "deployments"), query, 25, limit)
		if err != nil {
			return fmt.Errorf("list deployments of %q: %w", *project, err)
		}
		return a.print(items, func(w io.Writer) { writeDeployments(w, items) })
	})
	c.Flags().StringVar(&environment, "environment", "", "only `production` or preview")
	c.Flags().IntVar(&limit, "limit", 100, "at most this many, 0 for all")
	return c
}

func writeDeployments(w io.Writer, items []json.RawMessage) {
	var rows [][]string
	for _, raw := range items {
		d := decode[client.Deployment](raw)
		meta := d.Trigger.Metadata
		commit := meta.CommitHash[:min(len(meta.CommitHash), 8)]
		rows = append(rows, []string{d.ID, d.Environment, meta.Branch, commit, shortTime(d.Created), d.LatestStage.Status, d.URL})
	}
	table(w, "No deployments.", []string{"ID", "ENVIRONMENT", "BRANCH", "COMMIT", "CREATED", "STATUS", "URL"}, rows)
}

func newDeploymentShow(a *app, project *string) *cobra.Command {
	return a.verb("show", []string{"ID"}, "Show a deployment and its log", "", func(ctx context.Context, args []string) error {
		api, err := a.client()
		if err != nil {
			return err
		}
		answer, err := api.Do(ctx, client.Request{Method: http.MethodGet, Path: api.Project(*project, "deployments", args[0])})
		if err != nil {
			return fmt.Errorf("show deployment %q: %w", args[0], err)
		}
		if a.json {
			return a.print(answer.Result, nil)
		}
		lines, err := deploymentLog(ctx, api, *project, args[0])
		if err != nil {
			return fmt.Errorf("show the log of deployment %q: %w", args[0], err)
		}
		return a.print(nil, func(w io.Writer) {
			writeDeployment(w, decode[client.Deployment](answer.Result))
			for _, line := range lines {
				fmt.Fprintf(w, "  %s\n", oneLine(line))
			}
		})
	})
}

func writeDeployment(w io.Writer, d client.Deployment) {
	meta := d.Trigger.Metadata
	dirty := ""
	if meta.CommitDirty {
		dirty = " (with uncommitted changes)"
	}
	fields(w, [][2]string{
		{"id", d.ID}, {"project", d.Project}, {"environment", d.Environment}, {"status", d.LatestStage.Status},
		{"created", shortTime(d.Created)}, {"url", d.URL}, {"aliases", strings.Join(d.Aliases, " ")},
		{"branch", meta.Branch}, {"commit", meta.CommitHash + dirty}, {"message", meta.CommitMessage},
		{"berth.toml", siteText(d.Site)},
	})
}

// deploymentLog is what the server noted while it made the deployment, the problems of its rule files among it.
func deploymentLog(ctx context.Context, api *client.Client, project, id string) ([]string, error) {
	var log struct {
		Data []struct {
			Line string `json:"line"`
		} `json:"data"`
	}
	_, err := api.Into(ctx, client.Request{
		Method: http.MethodGet, Path: api.Project(project, "deployments", id, "history", "logs"),
		Query: url.Values{"size": {"10000"}},
	}, &log)
	if err != nil {
		return nil, err
	}
	lines := make([]string, len(log.Data))
	for i, d := range log.Data {
		lines[i] = d.Line
	}
	return lines, nil
}

func newDeploymentMove(a *app, project *string, name, short, done string) *cobra.Command {
	return a.verb(name, []string{"ID"}, short, "", func(ctx context.Context, args []string) error {
		raw, err := a.call(ctx, func(api *client.Client) client.Request {
			return client.Request{Method: http.MethodPost, Path: api.Project(*project, "deployments", args[0], name)}
		})
		if err != nil {
			return fmt.Errorf("%s to deployment %q: %w", name, args[0], err)
		}
		return a.print(raw, func(w io.Writer) { fmt.Fprintf(w, "%s %s.\n", done, oneLine(args[0])) })
	})
}
