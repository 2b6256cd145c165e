package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
)

func newTokenCommand(a *app) *cobra.Command {
	c := a.noun("token", "Create, list and revoke API tokens", "The text of a token is shown once, when it is made; the server keeps a hash.")
	c.AddCommand(newTokenCreate(a), newTokenList(a), newTokenRevoke(a))
	return c
}

// tokenRequest is what the API takes, and tokenInfo what is read of its answer.
type tokenRequest struct {
	Name     string     `json:"name"`
	Scope    string     `json:"scope"`
	Projects []string   `json:"projects,omitempty"`
	Expires  *time.Time `json:"expires_on,omitempty"`
}

type tokenInfo struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Account  string    `json:"account_id"`
	Scope    string    `json:"scope"`
	Projects []string  `json:"projects"`
	Created  time.Time `json:"created_on"`
	Expires  time.Time `json:"expires_on"`
	LastUsed time.Time `json:"last_used_on"`
	Token    string    `json:"token"`
}

func newTokenCreate(a *app) *cobra.Command {
	var req tokenRequest
	var expires string
	var offline bool
	c := a.withServer(a.verb("create", nil, "Create a token", `Scopes: server (administers all), account (administers one account), deploy (deploys to, and reads, the named
projects), read (reads the account). --offline makes one in the data directory of a server that is not running, for
when every other token is lost.`,
		func(ctx context.Context, _ []string) error {
			if err := req.complete(expires); err != nil {
				return err
			}
			raw, err := a.makeToken(ctx, req, offline)
			if err != nil {
				return fmt.Errorf("create token: %w", err)
			}
			return a.print(raw, func(w io.Writer) { writeNewToken(w, raw) })
		}))
	f := c.Flags()
	f.StringVar(&req.Name, "name", "", "`name` that says what it is for")
	f.StringVar(&req.Scope, "scope", "", "`scope`: server, account, deploy or read")
	f.StringSliceVar(&req.Projects, "project", nil, "`project` that a deploy token may deploy to (repeat, or separate with commas)")
	f.StringVar(&expires, "expires", "", "`age` at which it expires: 90d, 12h; default never")
	f.BoolVar(&offline, "offline", false, "open the directory of --data instead of asking a server")
	require(c, "scope")
	return c
}

// complete checks the flags against each other.
func (r *tokenRequest) complete(expires string) error {
	switch r.Scope {
	case "deploy":
		if len(r.Projects) == 0 {
			return wrong("--scope deploy needs --project: which projects may it deploy to?")
		}
	case "server", "account", "read":
		if len(r.Projects) > 0 {
			return wrong("--project goes with --scope deploy only; a %s token is not bound to projects", r.Scope)
		}
	default:
		return wrong("--scope %q: want server, account, deploy or read", r.Scope)
	}
	if r.Name == "" {
		r.Name = strings.TrimSpace(r.Scope + " " + strings.Join(r.Projects, " "))
	}
	if expires == "" {
		return nil
	}
	age, err := parseAge(expires)
	if err != nil {
		return wrong("--expires: %w", err)
	}
	at := time.Now().Add(age).UTC().Truncate(time.Second)
	r.Expires = &at
	return nil
}

func (a *app) makeToken(ctx context.Context, req tokenRequest, offline bool) (json.RawMessage, error) {
	if offline {
		return a.makeTokenOffline(ctx, req)
	}
	return a.call(ctx, func(api *client.Client) client.Request {
		return client.Request{Method: http.MethodPost, Path: api.Account("berth", "tokens"), JSON: req}
	})
}

func writeNewToken(w io.Writer, raw json.RawMessage) {
	t := decode[tokenInfo](raw)
	fmt.Fprintf(w, "%s\n", oneLine(t.Token))
	fmt.Fprintf(w, "Token %s: %s, account %s", oneLine(t.ID), t.describe(), oneLine(t.Account))
	if !t.Expires.IsZero() {
		fmt.Fprintf(w, ", until %s", shortTime(t.Expires))
	}
	fmt.Fprintf(w, ". It is shown this once. Use it as BERTH_API_TOKEN or CLOUDFLARE_API_TOKEN.\n")
}

func (t tokenInfo) describe() string {
	if len(t.Projects) == 0 {
		return oneLine(t.Scope)
	}
	return oneLine(t.Scope + " to " + strings.Join(t.Projects, ", "))
}

func newTokenList(a *app) *cobra.Command {
	return a.withServer(a.verb("list", nil, "List the account's tokens", "", func(ctx context.Context, _ []string) error {
		api, err := a.client()
		if err != nil {
			return err
		}
		items, err := api.List(ctx, api.Account("berth", "tokens"), nil, 100, 0)
		if err != nil {
			return fmt.Errorf("list tokens: %w", err)
		}
		return a.print(items, func(w io.Writer) {
			var rows [][]string
			for _, raw := range items {
				t := decode[tokenInfo](raw)
				rows = append(rows, []string{t.ID, t.Name, t.describe(), shortTime(t.Created), shortTime(t.Expires), shortTime(t.LastUsed)})
			}
			table(w, "No tokens.", []string{"ID", "NAME", "SCOPE", "CREATED", "EXPIRES", "LAST USED"}, rows)
		})
	}))
}

func newTokenRevoke(a *app) *cobra.Command {
	return a.withServer(a.verb("revoke", []string{"ID"}, "Revoke a token, at once", "", func(ctx context.Context, args []string) error {
		raw, err := a.call(ctx, func(api *client.Client) client.Request {
			return client.Request{Method: http.MethodDelete, Path: api.Account("berth", "tokens", args[0])}
		})
		if err != nil {
			return fmt.Errorf("revoke token %q: %w", args[0], err)
		}
		return a.print(raw, func(w io.Writer) { fmt.Fprintf(w, "Revoked token %s.\n", oneLine(args[0])) })
	}))
}
