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
	Epoch       Epoch
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
	Imported    map[string]ImportedHost
	LastProject ProjectNo
	LastDeploy  DeploymentNo
}

func newModel() *model {
	return &model{
		Routes: map[hostkey.Key]Route{}, Wildcards: map[hostkey.Key]Route{}, Accounts: map[AccountNo]Account{},
		Projects: map[ProjectNo]Project{}, Deployments: map[DeploymentNo]Deployment{}, Logs: map[DeploymentNo][]LogLine{},
		Branches: map[string]Branch{}, Domains: map[string]Domain{}, Hosts: map[string]HostOwner{}, Tokens: map[string]Token{},
		Proofs: map[string]Proof{}, Claims: map[string]Claim{}, Wanted: map[string]bool{},
		Imported: map[string]ImportedHost{},
	}
}

func (m *model) clone() *model {
	c := *m
	c.Routes, c.Wildcards, c.Accounts = maps.Clone(m.Routes), maps.Clone(m.Wildcards), maps.Clone(m.Accounts)
	c.Projects, c.Deployments, c.Logs = maps.Clone(m.Projects), maps.Clone(m.Deployments), maps.Clone(m.Logs)
	c.Branches, c.Domains, c.Hosts = maps.Clone(m.Branches), maps.Clone(m.Domains), maps.Clone(m.Hosts)
	c.Tokens, c.Proofs, c.Claims = maps.Clone(m.Tokens), maps.Clone(m.Proofs), maps.Clone(m.Claims)
	c.Wanted, c.Imported = maps.Clone(m.Wanted), maps.Clone(m.Imported)
	return &c
}

// TestModel runs random Updates, failing ones among them, against the store and the maps, with reopening.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewMem()
		open := func() *Store {
			s, err := OpenFS(fs, "/db", Options{CacheBytes: 1 << 20, MemTableBytes: 64 << 10, CommitLogMax: 8})
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
			"fill the filter": func(t *rapid.T) {
				if err := s.fillFilter(); err != nil {
					t.Fatal(err)
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
			"read all": func(t *rapid.T) { compare(t, s, m) },
			"":         func(t *rapid.T) { comparePoints(t, s, m) },
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
		index(m.Claims, sn.AllClaims(), func(c Claim) string { return fmt.Sprint(c.Project, c.Key, c.Blob.Digest) }),
		index(m.Imported, sn.AllImportedHosts(), importedName))
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

func importedName(h ImportedHost) string { return fmt.Sprint(h.Deployment, h.Key, h.Wildcard) }

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
	got.WildcardGen, got.Wanted, got.Epoch = want.WildcardGen, want.Wanted, s.Epoch()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("store (-want +got):\n%s", diff)
	}
}

// current is what the request path may see of a record.
func (m *model) current(of map[hostkey.Key]Route, k hostkey.Key) (Route, bool) {
	if r, there := of[k]; there && r.Epoch == m.Epoch {
		return r, true
	}
	return Route{}, false
}

// comparePoints asks for records one by one.
func comparePoints(t *rapid.T, s *Store, m *model) {
	if n, gen := s.Wildcards(); n != len(m.Wildcards) || gen < m.WildcardGen {
		t.Fatalf("%d wildcards of generation %d, want %d of at least %d", n, gen, len(m.Wildcards), m.WildcardGen)
	}
	for i := range 6 {
		k := testKey(i)
		want, there := m.current(m.Routes, k)
		got, err := s.LookupRoute(k)
		wantW, thereW := m.current(m.Wildcards, k)
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
		byIDs, err3 := s.DeploymentsByUUID([]UUID{{255}, x.UUID, {}})
		if diff := cmp.Diff([]Deployment{x, x}, []Deployment{byID, byLabel}); diff != "" || err1 != nil || err2 != nil {
			t.Fatalf("deployment %d by index: %v, %v\n%s", x.No, err1, err2, diff)
		}
		if diff := cmp.Diff(map[UUID]DeploymentNo{x.UUID: x.No}, byIDs); diff != "" || err3 != nil {
			t.Fatalf("deployment %d among several: %v\n%s", x.No, err3, diff)
		}
	}
	for _, h := range m.Imported {
		of, err := collect(s.ImportedHosts(h.Deployment))
		is, err2 := s.IsImportedHost(h.Deployment, h.Key, h.Wildcard)
		if !slices.Contains(of, h) || !is || err != nil || err2 != nil {
			t.Fatalf("imported hosts of %d: %+v, %v, %v, %v; want %+v", h.Deployment, of, is, err, err2, h)
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
		for p, err := range s.ProjectsOf(a.No, "") {
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
