package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

func seedProject(t *testing.T, s *Store) (p ProjectNo) {
	t.Helper()
	update(t, s, func(tx *Tx) (err error) {
		if p, err = tx.NextProject(); err != nil {
			return err
		}
		return tx.PutProject(Project{No: p, Account: 1, Name: "docs", State: ProjectActive})
	})
	return p
}

func seedDeployment(tx *Tx, p ProjectNo) (DeploymentNo, error) {
	no, err := tx.NextDeployment()
	if err != nil {
		return 0, err
	}
	return no, tx.PutDeployment(Deployment{No: no, Project: p, Environment: Production, Status: StatusSuccess}, nil)
}

// watch keeps the next commit.
func watch(t *testing.T, s *Store) <-chan Commit {
	c := make(chan Commit, 1)
	cancel := s.OnCommit(func(commit Commit) {
		select {
		case c <- commit:
		default:
		}
	})
	t.Cleanup(cancel)
	return c
}

func TestTargets(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	p, d := seedProject(t, s), DeploymentNo(0)
	update(t, s, func(tx *Tx) (err error) {
		d, err = seedDeployment(tx, p)
		return err
	})
	production := Target{Project: p, Past: []Past{{3, sampleTime}, {1, sampleTime.Add(-time.Hour)}}, Kept: FileRef{digestOf(1), 9}, KeptFiles: 4}
	branch := Target{Project: p, Branch: "feat/a"}
	commits := watch(t, s)
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutTarget(production), tx.PutTarget(branch), tx.TouchDeployment(d))
	})
	if c := <-commits; !slices.Contains(c.Deployments, d) || !slices.Contains(c.Projects, p) {
		t.Errorf("the commit says %+v", c)
	}
	var got []Target
	for x, err := range s.Targets(p) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, x)
	}
	if diff := cmp.Diff([]Target{production, branch}, got); diff != "" {
		t.Error(diff)
	}
	for name, bad := range map[string]Target{
		"no project": {Past: nil}, "twice": {Project: p, Past: []Past{{1, sampleTime}, {1, sampleTime}}}, "number 0": {Project: p, Past: []Past{{}}},
	} {
		if _, err := s.Update(context.Background(), func(tx *Tx) error { return tx.PutTarget(bad) }); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	update(t, s, func(tx *Tx) error { return tx.DeleteTarget(p, "feat/a") })
	if _, err := s.Target(p, "feat/a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a deleted target: %v", err)
	}
	update(t, s, func(tx *Tx) error { return tx.DeleteProject(p) })
	if _, err := s.Target(p, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("a deleted project's target: %v", err)
	}
}

func TestVariants(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	p, d := seedProject(t, s), DeploymentNo(0)
	update(t, s, func(tx *Tx) (err error) {
		if d, err = seedDeployment(tx, p); err != nil {
			return err
		}
		return tx.WantVariants(d)
	})
	wanted := func() (nos []DeploymentNo) {
		for no, err := range s.VariantsWanted() {
			if err != nil {
				t.Fatal(err)
			}
			nos = append(nos, no)
		}
		return nos
	}
	if diff := cmp.Diff([]DeploymentNo{d}, wanted()); diff != "" {
		t.Error(diff)
	}
	listing := FileRef{digestOf(1), 9}
	commits := watch(t, s)
	update(t, s, func(tx *Tx) error { return errors.Join(tx.SetVariants(d, listing), tx.ForgetVariants(d)) })
	if c := <-commits; !slices.Contains(c.Deployments, d) {
		t.Errorf("the commit says %+v", c)
	}
	if got, err := s.Variants(d); got != listing || err != nil || len(wanted()) != 0 {
		t.Errorf("%+v, %v, still wanted %v", got, err, wanted())
	}
	encoded := Encoded{Blob: digestOf(7), Brotli: FileRef{digestOf(8), 10}, Made: sampleTime}
	update(t, s, func(tx *Tx) error { return tx.PutEncoded(encoded) })
	if got, err := s.Encoded(digestOf(7)); err != nil || got != encoded {
		t.Errorf("%+v, %v", got, err)
	}
	update(t, s, func(tx *Tx) error { return errors.Join(tx.DeleteDeployment(d), tx.DeleteEncoded(digestOf(7))) })
	for what, err := range map[string]error{"listing": second(s.Variants(d)), "forms": second(s.Encoded(digestOf(7)))} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
	if _, err := s.Update(context.Background(), func(tx *Tx) error { return tx.SetVariants(d, listing) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a deployment that is gone: %v", err)
	}
}

func second[A any](_ A, err error) error { return err }

func TestTables(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	p := seedProject(t, s)
	commits := watch(t, s)
	update(t, s, func(tx *Tx) error {
		return errors.Join(tx.PutTableChunk(TableChunk{p, 2, []byte("second")}), tx.PutTableChunk(TableChunk{p, 1, []byte("first")}),
			tx.SetTableHost(p, "a.example", 1), tx.SetTableHost(p, "*.b.example", 2), tx.SetPipeline("abc", 7),
			tx.PutDocument("state", []byte("x")), tx.PutDocument("log/1", []byte("y")))
	})
	if c := <-commits; !slices.Equal(c.Tables, []ProjectNo{p}) || !c.Migration {
		t.Errorf("the commit says %+v", c)
	}
	chunks, err := collect(s.TableChunks(p))
	if diff := cmp.Diff([]TableChunk{{p, 1, []byte("first")}, {p, 2, []byte("second")}}, chunks); diff != "" || err != nil {
		t.Error(err, diff)
	}
	rest, err := collect(s.AllTableChunks(p, 2))
	if diff := cmp.Diff(chunks[1:], rest); diff != "" || err != nil {
		t.Error(err, diff)
	}
	hosts, err := collect(s.TableHosts(p))
	if diff := cmp.Diff([]string{"a.example", "*.b.example"}, hosts); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if no, err := s.TableHost(p, "*.b.example"); no != 2 || err != nil {
		t.Errorf("%d, %v", no, err)
	}
	if no, err := s.Pipeline("abc"); no != 7 || err != nil {
		t.Errorf("%d, %v", no, err)
	}
	docs, err := collect(s.Documents("log/", ""))
	if diff := cmp.Diff([]Document{{"log/1", []byte("y")}}, docs); diff != "" || err != nil {
		t.Error(err, diff)
	}
	update(t, s, func(tx *Tx) error { return tx.DeleteProject(p) })
	if left, err := collect(s.AllTableChunks(0, 0)); len(left) != 0 || err != nil {
		t.Errorf("left after the project: %v, %v", left, err)
	}
}
