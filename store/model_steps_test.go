package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"berth/assets/manifest"
	"berth/router/hostkey"
)

// step does one thing to both; wrote says whether it is a change.
type step func(t *rapid.T, tx *Tx, m *model) (wrote bool, err error)

func drawKey(t *rapid.T) hostkey.Key { return testKey(rapid.IntRange(0, 5).Draw(t, "key")) }
func drawProject(t *rapid.T) ProjectNo {
	return ProjectNo(rapid.IntRange(1, 3).Draw(t, "project"))
}
func drawName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "main", "a.b", "feat/x"}).Draw(t, "name")
}

func drawRoute(t *rapid.T) Route {
	return Route{Kind: RouteSite, Class: Class(rapid.IntRange(1, 4).Draw(t, "class")), Project: drawProject(t),
		Deployment: DeploymentNo(rapid.Uint64().Draw(t, "deployment"))}
}

func (r Route) in(e Epoch) Route {
	r.Epoch = e
	return r
}

var modelSteps = map[string]step{
	"set route": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		k, r := drawKey(t), drawRoute(t)
		m.Routes[k] = r.in(m.Epoch)
		return true, tx.SetRoute(k, r)
	},
	"delete route": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		k := drawKey(t)
		_, there := m.Routes[k]
		delete(m.Routes, k)
		return there, tx.DeleteRoute(k)
	},
	"fill routes": func(t *rapid.T, tx *Tx, m *model) (wrote bool, err error) {
		var fill, want []KeyedRoute
		for i := range 6 {
			if k := testKey(i); rapid.Bool().Draw(t, "fill") {
				fill = append(fill, KeyedRoute{k, drawRoute(t)})
			}
		}
		for _, f := range fill {
			if old, there := m.Routes[f.Key]; there && old.Epoch == m.Epoch {
				want = append(want, KeyedRoute{f.Key, old})
				continue
			}
			m.Routes[f.Key], wrote = f.Route.in(m.Epoch), true
		}
		kept, err := tx.FillRoutes(fill)
		slices.SortFunc(want, func(a, b KeyedRoute) int { return bytes.Compare(a.Key[:], b.Key[:]) })
		if !slices.Equal(kept, want) {
			t.Errorf("kept %v, want %v", kept, want)
		}
		return wrote, err
	},
	"set wildcard": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		k, r := drawKey(t), drawRoute(t)
		m.Wildcards[k] = r.in(m.Epoch)
		return true, tx.SetWildcard(k, r)
	},
	"delete wildcard": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		k := drawKey(t)
		_, there := m.Wildcards[k]
		delete(m.Wildcards, k)
		return there, tx.DeleteWildcard(k)
	},
	"next epoch": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		m.Epoch++
		e, err := tx.NextEpoch()
		if e != m.Epoch || tx.Epoch() != e {
			t.Errorf("epoch %d, want %d", e, m.Epoch)
		}
		return true, err
	},
	"put account": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		a := Account{No: AccountNo(rapid.IntRange(1, 2).Draw(t, "account")), ID: drawName(t), Created: sampleTime}
		for no, other := range m.Accounts {
			if other.ID == a.ID && no != a.No {
				return false, wantConflict(tx.PutAccount(a))
			}
		}
		m.Accounts[a.No] = a
		return true, tx.PutAccount(a)
	},
	"next project": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		m.LastProject++
		no, err := tx.NextProject()
		if no != m.LastProject {
			t.Errorf("project number %d, want %d", no, m.LastProject)
		}
		return true, err
	},
	"put project": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		p := Project{No: drawProject(t), Account: AccountNo(rapid.IntRange(1, 2).Draw(t, "account")), Name: drawName(t),
			State: ProjectActive, Settings: []byte(drawName(t))}
		for no, other := range m.Projects {
			if other.Name == p.Name && no != p.No {
				return false, wantConflict(tx.PutProject(p))
			}
		}
		m.Projects[p.No] = p
		return true, tx.PutProject(p)
	},
	"delete project": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		no := drawProject(t)
		_, there := m.Projects[no]
		delete(m.Projects, no)
		if there {
			ofProject := fmt.Sprint(no) + " "
			maps.DeleteFunc(m.Wanted, func(k string, _ bool) bool { return strings.HasPrefix(k, ofProject) })
			maps.DeleteFunc(m.Claims, func(_ string, c Claim) bool { return c.Project == no })
		}
		return there, tx.DeleteProject(no)
	},
	"put deployment": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		m.LastDeploy++
		no, err := tx.NextDeployment()
		if err != nil || no != m.LastDeploy {
			t.Errorf("deployment number %d, %v, want %d", no, err, m.LastDeploy)
		}
		x := Deployment{No: no, Project: drawProject(t), UUID: UUID{3: byte(no), 15: 1}, Environment: Preview, Status: StatusSuccess,
			Branch: drawName(t), Created: sampleTime}
		lines := []LogLine{{sampleTime, "created"}}
		m.Deployments[no], m.Logs[no] = x, lines
		return true, tx.PutDeployment(x, lines)
	},
	"append log": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		no := DeploymentNo(rapid.IntRange(1, 4).Draw(t, "deployment"))
		if _, ok := m.Deployments[no]; !ok {
			return false, nil
		}
		line := LogLine{sampleTime, drawName(t)}
		m.Logs[no] = append(slices.Clone(m.Logs[no]), line)
		return true, tx.AppendLog(no, []LogLine{line})
	},
	"delete deployment": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		no := DeploymentNo(rapid.IntRange(1, 4).Draw(t, "deployment"))
		_, there := m.Deployments[no]
		delete(m.Deployments, no)
		delete(m.Logs, no)
		maps.DeleteFunc(m.Imported, func(_ string, h ImportedHost) bool { return h.Deployment == no })
		return there, tx.DeleteDeployment(no)
	},
	"put imported": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		h := drawImported(t)
		h.Class, h.Host = Class(rapid.IntRange(1, 4).Draw(t, "class")), drawName(t)
		if _, there := m.Deployments[h.Deployment]; !there {
			if err := tx.PutImportedHost(h); !errors.Is(err, ErrNotFound) {
				return false, fmt.Errorf("host of a deployment that is not there: %w", err)
			}
			return false, nil
		}
		m.Imported[importedName(h)] = h
		return true, tx.PutImportedHost(h)
	},
	"delete imported": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		h := drawImported(t)
		_, there := m.Imported[importedName(h)]
		delete(m.Imported, importedName(h))
		return there, tx.DeleteImportedHost(h.Deployment, h.Key, h.Wildcard)
	},
	"put branch": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		b := Branch{Project: drawProject(t), Name: drawName(t), Latest: DeploymentNo(rapid.IntRange(0, 9).Draw(t, "latest"))}
		b.Exact, b.Plain = "x-"+b.Name, "p-"+b.Name
		m.Branches[fmt.Sprint(b.Project, b.Name)] = b
		return true, tx.PutBranch(b)
	},
	"delete branch": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		p, name := drawProject(t), drawName(t)
		_, there := m.Branches[fmt.Sprint(p, name)]
		delete(m.Branches, fmt.Sprint(p, name))
		return there, tx.DeleteBranch(p, name)
	},
	"put domain": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		d := Domain{Project: drawProject(t), Host: drawName(t), Status: DomainPending, Proof: drawName(t)}
		m.Domains[fmt.Sprint(d.Project, d.Host)] = d
		return true, tx.PutDomain(d)
	},
	"delete domain": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		p, host := drawProject(t), drawName(t)
		_, there := m.Domains[fmt.Sprint(p, host)]
		delete(m.Domains, fmt.Sprint(p, host))
		return there, tx.DeleteDomain(p, host)
	},
	"claim host": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		host, o := drawHost(t), HostOwner{1, drawProject(t)}
		if held, ok := m.Hosts[host]; ok && held.Project != o.Project {
			return false, wantConflict(tx.ClaimHost(host, o))
		}
		m.Hosts[host] = o
		return true, tx.ClaimHost(host, o)
	},
	"release host": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		host := drawHost(t)
		_, there := m.Hosts[host]
		delete(m.Hosts, host)
		return there, tx.ReleaseHost(host)
	},
	"put token": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		k := Token{ID: drawName(t), Account: AccountNo(rapid.IntRange(1, 2).Draw(t, "account")), Scope: ScopeRead, Name: drawName(t)}
		m.Tokens[k.ID] = k
		return true, tx.PutToken(k)
	},
	"delete token": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		id := drawName(t)
		_, there := m.Tokens[id]
		delete(m.Tokens, id)
		return there, tx.DeleteToken(id)
	},
	"put proof": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		p := Proof{Account: 1, Key: manifest.AssetKey(drawKey(t)), Extension: drawName(t), Blob: FileRef{Size: 3}}
		m.Proofs[fmt.Sprint(p.Key, p.Extension)] = p
		return true, tx.PutProof(p)
	},
	"delete proof": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		p := Proof{Account: 1, Key: manifest.AssetKey(drawKey(t)), Extension: drawName(t)}
		_, there := m.Proofs[fmt.Sprint(p.Key, p.Extension)]
		delete(m.Proofs, fmt.Sprint(p.Key, p.Extension))
		return there, tx.DeleteProof(p)
	},
	"put claim": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		c := Claim{Project: drawProject(t), Key: manifest.AssetKey(drawKey(t)), Time: sampleTime}
		c.Blob.Digest[0] = byte(rapid.IntRange(0, 2).Draw(t, "blob"))
		m.Claims[fmt.Sprint(c.Project, c.Key, c.Blob.Digest)] = c
		return true, tx.PutClaim(c)
	},
	"delete claim": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		c := Claim{Project: drawProject(t), Key: manifest.AssetKey(drawKey(t))}
		_, there := m.Claims[fmt.Sprint(c.Project, c.Key, c.Blob.Digest)]
		delete(m.Claims, fmt.Sprint(c.Project, c.Key, c.Blob.Digest))
		return there, tx.DeleteClaim(c)
	},
	"want": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		p, k, want := drawProject(t), manifest.AssetKey(drawKey(t)), rapid.Bool().Draw(t, "wanted")
		was := m.Wanted[fmt.Sprint(p, k)]
		m.Wanted[fmt.Sprint(p, k)] = want
		return want || was, tx.SetWanted(p, k, want)
	},
}

func drawHost(t *rapid.T) string {
	return rapid.SampledFrom([]string{"example.com", "a.example.com", "*.example.com", "b.a.example.com", "example-x.com", "ample.com"}).Draw(t, "host")
}

func wantConflict(err error) error {
	if !errors.Is(err, ErrConflict) {
		return fmt.Errorf("%w instead of a conflict", err)
	}
	return nil
}

func drawImported(t *rapid.T) ImportedHost {
	return ImportedHost{Deployment: DeploymentNo(rapid.IntRange(1, 4).Draw(t, "deployment")), Key: drawKey(t), Wildcard: rapid.Bool().Draw(t, "wildcard")}
}
