package control

import "testing"

// Every route record is that of a host which is listed, and says what the list says.
func TestHostsAreAllThatIsServed(t *testing.T) {
	ts := newTestService(t, nil)
	a := ts.api(t)
	a.project("docs")
	a.deploy("docs", "main", site{"/index.html": "one"})
	a.deploy("docs", "feat/Login", site{"/index.html": "two"})
	for _, body := range []string{`{"name":"www.example.com"}`, `{"name":"*.example.com","branch":"feat/Login"}`, `{"name":"none.example.com","branch":"none"}`} {
		a.must("POST", "/accounts/default/pages/projects/docs/domains", body)
	}
	snap := ts.deps.Store.Snapshot()
	defer snap.Close()
	listed := 0
	for h, err := range ts.Hosts(&snap.Reader) {
		if err != nil {
			t.Fatal(err)
		}
		listed++
		read := snap.Route
		if h.Wildcard {
			read = snap.Wildcard
		}
		if got, err := read(ts.deps.Hasher.Key(h.Host)); err != nil || got != h.Route {
			t.Errorf("%s: listed as %+v, its record is %+v (%v)", h.Host, h.Route, got, err)
		}
	}
	records := 0
	for range snap.AllRoutes() {
		records++
	}
	for range snap.AllWildcards() {
		records++
	}
	if listed != records || records < 8 {
		t.Errorf("%d hosts are listed, %d records stored", listed, records)
	}
}
