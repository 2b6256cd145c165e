package load

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"pgregory.net/rapid"

	"berth/assets/blob"
	"berth/router"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/control"
)

// service is a control plane over the world's store, for what it knows of hosts.
func (w *world) service() *control.Service {
	w.t.Helper()
	dir, err := os.MkdirTemp("", "berth-load-*")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	blobs, err := blob.OpenDir(dir+"/blobs", blob.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = blobs.Close() })
	s, err := control.New(control.Deps{
		Store: w.s, Blobs: blobs, Hasher: hasher, SealingKey: [32]byte{1}, UploadKey: [32]byte{2},
	}, control.Options{DataDir: dir, Domain: domain})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// site writes a project with deployments of some branches, and domains that follow them.
func (w *world) site(t *rapid.T, name string) {
	p, _ := w.project(1, name, 0)
	branches := []string{"main", "feat/Login", "deadbeef", "v1"}
	w.update(func(tx *store.Tx) error {
		var faults []error
		for i := range rapid.IntRange(0, 6).Draw(t, "deployments") {
			no, err := tx.NextDeployment()
			d := store.Deployment{No: no, Project: p.No, Environment: store.Preview, Status: store.StatusSuccess, Branch: rapid.SampledFrom(branches).Draw(t, "branch")}
			d.UUID = store.UUID{byte(p.No), byte(i), byte(rapid.IntRange(0, 255).Draw(t, "uuid")), 6: 0x40, 8: 0x80, 15: byte(i)}
			b := store.Branch{Project: p.No, Name: d.Branch, Latest: no}
			b.Exact, b.Plain = hostkey.Alias(d.Branch)
			if d.Branch == "main" {
				d.Environment, p.Live = store.Production, no
			}
			p.Latest = no
			faults = append(faults, err, tx.PutDeployment(d, nil), tx.PutBranch(b))
		}
		for i, kind := range []string{"", "*."} {
			host := fmt.Sprintf("%swww.%s.example", kind, name)
			d := store.Domain{Project: p.No, UUID: store.UUID{byte(i)}, Host: host, Status: store.DomainActive}
			d.Branch = rapid.SampledFrom([]string{"", "main", "v1", "none"}).Draw(t, "domain follows")
			faults = append(faults, tx.PutDomain(d), tx.ClaimHost(host, store.HostOwner{Account: 1, Project: p.No}))
		}
		return errors.Join(append(faults, tx.PutProject(p))...)
	})
}

// Whatever a control plane serves, filled tables answer with the very decision of its route records.
func TestFilledTablesDecideAsTheControlPlane(t *testing.T) {
	w := newWorld(t)
	svc := w.service()
	writer := control.RecordWriter(hasher)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		docs, shop := fmt.Sprint("docs", round), fmt.Sprint("shop", round)
		w.site(rt, docs)
		w.site(rt, shop)
		var all []control.HostRoute // of this round
		w.update(func(tx *store.Tx) error {
			for h, err := range svc.Hosts(&tx.Reader) {
				if err != nil {
					return err
				}
				if _, err := tx.TableHost(h.Route.Project, name(h.Host, h.Wildcard)); err == nil {
					continue
				}
				all = append(all, h)
				change := control.Change{Project: h.Route.Project, Routes: []control.RouteChange{{Host: h.Host, Wildcard: h.Wildcard, Route: &h.Route}}}
				if err := writer.Apply(t.Context(), tx, change); err != nil {
					return err
				}
			}
			return nil
		})
		if r, err := Fill(t.Context(), w.s, w.m, svc.Hosts, Options{Domain: domain, Hasher: hasher, Batch: 3}); err != nil || r.Added != len(all) {
			rt.Fatalf("%+v %v", r, err)
		}
		records, err := hashed.New(w.s, hasher, hashed.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer records.Close()
		hosts := []hostkey.Host{hostkey.Host("nope." + docs + ".pages.localhost"), "nope.pages.localhost", hostkey.Host("www." + docs + ".example"),
			hostkey.Host("a.www." + docs + ".example"), hostkey.Host("a.b.www." + shop + ".example"), hostkey.Host(docs + ".example")}
		for _, h := range all {
			hosts = append(hosts, h.Host, "x."+h.Host)
		}
		for _, h := range hosts {
			q := &router.Query{Host: h, Path: "/"}
			a, errA := w.old.Resolve(t.Context(), q)
			b, errB := records.Resolve(t.Context(), q)
			if a != b || errors.Is(errA, router.ErrNoRoute) != errors.Is(errB, router.ErrNoRoute) {
				rt.Fatalf("%s: the tables say %+v (%v), the records %+v (%v)", h, a, errA, b, errB)
			}
		}
	})
}
