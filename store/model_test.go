package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/assets/manifest"
	"berth/router/hostkey"
)

// model is what a store should hold, in maps. It is copied for every Update, so that a failing one is undone by
// forgetting the copy.
type model struct {
	Rev         Revision
	Routes      map[hostkey.Key]Route
	Wildcards   map[hostkey.Key]Route
	WildcardGen uint64
	Accounts    map[AccountNo]Account
	Projects    map[ProjectNo]Project
	Deployments map[DeploymentNo]Deployment
	Logs        map[DeploymentNo][]LogLine
	Branches    map[string]Branch
	Domains     map[string]Domain
	Hosts       map[string]HostOwner
	Tokens      map[string]Token
	Proofs      map[string]Proof
	Claims      map[string]Claim
	Wanted      map[string]bool
	LastProject ProjectNo
	LastDeploy  DeploymentNo
}

func newModel() *model {
	return &model{
		Routes: map[hostkey.Key]Route{}, Wildcards: map[hostkey.Key]Route{}, Accounts: map[AccountNo]Account{},
		Projects: map[ProjectNo]Project{}, Deployments: map[DeploymentNo]Deployment{}, Logs: map[DeploymentNo][]LogLine{},
		Branches: map[string]Branch{}, Domains: map[string]Domain{}, Hosts: map[string]HostOwner{}, Tokens: map[string]Token{},
		Proofs: map[string]Proof{}, Claims: map[string]Claim{}, Wanted: map[string]bool{},
	}
}

func (m *model) clone() *model {
	c := *m
	c.Routes, c.Wildcards, c.Accounts = maps.Clone(m.Routes), maps.Clone(m.Wildcards), maps.Clone(m.Accounts)
	c.Projects, c.Deployments, c.Logs = maps.Clone(m.Projects), maps.Clone(m.Deployments), maps.Clone(m.Logs)
	c.Branches, c.Domains, c.Hosts = maps.Clone(m.Branches), maps.Clone(m.Domains), maps.Clone(m.Hosts)
	c.Tokens, c.Proofs, c.Claims = maps.Clone(m.Tokens), maps.Clone(m.Proofs), maps.Clone(m.Claims)
	c.Wanted = maps.Clone(m.Wanted)
	return &c
}

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
		Deployment: DeploymentNo(rapid.Uint64().Draw(t, "deployment")), Epoch: Epoch(rapid.IntRange(0, 2).Draw(t, "epoch"))}
}

var modelSteps = map[string]step{
	"set route": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		k, r := drawKey(t), drawRoute(t)
		m.Routes[k] = r
		return true, tx.SetRoute(k, r)
	},
	"delete route": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		k := drawKey(t)
		_, there := m.Routes[k]
		delete(m.Routes, k)
		return there, tx.DeleteRoute(k)
	},
	"set wildcard": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		k, r := drawKey(t), drawRoute(t)
		m.Wildcards[k] = r
		return true, tx.SetWildcard(k, r)
	},
	"delete wildcard": func(t *rapid.T, tx *Tx, m *model) (bool, error) {
		k := drawKey(t)
		_, there := m.Wildcards[k]
		delete(m.Wildcards, k)
		return there, tx.DeleteWildcard(k)
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
		return there, tx.DeleteDeployment(no)
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

// TestModel runs random Updates, failing ones among them, against the store and the maps, with reopening.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewMem()
		open := func() *Store {
			s, err := OpenFS(fs, "/db", Options{MemTableBytes: 64 << 10, CommitLogMax: 8})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s, m := open(), newModel()
		defer func() { s.Close() }()
		past := map[Revision]*model{0: m}
		names := slices.Sorted(maps.Keys(modelSteps))
		t.Repeat(map[string]func(*rapid.T){
			"update": func(t *rapid.T) {
				next, fails := m.clone(), rapid.IntRange(0, 3).Draw(t, "outcome") == 0
				wrote := false
				var drawing any // rapid ends a draw by panicking, which is not the store's to keep
				rev, err := s.Update(context.Background(), func(tx *Tx) error {
					defer func() { drawing = recover() }()
					for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 5).Draw(t, "steps") {
						did, err := modelSteps[name](t, tx, next)
						if err != nil {
							return fmt.Errorf("%s: %w", name, err)
						}
						wrote = wrote || did
					}
					if fails {
						return errMeant
					}
					return nil
				})
				if drawing != nil {
					panic(drawing)
				}
				switch {
				case fails:
					if !errors.Is(err, errMeant) {
						t.Fatalf("got %v", err)
					}
					return
				case err != nil:
					t.Fatal(err)
				}
				if wrote {
					next.Rev++
				}
				if !maps.Equal(next.Wildcards, m.Wildcards) {
					next.WildcardGen++ // at least; see compare
				}
				m = next
				past[m.Rev] = m
				if rev != m.Rev {
					t.Fatalf("revision %d, want %d", rev, m.Rev)
				}
			},
			"reopen": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open()
			},
			"past": func(t *rapid.T) {
				rev := Revision(rapid.Uint64Range(0, uint64(m.Rev)).Draw(t, "revision"))
				comparePast(t, s, past[rev], m.Rev, 8)
			},
			"": func(t *rapid.T) { compare(t, s, m) },
		})
	})
}

