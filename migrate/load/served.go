package load

import (
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// served is the deployment that Berth served a host by when the import came to it; 0 is none. Of a deployment's own host it says what the
// entry does: there is nothing to decide.
func (w *writer) served(it *item, h hostkey.Host, wildcard bool) (store.DeploymentNo, error) {
	if !wildcard && it.target.no != 0 && legacy.IsOwnHost(w.opts.Domain, w.p.Name, h, it.target.label) {
		return it.target.no, nil
	}
	return servesNow(w.tx, w.opts.Domain, w.p, h, wildcard)
}

// servesNow is serves for any name: below the server's own domain Berth has no wildcards.
func servesNow(tx *store.Tx, domain string, p store.Project, h hostkey.Host, wildcard bool) (store.DeploymentNo, error) {
	project, own := legacy.Own(domain, h)
	if own && (wildcard || project != p.Name) {
		return 0, nil
	}
	return serves(tx, domain, p, h, wildcard)
}

// decides says whether the table decides about a host that Berth served by a deployment before, and reports what changes.
func (w *writer) decides(it *item, h hostkey.Host, wildcard bool, was store.DeploymentNo) (bool, error) {
	if was == 0 || was == it.target.no {
		return true, nil
	}
	old, err := w.tx.Deployment(was)
	if err != nil {
		return false, err
	}
	if it.target.no == 0 {
		w.outcome.Stays++
		w.problem(Stays, &it.filter, "%s goes on serving deployment %s, because the entry answers nobody; once --deployments says what it names, the same import again has the table decide",
			name(h, wildcard), old.UUID)
		return false, putDocument(w.tx, stayName(w.p.No, name(h, wildcard)), stay{ScriptHash: it.filter.ScriptHash, Was: was})
	}
	now, err := w.tx.Deployment(it.target.no)
	if err != nil {
		return false, err
	}
	w.outcome.Replaced++
	w.problem(Replaced, &it.filter, "%s served deployment %s, and serves %s now, as the table says", name(h, wildcard), old.UUID, now.UUID)
	return true, nil
}
