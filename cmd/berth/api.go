package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/berth/client"
	"berth/cmd/berth/config"
)

const (
	defaultAPI     = "http://127.0.0.1:8788"
	defaultData    = "./berth-data"
	defaultAccount = "default"
	defaultDomain  = "pages.localhost"
	adminTokenFile = "admin.token"
)

// serverFlags say which server a client verb talks to, and as whom.
type serverFlags struct {
	api, token, account, data, ca string
}

// withServer gives c the flags of a client verb.
func (a *app) withServer(c *cobra.Command) *cobra.Command {
	f := c.Flags()
	f.StringVar(&a.server.api, "api", defaultAPI, "`URL` of the server's API")
	f.StringVar(&a.server.token, "token", "", "API `token`; else BERTH_API_TOKEN, CLOUDFLARE_API_TOKEN, or DIR/admin.token of --data")
	annotate(f.Lookup("token"), config.EnvAlias, "BERTH_API_TOKEN", "CLOUDFLARE_API_TOKEN")
	f.StringVar(&a.server.account, "account", defaultAccount, "`account` to work in; else CLOUDFLARE_ACCOUNT_ID")
	annotate(f.Lookup("account"), config.EnvAlias, "CLOUDFLARE_ACCOUNT_ID")
	f.StringVar(&a.server.data, "data", defaultData, "data `directory` of a server on this machine, for its admin token")
	f.StringVar(&a.server.ca, "api-ca", "", "PEM `file` of a private certificate authority")
	return c
}

// client is the API as the flags have it.
func (a *app) client() (*client.Client, error) {
	token, file, err := a.findToken()
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Options{
		API: a.server.api, Token: token, TokenFile: file, Account: a.server.account, CAFile: a.server.ca, UserAgent: "berth/" + release,
	})
	if err != nil {
		return nil, &usageError{err: err} // it looks at its options only
	}
	return c, nil
}

// findToken also returns the file that it found it in, "" if that is none.
func (a *app) findToken() (token, file string, err error) {
	if t := strings.TrimSpace(a.server.token); t != "" {
		return t, "", nil
	}
	path := filepath.Join(a.server.data, adminTokenFile)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		return strings.TrimSpace(string(text)), path, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("no API token: give --token or BERTH_API_TOKEN, or with --data the data directory of a server on this machine (there is no %s)", path)
	}
	return "", "", fmt.Errorf("read the server's admin token: %w\n  run as the user that the server runs as, or give --token", err)
}

// call makes one API call and returns the result.
func (a *app) call(ctx context.Context, build func(*client.Client) client.Request) (json.RawMessage, error) {
	api, err := a.client()
	if err != nil {
		return nil, err
	}
	answer, err := api.Do(ctx, build(api))
	return answer.Result, err
}

// decode reads what a human form needs of a result; what is not there stays empty.
func decode[T any](raw json.RawMessage) T {
	var v T
	_ = json.Unmarshal(raw, &v) // a surprise in one field must not hide that the call was done
	return v
}
