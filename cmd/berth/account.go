package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
)

func newAccountCommand(a *app) *cobra.Command {
	c := a.noun("account", "Create and list accounts", "An account owns projects and tokens. The first one is called default.")
	c.AddCommand(newAccountCreate(a), newAccountList(a))
	return c
}

func newAccountCreate(a *app) *cobra.Command {
	var name string
	c := a.withServer(a.verb("create", []string{"ID"}, "Create an account (server admins)", "", func(ctx context.Context, args []string) error {
		if name == "" {
			name = args[0]
		}
		raw, err := a.call(ctx, func(*client.Client) client.Request {
			return client.Request{Method: http.MethodPost, Path: client.Join("accounts"), JSON: map[string]string{"id": args[0], "name": name}}
		})
		if err != nil {
			return fmt.Errorf("create account %q: %w", args[0], err)
		}
		return a.print(raw, func(w io.Writer) {
			fmt.Fprintf(w, "Created account %s.\nA token for it: berth token create --account %[1]s --scope account --name NAME\n", oneLine(args[0]))
		})
	}))
	c.Flags().StringVar(&name, "name", "", "`name` for people; default the ID")
	return c
}

func newAccountList(a *app) *cobra.Command {
	return a.withServer(a.verb("list", nil, "List the accounts that the token may see", "", func(ctx context.Context, _ []string) error {
		api, err := a.client()
		if err != nil {
			return err
		}
		items, err := api.List(ctx, client.Join("accounts"), nil, 100, 0)
		if err != nil {
			return fmt.Errorf("list accounts: %w", err)
		}
		return a.print(items, func(w io.Writer) {
			var rows [][]string
			for _, raw := range items {
				acc := decode[client.Account](raw)
				rows = append(rows, []string{acc.ID, acc.Name})
			}
			table(w, "No account: is the token valid?", []string{"ID", "NAME"}, rows)
		})
	}))
}
