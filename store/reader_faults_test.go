package store

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
)

func putSamples(tx *Tx) error {
	return errors.Join(
		tx.PutAccount(Account{No: 1, ID: "acme"}),
		tx.PutProject(Project{No: 3, Account: 1, Name: "docs", State: ProjectActive}),
		tx.PutDeployment(Deployment{No: 7, Project: 3, UUID: UUID{1, 2, 3, 4, 5}, Environment: Preview, Status: StatusSuccess},
			[]LogLine{{Time: sampleTime, Text: "x"}}),
		tx.PutImportedHost(ImportedHost{Deployment: 7, Key: testKey(1), Class: ClassBranch, Host: "x"}),
		tx.PutBranch(Branch{Project: 3, Name: "main", Latest: 7, Exact: "main", Plain: "m"}),
		tx.PutToken(Token{ID: "ab", Account: 1, Scope: ScopeRead}),
		tx.ClaimHost("a.example.com", HostOwner{1, 3}), tx.ClaimHost("*.example.org", HostOwner{1, 3}))
}

func TestIndexFaults(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, putSamples)
	got, err := collect(s.IndexFaults())
	if err != nil || len(got) != 0 {
		t.Fatalf("a sound store: %v, %v", got, err)
	}
	for _, tt := range []struct {
		drop []byte
		want []string // tables with a fault
	}{
		{key32(tableAccount, AccountNo(1)), []string{"account IDs"}},
		{key32(tableProject, ProjectNo(3)), []string{"project names", "projects of an account"}},
		{deploymentKey(3, 7), []string{"deployment numbers", "deployment IDs", "deployment labels"}},
		{key64(tableDeploymentNo, DeploymentNo(7)), []string{"deployment IDs", "deployment labels", "deployment logs", "imported hosts of deployments"}},
		{key32s(tableBranch, ProjectNo(3), "main"), []string{"branch labels", "branch labels"}},
		{keyString(tableToken, "ab"), []string{"tokens of an account"}},
	} {
		var tables []string
		_, err := s.Update(t.Context(), func(tx *Tx) error {
			if err := tx.drop(tt.drop); err != nil {
				return err
			}
			for f, err := range tx.IndexFaults() {
				if err != nil {
					return err
				}
				tables = append(tables, f.Table)
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			t.Errorf("without %q: %v", tt.drop, err)
		}
		if diff := cmp.Diff(tt.want, tables); diff != "" {
			t.Errorf("without %q (-want +got):\n%s", tt.drop, diff)
		}
	}
	update(t, s, func(tx *Tx) error { return tx.set(key32s(tableBranchLabel, ProjectNo(3), "old"), []byte("main")) })
	want := []IndexFault{{"branch labels", "the record that it names does not agree", "B:000000036f6c64"}}
	if got, err := collect(s.IndexFaults()); err != nil || !cmp.Equal(got, want) {
		t.Errorf("an entry that nobody holds: %v, %v", got, err)
	}
}

var errUndo = errors.New("undo")

func TestAllHostOwners(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, putSamples)
	got := map[string]HostOwner{}
	for host, o := range s.AllHostOwners() {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		got[host] = o.Owner
	}
	want := map[string]HostOwner{"a.example.com": {1, 3}, "*.example.org": {1, 3}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestDeleteProjectTakesUploads: claims and wanted marks of the project go with it, those of others stay.
func TestDeleteProjectTakesUploads(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, putSamples)
	key := manifest.AssetKey{9}
	update(t, s, func(tx *Tx) error {
		var errs []error
		for _, p := range []ProjectNo{2, 3, 4} {
			errs = append(errs, tx.PutClaim(Claim{Project: p, Key: key, Time: sampleTime}), tx.SetWanted(p, key, true))
		}
		return errors.Join(errs...)
	})
	_, err := s.Update(t.Context(), func(tx *Tx) error { return errors.Join(tx.DeleteProject(3), errUndo) })
	if claims, cerr := s.Claims(3, key); !errors.Is(err, errUndo) || cerr != nil || len(claims) != 1 {
		t.Errorf("undone: %v, %v, %v", err, claims, cerr)
	}
	update(t, s, func(tx *Tx) error {
		if err := tx.DeleteProject(3); err != nil {
			return err
		}
		if c, err := tx.Claims(3, key); err != nil || len(c) != 0 {
			t.Errorf("in the same update: %v, %v", c, err)
		}
		return nil
	})
	for p, want := range map[ProjectNo]int{2: 1, 3: 0, 4: 1} {
		claims, err := s.Claims(p, key)
		wanted, werr := s.Wanted(p, key)
		if err != nil || werr != nil || len(claims) != want || wanted != (want == 1) {
			t.Errorf("project %d: %d claims, wanted %v, %v, %v", p, len(claims), wanted, err, werr)
		}
	}
}
