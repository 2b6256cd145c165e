package control

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/router/hostkey"
	"berth/store"
)

// Tables that were imported name hosts that nothing else knows. Their records are not damage, as long as they lead to a deployment of
// their own project.
func TestFsckKnowsImportedHosts(t *testing.T) {
	w := newTestService(t, nil)
	a := w.api(t)
	a.project("docs")
	d := w.record(t, a.deploy("docs", "", site{"/a.txt": "live"}))
	p, err := w.deps.Store.Project(d.Project)
	if err != nil {
		t.Fatal(err)
	}
	set := func(tx *store.Tx, h hostkey.Host, class store.Class, no store.DeploymentNo) error {
		return tx.SetRoute(w.deps.Hasher.Key(h), *siteRoute(class, p.No, no))
	}
	if _, err := w.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.NextEpoch()
		b, errB := tx.Branch(p.No, "main")
		faults := []error{err, errB,
			set(tx, w.productionHost(p), store.ClassProduction, d.No), set(tx, w.deploymentHost(p, d), store.ClassDeployment, d.No),
			set(tx, "2b469e16.docs.pages.localhost", store.ClassDeployment, d.No), set(tx, "gone.docs.pages.localhost", store.ClassDeployment, 999)}
		for _, label := range labels(b) {
			faults = append(faults, set(tx, w.labelHost(p, label), store.ClassBranch, d.No))
		}
		return errors.Join(faults...)
	}); err != nil {
		t.Fatal(err)
	}
	sum, problems := w.fsck(t)
	var got []string
	for _, p := range problems {
		got = append(got, p.Class+": "+p.Object)
	}
	want := []string{"extra: route record " + w.deps.Hasher.Key("gone.docs.pages.localhost").String()}
	if diff := cmp.Diff(want, got); diff != "" || sum.Imported != 1 {
		t.Errorf("%d imported; problems (-want +got):\n%s", sum.Imported, diff)
	}
}
