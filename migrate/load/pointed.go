package load

import (
	"errors"

	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// pointed notes that a host leads to a deployment, for whoever deletes that, unless it is the deployment's own host, of which Berth knows.
func pointed(tx *store.Tx, rules *dualwrite.Rules, p store.Project, h hostkey.Host, wildcard bool, to target) error {
	if to.no == 0 || !wildcard && legacy.IsOwnHost(rules.Domain, p.Name, h, to.label) {
		return nil
	}
	r, err := legacy.RouteFor(&tx.Reader, rules.Domain, p, h, wildcard, store.Deployment{No: to.no, Project: p.No})
	if errors.Is(err, legacy.ErrForeign) { // nobody is answered by it
		return nil
	}
	if err != nil {
		return err
	}
	return tx.PutImportedHost(store.ImportedHost{Deployment: to.no, Key: rules.Hasher.Key(h), Wildcard: wildcard, Class: r.Class, Host: string(h)})
}
