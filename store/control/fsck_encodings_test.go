package control

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
	"berth/store"
)

func TestFsckFindsBadForms(t *testing.T) {
	put := func(t *testing.T, ts *testService, content string) store.FileRef {
		d, n, err := ts.deps.Blobs.Put(strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		return store.FileRef{Digest: d, Size: n}
	}
	list := func(t *testing.T, ts *testService, d store.Deployment, ref store.FileRef) {
		if _, err := ts.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.SetVariants(d.No, ref) }); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		damage func(*testing.T, *testService, store.Deployment)
		want   []string
	}{
		"none": {func(*testing.T, *testService, store.Deployment) {}, nil},
		"listing is none": {func(t *testing.T, ts *testService, d store.Deployment) { list(t, ts, d, put(t, ts, "no listing")) },
			[]string{"encoding: deployment"}},
		"listing is gone": {func(t *testing.T, ts *testService, d store.Deployment) {
			list(t, ts, d, store.FileRef{Digest: manifest.Digest{1}, Size: 10})
		}, []string{"blob: deployment"}},
		"listing of another manifest": {func(t *testing.T, ts *testService, d store.Deployment) {
			raw, _ := variants.Encode(7, nil)
			list(t, ts, d, put(t, ts, string(raw)))
		}, []string{"encoding: deployment"}},
		"form of another file": {func(t *testing.T, ts *testService, d store.Deployment) {
			r := put(t, ts, encoded(t, text("other"), httpsem.Gzip))
			raw, _ := variants.Encode(1, []variants.Variant{{Entry: 0, Encoding: httpsem.Gzip, Blob: r.Digest, Size: r.Size}})
			list(t, ts, d, put(t, ts, string(raw)))
		}, []string{"encoding: deployment"}},
		"form gone": {func(t *testing.T, ts *testService, _ store.Deployment) {
			d := manifest.DigestOf([]byte(encoded(t, text("a"), httpsem.Gzip))).String()
			if err := os.Remove(filepath.Join(ts.opts.DataDir, "blobs", d[:2], d[2:])); err != nil {
				t.Fatal(err)
			}
		}, []string{"blob: deployment"}},
	} {
		t.Run(name, func(t *testing.T) {
			ts, _ := newEncodingService(t, nil)
			a := ts.api(t)
			a.project("docs")
			d := a.deploy("docs", "", site{"/a.html": text("a")})
			ts.drain(t)
			tc.damage(t, ts, ts.record(t, d))
			_, problems := ts.fsck(t)
			var got []string
			for _, p := range problems {
				got = append(got, strings.Join(strings.Fields(p.String())[:2], " "))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%v", diff, problems)
			}
		})
	}
}

// A listing that cannot be read is made again, and keeps no sweep from its work.
func TestSweepMendsListings(t *testing.T) {
	ts, enc := newEncodingService(t, nil)
	a := ts.api(t)
	a.project("docs")
	d := a.deploy("docs", "", site{"/a.html": text("a")})
	ts.drain(t)
	ref, err := ts.deps.Store.Variants(ts.record(t, d).No)
	if err != nil {
		t.Fatal(err)
	}
	name := ref.Digest.String()
	if err := os.WriteFile(filepath.Join(ts.opts.DataDir, "blobs", name[:2], name[2:]), []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	ts.swept(t, SweepOptions{Grace: time.Hour})
	if ts.wanted(t) != 1 {
		t.Error("it is not made again")
	}
	ts.drain(t)
	ts.wantForms(t, d, map[string]string{"/a.html": all})
	if n := enc.total(); n != 3 {
		t.Errorf("%d encoded", n)
	}
	ts.clean(t)
}
