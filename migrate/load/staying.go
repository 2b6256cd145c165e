package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/migrate"
	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

const staysPrefix = "stay/"

// stay is an entry that made way for what Berth served, because it named no deployment.
type stay struct {
	ScriptHash string             `json:"script_hash"`
	Was        store.DeploymentNo `json:"was"` // what Berth served
}

func stayName(p store.ProjectNo, host string) string { return staysOf(p) + host }

func staysOf(p store.ProjectNo) string { return fmt.Sprintf("%s%08x/", staysPrefix, uint32(p)) }

// staying has the table decide about hosts whose entries have come to name a deployment since they were loaded, unless Berth has moved them
// meanwhile.
func (j *job) staying(ctx context.Context) error {
	for from := ""; ; {
		hosts, last, err := j.someStaying(from)
		if err != nil {
			return err
		}
		if len(hosts) > 0 {
			_, err := j.store.Update(ctx, func(tx *store.Tx) error { return j.settle(tx, hosts) })
			if errors.Is(err, migrate.ErrPhase) {
				j.problem(Stays, nil, "%d hosts or more have entries that have come to name a deployment; they can be given to the table in phases %s and %s only",
					len(hosts), migrate.Legacy, migrate.DualWrite)
				return nil
			}
			if err != nil {
				return err
			}
		}
		if last == "" {
			return nil
		}
		from = last + "\x00"
	}
}

// someStaying returns the hosts of the next few such entries that lead somewhere now, and the name of the last one that was looked at.
func (j *job) someStaying(from string) (hosts map[string]stay, last string, err error) {
	hosts = map[string]stay{}
	n := 0
	for d, err := range j.store.Documents(staysOf(j.project.No), from) {
		if err != nil {
			return nil, "", err
		}
		var s stay
		if err := json.Unmarshal(d.Value, &s); err != nil {
			return nil, "", fmt.Errorf("read document %s: %w", d.Name, err)
		}
		to, of, err := j.targets.find(&j.store.Reader, s.ScriptHash)
		if err != nil {
			return nil, "", err
		}
		if to.no != 0 && of == j.project.No {
			hosts[strings.TrimPrefix(d.Name, staysOf(j.project.No))] = s
		}
		if n++; n == j.opts.Batch {
			return hosts, d.Name, nil
		}
	}
	return hosts, "", nil
}

func (j *job) settle(tx *store.Tx, hosts map[string]stay) error {
	if err := j.loads(tx); err != nil {
		return err
	}
	p, err := tx.Project(j.project.No)
	if err != nil {
		return err
	}
	e := j.editor(tx, p.No)
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		if err := j.settleHost(tx, e, p, host, hosts[host]); err != nil {
			return fmt.Errorf("%s: %w", host, err)
		}
	}
	return e.Flush()
}

func (j *job) settleHost(tx *store.Tx, e *dualwrite.Editor, p store.Project, host string, s stay) error {
	parent, wildcard := strings.CutPrefix(host, "*.")
	h := hostkey.Host(parent)
	to, _, err := j.targets.find(&tx.Reader, s.ScriptHash)
	if err != nil {
		return err
	}
	is, has, err := e.Get(h, wildcard)
	if err != nil {
		return err
	}
	old, err := tx.Deployment(s.Was)
	if errors.Is(err, store.ErrNotFound) || err == nil && (!has || is != legacy.ScriptHash(old.UUID)) {
		return tx.DeleteDocument(stayName(p.No, host)) // it has moved on
	}
	if err != nil {
		return err
	}
	if err := e.Set(h, wildcard, s.ScriptHash); err != nil {
		return err
	}
	j.report.Unchanged = false
	j.report.Stored++
	j.report.Hosts++
	j.problem(Replaced, nil, "%s served deployment %s, and serves what the table says now, as %q has come to name a deployment", host, old.UUID, clip(s.ScriptHash))
	return errors.Join(pointed(tx, &j.rules, p, h, wildcard, to), tx.DeleteDocument(stayName(p.No, host)))
}
