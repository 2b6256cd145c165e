package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
	"berth/cmd/berth/explain"
)

func newExplainCommand(a *app) *cobra.Command {
	var at int64
	c := a.withServer(a.verb("explain", []string{"URL"}, "Say which deployment and which file answer a URL, and why", "", func(ctx context.Context, args []string) error {
		query := url.Values{"url": {args[0]}}
		if at < 0 {
			return wrong("--at %d: want a revision, a number from 1", at)
		}
		if at > 0 {
			query.Set("at", strconv.FormatInt(at, 10))
		}
		raw, err := a.call(ctx, func(*client.Client) client.Request {
			return client.Request{Method: http.MethodGet, Path: client.Join("berth", "explain"), Query: query}
		})
		if err != nil {
			return fmt.Errorf("explain %q: %w", args[0], err)
		}
		return a.print(raw, func(w io.Writer) { writeReport(w, decode[explain.Report](raw)) })
	}))
	c.Flags().Int64Var(&at, "at", 0, "explain an earlier `revision`")
	return c
}

func writeReport(w io.Writer, r explain.Report) {
	match := r.Match
	if r.Wildcard != "" {
		match += " " + r.Wildcard
	}
	rows := [][2]string{
		{"host", r.Host}, {"canonical host", r.Canonical}, {"key", r.Key},
		{"revision", fmt.Sprintf("%d (newest %d)", r.Revision, r.Newest)}, {"answered by", r.Table + " in " + r.Datacentre}, {"match", match},
	}
	if rec := r.Record; rec != nil {
		rows = append(rows, [2]string{"record", strings.TrimSpace(fmt.Sprintf("%s, %s, project %d (%s), deployment %d, epoch %d %s",
			rec.Kind, rec.Class, rec.ProjectNo, rec.Project, rec.Deployment, rec.Epoch, strings.Join(rec.Flags, " ")))})
	}
	if d := r.Deployment; d != nil {
		rows = append(rows, [2]string{"deployment", fmt.Sprintf("%s (%s, branch %q, %s, %d files)", d.ID, d.Environment, d.Branch, shortTime(d.Created), d.Files)})
	}
	if e := r.Entry; e != nil {
		rows = append(rows, [2]string{"manifest entry", fmt.Sprintf("%s, blob %s, %d bytes", e.Path, e.Blob, e.Size)})
	}
	if p := r.Plan; p != nil {
		rows = append(rows, [2]string{"plan", fmt.Sprintf("%d, body %s, %d bytes", p.Status, p.Body, p.Length)})
		for _, f := range p.Fields {
			rows = append(rows, [2]string{"", f.Name + ": " + f.Value})
		}
	}
	fields(w, append(rows, [2]string{"note", r.Note}))
}
