package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/router/hostkey"
)

// bulkCorpus are the deployments of a few projects, newest first in each.
func bulkCorpus(projects, each int) []BulkDeployment {
	var ds []BulkDeployment
	for p := range projects {
		for i := range each {
			no := (p+1)*each - i
			d := Deployment{No: DeploymentNo(no), Project: ProjectNo(p + 1), Environment: Production, Status: StatusSuccess, Created: sampleTime, Branch: "main", Files: 1}
			k := testKey(no)
			copy(d.UUID[:], k[:])
			binary.BigEndian.PutUint32(d.UUID[:], uint32(no)*2654435761)
			ds = append(ds, BulkDeployment{d, testKey(no), Route{Kind: RouteSite, Class: ClassDeployment, Project: d.Project, Deployment: d.No}})
		}
	}
	return ds
}

func each(ds []BulkDeployment) iter.Seq2[BulkDeployment, error] {
	return func(yield func(BulkDeployment, error) bool) {
		for _, d := range ds {
			if !yield(d, nil) {
				return
			}
		}
	}
}

// contents is every record but the commit log.
func contents(t *testing.T, s *Store) map[string]string {
	t.Helper()
	v, err := s.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer v.unref()
	it, err := v.snap.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for ok := it.First(); ok; ok = it.Next() {
		if k := it.Key(); k[0] != tableCommit && !slices.Equal(k, keyHead) {
			all[fmt.Sprintf("%x", k)] = fmt.Sprintf("%x", it.Value())
		}
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestBulkIsWhatUpdatesWrite(t *testing.T) {
	ds := bulkCorpus(5, 40)
	finish := func(tx *Tx) error {
		for p := ProjectNo(1); p <= 5; p++ {
			if _, err := tx.NextProject(); err != nil {
				return err
			}
			if err := tx.PutProject(Project{No: p, Account: 1, Name: fmt.Sprint("p", p), ProductionBranch: "main", State: ProjectActive}); err != nil {
				return err
			}
		}
		return nil
	}
	fs := vfs.NewMem()
	bulk, updates := openMem(t, fs, Options{}), openMem(t, vfs.NewMem(), Options{})
	if _, err := bulk.Bulk(t.Context(), each(ds), finish); err != nil {
		t.Fatal(err)
	}
	update(t, updates, func(tx *Tx) error {
		for range ds {
			if _, err := tx.NextDeployment(); err != nil {
				return err
			}
		}
		for _, d := range ds {
			if err := errors.Join(tx.PutDeployment(d.Deployment, nil), tx.SetRoute(d.Host, d.Route)); err != nil {
				return err
			}
		}
		return finish(tx)
	})
	if diff := cmp.Diff(contents(t, updates), contents(t, bulk)); diff != "" {
		t.Errorf("by Updates, and by Bulk:\n%s", diff)
	}
	if names, err := fs.List("/db"); err != nil || slices.Contains(names, "bulk") {
		t.Errorf("left behind: %v, %v", names, err)
	}
	for _, d := range ds {
		if r, err := bulk.LookupRoute(d.Host); err != nil || r != d.Route {
			t.Errorf("route of %d: %+v, %v", d.Deployment.No, r, err)
		}
	}
	// Numbers that came this way are not given out again.
	update(t, bulk, func(tx *Tx) error {
		if no, err := tx.NextDeployment(); err != nil || no != 201 {
			t.Errorf("next deployment is %d, %v", no, err)
		}
		return nil
	})
}

func TestBulkRefuses(t *testing.T) {
	nothing := func(*Tx) error { return nil }
	swapped := bulkCorpus(2, 3)
	swapped[0], swapped[3] = swapped[3], swapped[0]
	twice := bulkCorpus(1, 3)
	twice[1].Host = twice[0].Host
	bad := bulkCorpus(1, 3)
	bad[2].Route.Kind = 0
	for name, ds := range map[string][]BulkDeployment{"projects in no order": swapped, "one host twice": twice, "invalid route": bad} {
		fs := vfs.NewMem()
		s := openMem(t, fs, Options{})
		if _, err := s.Bulk(t.Context(), each(ds), nothing); !errors.Is(err, ErrInvalid) || s.Revision() != 0 {
			t.Errorf("%s: %v, revision %d", name, err, s.Revision())
		}
		if names, err := fs.List("/db"); err != nil || slices.Contains(names, "bulk") {
			t.Errorf("%s: left behind: %v, %v", name, names, err)
		}
	}
	s := openMem(t, vfs.NewMem(), Options{})
	if _, err := s.Bulk(t.Context(), each(bulkCorpus(1, 2)), nothing); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bulk(t.Context(), each(bulkCorpus(1, 2)), nothing); !errors.Is(err, ErrInvalid) {
		t.Errorf("a second time: %v", err)
	}
}

func TestBulkWithoutRoutes(t *testing.T) {
	ds := bulkCorpus(2, 3)
	routed, unrouted := ds[1].Host, ds[4].Host
	ds[4].Host = hostkey.Key{}
	s := openMem(t, vfs.NewMem(), Options{})
	if _, err := s.Bulk(t.Context(), each(ds), func(*Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deployment(ds[4].Deployment.No); err != nil {
		t.Error(err)
	}
	if _, err := s.LookupRoute(routed); err != nil {
		t.Error(err)
	}
	for _, k := range []hostkey.Key{unrouted, {}} {
		if _, err := s.LookupRoute(k); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s has a route: %v", k, err)
		}
	}
}
