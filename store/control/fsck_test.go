package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/router/hostkey"
	"berth/store"
)

// Each line breaks one thing and says what fsck calls it.
func TestFsckFindsDamage(t *testing.T) {
	type world struct {
		*testService
		t    *testing.T
		p    store.Project
		d    store.Deployment // live, of main
		host hostkey.Host
	}
	key := func(w *world, h hostkey.Host) hostkey.Key { return w.deps.Hasher.Key(h) }
	file := func(w *world, content string) string {
		d := manifest.DigestOf([]byte(content)).String()
		return filepath.Join(w.opts.DataDir, "blobs", d[:2], d[2:])
	}
	for name, tc := range map[string]struct {
		damage func(*world, *store.Tx) error
		want   []string
	}{
		"nothing": {func(*world, *store.Tx) error { return nil }, nil},
		"production route gone": {func(w *world, tx *store.Tx) error {
			return tx.DeleteRoute(key(w, "docs.pages.localhost"))
		}, []string{"missing: docs.pages.localhost"}},
		"deployment route gone": {func(w *world, tx *store.Tx) error { return tx.DeleteRoute(key(w, w.host)) }, []string{"missing: " + "HOST"}},
		"flags lost": {func(w *world, tx *store.Tx) error {
			r := *siteRoute(store.ClassDeployment, w.p.No, w.d.No)
			r.Flags = 0
			return tx.SetRoute(key(w, w.host), r)
		}, []string{"different: HOST"}},
		"another epoch is fine": {func(w *world, tx *store.Tx) error {
			r := *siteRoute(store.ClassDeployment, w.p.No, w.d.No)
			r.Epoch = 7
			return tx.SetRoute(key(w, w.host), r)
		}, nil},
		"extra route": {func(w *world, tx *store.Tx) error {
			return tx.SetRoute(key(w, "who.docs.pages.localhost"), *siteRoute(store.ClassBranch, w.p.No, w.d.No))
		}, []string{"extra: route record"}},
		"route of no project": {func(w *world, tx *store.Tx) error {
			return tx.SetRoute(key(w, "x.y"), *siteRoute(store.ClassProduction, 99, w.d.No))
		}, []string{"extra: route record"}},
		"wildcard of nobody": {func(w *world, tx *store.Tx) error {
			return tx.SetWildcard(key(w, "docs.pages.localhost"), *siteRoute(store.ClassProduction, w.p.No, w.d.No))
		}, []string{"extra: route record"}},
		"custom host of nobody": {func(w *world, tx *store.Tx) error {
			return tx.SetRoute(key(w, "b.example.com"), *siteRoute(store.ClassCustom, w.p.No, w.d.No))
		}, []string{"extra: route record"}},
		"custom host of nobody among many": {func(w *world, tx *store.Tx) error {
			for i := range 3 * fewDomains {
				host := fmt.Sprintf("d%d.example.net", i)
				err := tx.PutDomain(store.Domain{Project: w.p.No, Host: host, Status: store.DomainActive})
				err = errors.Join(err, tx.ClaimHost(host, store.HostOwner{Account: w.p.Account, Project: w.p.No}))
				r := *siteRoute(store.ClassCustom, w.p.No, w.p.Live)
				if err = errors.Join(err, tx.SetRoute(key(w, hostkey.Host(host)), r)); err != nil {
					return err
				}
			}
			return tx.SetRoute(key(w, "b.example.com"), *siteRoute(store.ClassCustom, w.p.No, w.d.No))
		}, []string{"extra: route record"}},
		"domain without owner": {func(w *world, tx *store.Tx) error { return tx.ReleaseHost("www.example.com") }, []string{"index: domain www.example.com"}},
		"owner without domain": {func(w *world, tx *store.Tx) error {
			return tx.ClaimHost("orphan.example.com", store.HostOwner{Account: w.p.Account, Project: w.p.No})
		}, []string{"index: host orphan.example.com"}},
		"wildcard owner without project": {func(w *world, tx *store.Tx) error {
			return tx.ClaimHost("*.example.org", store.HostOwner{Account: w.p.Account, Project: 99})
		}, []string{"index: host *.example.org"}},
		"owner of a pending domain": {func(w *world, tx *store.Tx) error {
			err := tx.PutDomain(store.Domain{Project: w.p.No, Host: "p.example.com", Status: store.DomainPending})
			return errors.Join(err, tx.ClaimHost("p.example.com", store.HostOwner{Account: w.p.Account, Project: w.p.No}))
		}, []string{"index: host p.example.com"}},
		"branch gone": {func(w *world, tx *store.Tx) error { return tx.DeleteBranch(w.p.No, "dev") },
			[]string{"extra: route record", "index: deployment"}},
		"branch with foreign label": {func(w *world, tx *store.Tx) error {
			b, err := tx.Branch(w.p.No, "dev")
			b.Plain = "stolen"
			return errors.Join(err, tx.PutBranch(b))
		}, []string{"index: branch", "missing: stolen.docs.pages.localhost"}},
		"live is foreign": {func(w *world, tx *store.Tx) error {
			p := w.p
			p.Live = 999
			return tx.PutProject(p)
		}, []string{"different: docs.pages.localhost", "different: www.example.com", "index: project docs: production"}},
		"latest is wrong": {func(w *world, tx *store.Tx) error {
			p := w.p
			p.Latest = w.d.No
			return tx.PutProject(p)
		}, []string{"index: project docs"}},
		"deployment gone": {func(w *world, tx *store.Tx) error { return tx.DeleteDeployment(w.d.No) },
			[]string{"extra: route record", "extra: route record", "index: branch", "index: project docs: production"}},
		"record says fewer files": {func(w *world, tx *store.Tx) error {
			d := w.d
			d.Files--
			return tx.PutDeployment(d, nil)
		}, []string{"manifest: deployment"}},
		"false proof": {func(w *world, tx *store.Tx) error {
			return tx.PutProof(store.Proof{Account: w.p.Account, Key: manifest.AssetKey{1}, Extension: "x", Blob: store.FileRef{Digest: manifest.DigestOf([]byte("live")), Size: 4}})
		}, []string{"proof: proof of"}},
		"proof of a blob that is gone is fine": {func(w *world, tx *store.Tx) error {
			return tx.PutProof(store.Proof{Account: w.p.Account, Key: manifest.AssetKey{1}, Extension: "x", Blob: store.FileRef{Digest: manifest.Digest{1}, Size: 4}})
		}, nil},
		"blob gone":    {func(w *world, _ *store.Tx) error { return os.Remove(file(w, "live")) }, []string{"blob: deployment"}},
		"blob longer":  {func(w *world, _ *store.Tx) error { return os.WriteFile(file(w, "live"), []byte("alive"), 0o600) }, []string{"blob: blob", "blob: deployment", "blob: proof", "blob: proof"}},
		"blob rotten":  {func(w *world, _ *store.Tx) error { return os.WriteFile(file(w, "live"), []byte("evil"), 0o600) }, []string{"blob: blob", "proof: proof"}},
		"headers gone": {func(w *world, _ *store.Tx) error { return os.Remove(file(w, "/*")) }, []string{"blob: deployment"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of its time is the disk's
			ts := newTestService(t, nil)
			a := ts.api(t)
			a.project("docs")
			a.must("POST", projectsPath+"/docs/domains", map[string]string{"name": "www.example.com"})
			d := ts.record(t, a.deploy("docs", "", site{"/a.txt": "live"}, field{"_headers", "/*"}))
			a.deploy("docs", "dev", site{"/a.txt": "dev"})
			w := &world{testService: ts, t: t, d: d}
			w.p, _ = ts.deps.Store.Project(d.Project)
			w.host = ts.deploymentHost(w.p, d)
			if _, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tc.damage(w, tx) }); err != nil {
				t.Fatal(err)
			}
			_, problems := ts.fsck(t)
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			var unseen []string
			for _, want := range tc.want {
				want = strings.Replace(want, "HOST", string(w.host), 1)
				at := -1
				for i, g := range got {
					if strings.HasPrefix(g, want) {
						at = i
					}
				}
				if at < 0 {
					unseen = append(unseen, want)
					continue
				}
				got = append(got[:at], got[at+1:]...)
			}
			if diff := cmp.Diff([]string(nil), unseen); diff != "" || len(got) > 0 {
				t.Errorf("not found: %v; found besides: %s", unseen, strings.Join(got, "\n"))
			}
		})
	}
}

func TestFsckEndpoint(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.deploy("docs", "", site{"/a": "x"})
	var got fsckObject
	a.must("POST", "/berth/fsck", nil).into(t, &got)
	if got.Problems != 0 || got.List == nil || got.Blobs != 2 || got.Deployments != 1 || got.Revision != ts.deps.Store.Revision() {
		t.Errorf("%+v", got)
	}
	a.must("POST", "/berth/fsck?content=false", nil).into(t, &got)
	if got.Blobs != 0 {
		t.Errorf("content was read: %+v", got)
	}
	_, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		for i := range 1001 {
			r := *siteRoute(store.ClassProduction, 99, 1)
			if err := tx.SetRoute(hostkey.Key{byte(i), byte(i >> 8)}, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.must("POST", "/berth/fsck", nil).into(t, &got)
	if got.Problems != 1001 || len(got.List) != 1000 || !got.Truncated {
		t.Errorf("%d problems, %d listed", got.Problems, len(got.List))
	}
}
