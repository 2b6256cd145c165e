package world

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

// Random makes projects with tables of all sorts: one host a pattern, many, wildcards, the same host twice, names of
// deployments that are UUIDs and that are not.
func (w *World) Random(tx *store.Tx, rng *rand.Rand, projects, entries, each int) error {
	for p := store.ProjectNo(1); p <= store.ProjectNo(projects); p++ {
		if err := PutProject(tx, p); err != nil {
			return err
		}
		if err := randomTable(tx, rng, p, entries, each); err != nil {
			return err
		}
	}
	return nil
}

func randomTable(tx *store.Tx, rng *rand.Rand, p store.ProjectNo, entries, each int) error {
	t := Begin(p)
	for i := range entries {
		d, err := PutDeployment(tx, p, i)
		if err != nil {
			return err
		}
		hash := legacy.ScriptHash(d.UUID)
		if rng.IntN(2) == 0 {
			hash = fmt.Sprintf("pipeline-%d-%d", p, i)
			if err := tx.SetPipeline(hash, d.No); err != nil {
				return err
			}
		}
		name := Label(p, fmt.Sprintf("%x", d.UUID[:4]))
		switch rng.IntN(6) {
		case 0: // a few hosts in one pattern
			a, b := Label(p, fmt.Sprintf("branch-%d", i)), Label(p, fmt.Sprintf("feature-%d", i))
			t.Add(legacy.AlternativesPattern([]hostkey.Host{hostkey.Host(name), hostkey.Host(a), hostkey.Host(b)}), hash, d.No, name, a, b)
		case 1: // and again, shadowed
			t.Add(legacy.StrictPattern(hostkey.Host(name)), hash, d.No, name)
			t.Add(legacy.Pattern(hostkey.Host(name)), "nobody-knows", 0)
		case 2: // a custom domain with a wildcard
			custom := fmt.Sprintf("d%d-%d.example", p, i)
			for _, n := range []string{custom, "*." + custom} {
				if err := claim(tx, p, n); err != nil {
					return err
				}
			}
			t.Add(legacy.StrictPattern(hostkey.Host(custom)), hash, d.No, custom)
			t.Add(legacy.WildcardPattern(hostkey.Host(custom)), hash, d.No, "*."+custom)
		default:
			t.Add(legacy.Pattern(hostkey.Host(name)), hash, d.No, name)
		}
	}
	return t.Write(tx, each, true)
}

// Deletion is what a project's owner may delete: a deployment, by force or not, many of them, or, seldom, all of the project.
func (w *World) Deletion(r *store.Reader, rng *rand.Rand, p store.ProjectNo) (what string, err error) {
	if rng.IntN(12) == 0 {
		return "", nil
	}
	if rng.IntN(6) == 0 {
		return fmt.Sprintf("/deployments?keep=%d", rng.IntN(6)), nil
	}
	what = "/deployments/none"
	for d, err := range r.DeploymentsOf(p, 0) {
		if err != nil {
			return "", err
		}
		if what = "/deployments/" + d.UUID.String(); rng.IntN(5) == 0 {
			break
		}
	}
	if rng.IntN(2) == 0 {
		what += "?force=true"
	}
	return what, nil
}

// Change does one random thing that an operator or CI may do.
func (w *World) Change(tx *store.Tx, rng *rand.Rand, projects int) error {
	p := store.ProjectNo(1 + rng.IntN(projects))
	if _, err := tx.Project(p); errors.Is(err, store.ErrNotFound) {
		return nil // deleted
	}
	var known []string
	for doc, err := range tx.Documents(authority, "") {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(doc.Name, authority)
		if strings.HasSuffix(name, "."+ProjectName(p)+"."+Domain) || strings.Contains(name, fmt.Sprintf("d%d-", p)) {
			known = append(known, name)
		}
	}
	var some store.DeploymentNo
	for d, err := range tx.DeploymentsOf(p, 0) {
		if err != nil {
			return err
		}
		if some = d.No; rng.IntN(4) == 0 {
			break
		}
	}
	switch rng.IntN(4) {
	case 0: // free a host
		if len(known) > 0 {
			return w.Point(tx, p, known[rng.IntN(len(known))], 0)
		}
	case 1: // move one, or bring it back
		if len(known) > 0 && some != 0 {
			return w.Point(tx, p, known[rng.IntN(len(known))], some)
		}
	}
	// A deployment: its own host, an alias, production.
	d, err := PutDeployment(tx, p, 1<<20+int(tx.Revision()))
	if err != nil {
		return err
	}
	for _, name := range []string{Label(p, fmt.Sprintf("%x", d.UUID[:4])), Label(p, fmt.Sprintf("branch-%d", rng.IntN(30))), ProjectName(p) + "." + Domain} {
		if err := w.Point(tx, p, name, d.No); err != nil {
			return err
		}
	}
	return nil
}