var errMeant = errors.New("meant to fail")

// comparePast asks what records were; the log holds the last most commits.
func comparePast(t *rapid.T, s *Store, then *model, now, most Revision) {
	for i := range 6 {
		for table, want := range map[byte]map[hostkey.Key]Route{tableRoute: then.Routes, tableWildcard: then.Wildcards} {
			got, err := s.recordAt(routeID{table, testKey(i)}, then.Rev)
			if now-then.Rev > most {
				if !errors.Is(err, ErrTooOld) {
					t.Fatalf("revision %d of %d: %v", then.Rev, now, err)
				}
				continue
			}
			r, there := want[testKey(i)]
			if there != (err == nil) || got != r || err != nil && !errors.Is(err, ErrNotFound) {
				t.Fatalf("%c %d at revision %d of %d: %+v, %v; want %+v, %v", table, i, then.Rev, now, got, err, r, there)
			}
		}
	}
}

// readModel reads everything back, through every index.
func readModel(s *Store) (*model, error) {
	m := newModel()
	sn := s.Snapshot()
	defer sn.Close()
	var errs []error
	m.Rev = sn.Revision()
	for k, r := range sn.AllRoutes() {
		m.Routes[k] = r.Route
		errs = append(errs, r.Err)
	}
	for k, r := range sn.AllWildcards() {
		m.Wildcards[k] = r.Route
		errs = append(errs, r.Err)
	}
	errs = append(errs,
		index(m.Accounts, sn.Accounts(), func(a Account) AccountNo { return a.No }),
		index(m.Projects, sn.Projects(), func(p Project) ProjectNo { return p.No }),
		index(m.Deployments, sn.Deployments(), func(x Deployment) DeploymentNo { return x.No }),
		index(m.Proofs, sn.AllProofs(), func(p Proof) string { return fmt.Sprint(p.Key, p.Extension) }),
		index(m.Claims, sn.AllClaims(), func(c Claim) string { return fmt.Sprint(c.Project, c.Key, c.Blob.Digest) }))
	for no := range m.Deployments {
		lines, err := sn.DeploymentLog(no)
		m.Logs[no] = lines
		errs = append(errs, err)
	}
	for p := ProjectNo(1); p <= 3; p++ {
		errs = append(errs,
			index(m.Branches, sn.Branches(p), func(b Branch) string { return fmt.Sprint(p, b.Name) }),
			index(m.Domains, sn.Domains(p), func(d Domain) string { return fmt.Sprint(p, d.Host) }))
	}
	for a := AccountNo(1); a <= 2; a++ {
		errs = append(errs, index(m.Tokens, sn.Tokens(a), func(k Token) string { return k.ID }))
	}
	for _, tld := range []string{"com"} {
		for host, o := range sn.HostsUnder(tld) {
			m.Hosts[host] = o.Owner
			errs = append(errs, o.Err)
		}
	}
	return m, errors.Join(errs...)
}

