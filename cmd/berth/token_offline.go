package main

import (
	"context"
	"encoding/json"
	"fmt"

	"berth/cmd/berth/server"
	"berth/store/control"
)

// makeTokenOffline makes a token without one, with the right of whoever may open the data directory.
func (a *app) makeTokenOffline(ctx context.Context, req tokenRequest) (json.RawMessage, error) {
	in := control.TokenRequest{Name: req.Name, Scope: req.Scope, Projects: req.Projects}
	if req.Expires != nil {
		in.ExpiresOn = *req.Expires
	}
	var made control.TokenObject
	err := server.Offline(ctx, a.server.data, a.stderr, func(o server.Opened) error {
		account, err := o.Store.AccountByID(a.server.account)
		if err != nil {
			return fmt.Errorf("account %q: %w", a.server.account, err)
		}
		made, err = o.Control.CreateToken(ctx, account, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(made)
}
