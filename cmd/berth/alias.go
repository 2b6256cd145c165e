package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"berth/router/hostkey"
)

func newAliasCommand(a *app) *cobra.Command {
	var project, domain string
	c := a.verb("alias", []string{"BRANCH"}, "Print the hostnames that a branch will get (offline)", `The first line is the branch's own hostname, which no other branch can get. A second line is the plain one that
it gets too unless another branch of the project holds it.`,
		func(_ context.Context, args []string) error {
			if err := hostkey.ValidProjectName(project); err != nil {
				return wrong("--project %q: %w", project, err)
			}
			host, err := hostkey.Canonical(domain)
			if err != nil {
				return wrong("--domain %q: %w", domain, err)
			}
			exact, plain := hostkey.Alias(args[0])
			result := struct {
				Branch string `json:"branch"`
				Exact  string `json:"exact"`
				Plain  string `json:"plain,omitempty"`
			}{Branch: args[0], Exact: label(exact, project, host)}
			if plain != "" {
				result.Plain = label(plain, project, host)
			}
			return a.print(result, func(w io.Writer) {
				fmt.Fprintln(w, result.Exact)
				if result.Plain != "" {
					fmt.Fprintln(w, result.Plain)
				}
			})
		})
	c.Flags().StringVar(&project, "project", "", "`project` of the branch")
	c.Flags().StringVar(&domain, "domain", defaultDomain, "base `domain` of the server's hostnames")
	require(c, "project")
	return c
}

func label(alias, project string, domain hostkey.Host) string {
	return alias + "." + project + "." + string(domain)
}