func index[K comparable, V any](into map[K]V, seq iter.Seq2[V, error], key func(V) K) error {
	for v, err := range seq {
		if err != nil {
			return err
		}
		if _, twice := into[key(v)]; twice {
			return fmt.Errorf("%v comes twice", key(v))
		}
		into[key(v)] = v
	}
	return nil
}

func compare(t *rapid.T, s *Store, m *model) {
	got, err := readModel(s)
	if err != nil {
		t.Fatal(err)
	}
	want := m.clone()
	got.LastProject, got.LastDeploy = want.LastProject, want.LastDeploy // not to be read; the next one shows them
	got.WildcardGen, got.Wanted = want.WildcardGen, want.Wanted
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("store (-want +got):\n%s", diff)
	}
	if n, gen := s.Wildcards(); n != len(m.Wildcards) || gen < m.WildcardGen {
		t.Fatalf("%d wildcards of generation %d, want %d of at least %d", n, gen, len(m.Wildcards), m.WildcardGen)
	}
	comparePoints(t, s, m)
}

// comparePoints asks for records one by one.
func comparePoints(t *rapid.T, s *Store, m *model) {
	for i := range 6 {
		k := testKey(i)
		want, there := m.Routes[k]
		got, err := s.LookupRoute(k)
		wantW, thereW := m.Wildcards[k]
		gotW, errW := s.LookupWildcard(k)
		if got != want || there != (err == nil) || gotW != wantW || thereW != (errW == nil) {
			t.Fatalf("look-up of %d: %+v %v, wildcard %+v %v", i, got, err, gotW, errW)
		}
		for p := ProjectNo(1); p <= 3; p++ {
			wanted, err := s.Wanted(p, manifest.AssetKey(k))
			if err != nil || wanted != m.Wanted[fmt.Sprint(p, manifest.AssetKey(k))] {
				t.Fatalf("wanted: %v, %v", wanted, err)
			}
		}
	}
	for _, x := range m.Deployments {
		byID, err1 := s.DeploymentByUUID(x.UUID)
		byLabel, err2 := s.DeploymentByLabel(x.Project, x.UUID.String()[:8])
		if diff := cmp.Diff([]Deployment{x, x}, []Deployment{byID, byLabel}); diff != "" || err1 != nil || err2 != nil {
			t.Fatalf("deployment %d by index: %v, %v\n%s", x.No, err1, err2, diff)
		}
	}
	for _, b := range m.Branches {
		for _, label := range []string{b.Exact, b.Plain} {
			if got, err := s.BranchByLabel(b.Project, label); err != nil || got != b {
				t.Fatalf("branch by label %q: %+v, %v", label, got, err)
			}
		}
	}
	for host, o := range m.Hosts {
		if got, err := s.HostOwner(host); err != nil || got != o {
			t.Fatalf("owner of %s: %+v, %v", host, got, err)
		}
	}
	var under []string
	for host := range s.HostsUnder("example.com") {
		under = append(under, host)
	}
	for host := range m.Hosts {
		if strings.HasSuffix(host, ".example.com") != slices.Contains(under, host) {
			t.Fatalf("under example.com: %q, with %s", under, host)
		}
	}
	for _, a := range m.Accounts {
		if got, err := s.AccountByID(a.ID); err != nil || got != a {
			t.Fatalf("account %q: %+v, %v", a.ID, got, err)
		}
		var names []string
		for p, err := range s.ProjectsOf(a.No) {
			if err != nil || p.Account != a.No {
				t.Fatalf("project %+v of account %d: %v", p, a.No, err)
			}
			names = append(names, p.Name)
		}
		if !slices.IsSorted(names) {
			t.Fatalf("projects not by name: %q", names)
		}
	}
}
