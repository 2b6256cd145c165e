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

func newDomainCommand(a *app) *cobra.Command {
	c := a.noun("domain", "Add, list, check and remove a project's own domains",
		"A domain serves once a TXT record proves that it is yours, or at once if a server admin adds it.")
	var project string
	for _, sub := range []*cobra.Command{newDomainAdd(a, &project), newDomainList(a, &project), newDomainCheck(a, &project), newDomainRemove(a, &project)} {
		a.withServer(sub)
		sub.Flags().StringVar(&project, "project", "", "`project` of the domain")
		require(sub, "project")
		c.AddCommand(sub)
	}
	return c
}

func newDomainAdd(a *app, project *string) *cobra.Command {
	var branch string
	c := a.verb("add", []string{"HOST"}, "Add a domain", "HOST may be *.NAME for every name one level below NAME.", func(ctx context.Context, args []string) error {
		raw, err := a.call(ctx, func(api *client.Client) client.Request {
			body := map[string]string{"name": args[0]}
			if branch != "" {
				body["branch"] = branch
			}
			return client.Request{Method: http.MethodPost, Path: api.Project(*project, "domains"), JSON: body}
		})
		if err != nil {
			return fmt.Errorf("add domain %q: %w", args[0], err)
		}
		return a.print(raw, func(w io.Writer) { writeDomain(w, raw, *project) })
	})
	c.Flags().StringVar(&branch, "branch", "", "serve the newest deployment of this `branch` instead of production")
	return c
}

// proof is where the API says what the TXT record must be.
type proof struct {
	Validation struct {
		Name  string `json:"txt_name"`
		Value string `json:"txt_value"`
		Error string `json:"error"`
	} `json:"validation_data"`
}

func writeDomain(w io.Writer, raw json.RawMessage, project string) {
	d, p := decode[client.Domain](raw), decode[proof](raw).Validation
	fmt.Fprintf(w, "%s is %s", oneLine(d.Name), oneLine(d.Status))
	if d.Branch != "" {
		fmt.Fprintf(w, ", for branch %s", oneLine(d.Branch))
	}
	fmt.Fprintln(w, ".")
	if d.Status == "active" {
		return
	}
	if p.Error != "" {
		fmt.Fprintf(w, "Last check: %s\n", oneLine(p.Error))
	}
	if p.Value != "" {
		fmt.Fprintf(w, "Prove that it is yours with this DNS record:\n  %s  TXT  %s\nthen: berth domain check %s --project %s\n",
			oneLine(p.Name), oneLine(p.Value), oneLine(d.Name), project)
	}
}

func newDomainList(a *app, project *string) *cobra.Command {
	return a.verb("list", nil, "List a project's domains", "", func(ctx context.Context, _ []string) error {
		api, err := a.client()
		if err != nil {
			return err
		}
		items, err := api.List(ctx, api.Project(*project, "domains"), nil, 100, 0)
		if err != nil {
			return fmt.Errorf("list domains of %q: %w", *project, err)
		}
		return a.print(items, func(w io.Writer) {
			var rows [][]string
			for _, raw := range items {
				d := decode[client.Domain](raw)
				rows = append(rows, []string{d.Name, d.Status, d.Branch, decode[proof](raw).Validation.Error})
			}
			table(w, "No domains.", []string{"HOST", "STATUS", "BRANCH", "LAST ERROR"}, rows)
		})
	})
}

func newDomainCheck(a *app, project *string) *cobra.Command {
	return a.verb("check", []string{"HOST"}, "Look for the TXT record that proves a domain, now", "", func(ctx context.Context, args []string) error {
		raw, err := a.call(ctx, func(api *client.Client) client.Request {
			return client.Request{Method: http.MethodPatch, Path: api.Project(*project, "domains", args[0])}
		})
		if err != nil {
			return fmt.Errorf("check domain %q: %w", args[0], err)
		}
		if err := a.print(raw, func(w io.Writer) { writeDomain(w, raw, *project) }); err != nil {
			return err
		}
		if d := decode[client.Domain](raw); d.Status != "active" {
			return fmt.Errorf("domain %q does not serve yet: it is %s", args[0], strings.TrimSpace(d.Status))
		}
		return nil
	})
}

func newDomainRemove(a *app, project *string) *cobra.Command {
	return a.verb("remove", []string{"HOST"}, "Remove a domain", "", func(ctx context.Context, args []string) error {
		raw, err := a.call(ctx, func(api *client.Client) client.Request {
			return client.Request{Method: http.MethodDelete, Path: api.Project(*project, "domains", args[0])}
		})
		if err != nil {
			return fmt.Errorf("remove domain %q: %w", args[0], err)
		}
		return a.print(raw, func(w io.Writer) { fmt.Fprintf(w, "Removed %s.\n", oneLine(args[0])) })
	})
}
