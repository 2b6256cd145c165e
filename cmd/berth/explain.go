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
	var (
		at      int64
		method  string
		headers []string
	)
	c := a.withServer(a.verb("explain", []string{"URL"}, "Say which deployment and which file answer a URL, and why", "", func(ctx context.Context, args []string) error {
		query := url.Values{"url": {args[0]}, "method": {method}, "header": headers}
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
	c.Flags().StringVar(&method, "method", http.MethodGet, "explain a request of this `method`")
	c.Flags().StringArrayVarP(&headers, "header", "H", nil, "explain a request with this `field`, such as 'Accept-Encoding: br' (repeat)")
	return c
}

func writeReport(w io.Writer, r explain.Report) {
	match := r.Match
	if r.Wildcard != "" {
		match += " " + r.Wildcard
	}
	rows := [][2]string{
		{"request", r.Method + " " + r.URL}, {"host", r.Host}, {"canonical host", r.Canonical}, {"key", r.Key},
		{"revision", fmt.Sprintf("%d (newest %d)", r.Revision, r.Newest)}, {"answered by", answeredBy(r)}, {"match", match}, {"table line", r.Line},
	}
	if rec := r.Record; rec != nil {
		rows = append(rows, [2]string{"record", strings.TrimSpace(fmt.Sprintf("%s, %s, project %d (%s), deployment %d, epoch %d %s",
			rec.Kind, rec.Class, rec.ProjectNo, rec.Project, rec.Deployment, rec.Epoch, strings.Join(rec.Flags, " ")))})
	}
	if d := r.Deployment; d != nil {
		rows = append(rows, [2]string{"deployment", fmt.Sprintf("%s (%s, branch %q, %s, %d files)", d.ID, d.Environment, d.Branch, shortTime(d.Created), d.Files)})
	}
	if d := r.Pinned; d != nil {
		rows = append(rows, [2]string{"pinned", fmt.Sprintf("deployment %d (%s, branch %q, %s, %d files), by %s", d.No, d.ID, d.Branch, shortTime(d.Created), d.Files, d.By)})
	}
	rows = append(rows, fileRows(r)...)
	rows = append(rows, planRows(r)...)
	fields(w, append(rows, [2]string{"note", r.Note}))
}

func answeredBy(r explain.Report) string {
	text := r.Table + " in " + r.Datacentre
	if r.Why != "" {
		text += ", by " + r.Why
	}
	return text
}

func fileRows(r explain.Report) (rows [][2]string) {
	if e := r.Entry; e != nil {
		rows = append(rows, [2]string{"manifest entry", fmt.Sprintf("%s, blob %s, %d bytes", e.Path, e.Blob, e.Size)})
	}
	for _, v := range r.Variants {
		rows = append(rows, [2]string{"stored as " + v.Encoding, fmt.Sprintf("blob %s, %d bytes, ETag %s", v.Blob, v.Size, v.ETag)})
	}
	if k := r.Kept; k != nil {
		rows = append(rows, [2]string{"kept", fmt.Sprintf("of deployment %d (%s) until %s", k.DeploymentNo, k.Deployment, shortTime(k.Until))})
	}
	return rows
}

func planRows(r explain.Report) (rows [][2]string) {
	label := "steps"
	for _, s := range r.Steps {
		said := s.Stage + ": " + s.Said
		if s.File != "" {
			said += fmt.Sprintf(" (%s:%d)", s.File, s.Line)
		}
		rows, label = append(rows, [2]string{label, said}), ""
	}
	p := r.Plan
	if p == nil {
		return rows
	}
	rows = append(rows, [2]string{"plan", fmt.Sprintf("%d, body %s, %d bytes", p.Status, p.Body, p.Length)})
	for _, f := range p.Fields {
		rows = append(rows, [2]string{"", fmt.Sprintf("%s: %s (%s)", f.Name, f.Value, f.Origin)})
	}
	return rows
}
