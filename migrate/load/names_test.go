package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"berth/migrate/nginx"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
	"berth/store/control"
)

func TestDeployments(t *testing.T) {
	w := newWorld(t)
	_, ds := w.project(1, "docs", 3)
	w.load(dir(map[string]string{"docs.json": table(entry(legacy.Pattern("x.docs.pages.localhost"), "abc"))}), Options{})
	if got := w.ask("x.docs.pages.localhost"); got != 0 {
		t.Errorf("%d before the name is known", got)
	}
	text := "\ufeffscript_hash,deployment\r\n" +
		"abc," + ds[0].UUID.String() + "\r\n" +
		`{"script_hash":"def","deployment":"` + legacy.ScriptHash(ds[1].UUID) + `"}` + "\n\n" +
		`"ghi", "` + ds[2].UUID.String() + `"` + "\n" +
		"lost,ffffffff-0000-4000-8000-000000000000\nabc\n,x\nabc,zzz\n{\"script_hash\":1}\n" + `{"script_hash":"a","deployment":"b","c":1}` + "\n" +
		strings.Repeat("y", 2000) + "\n" + strings.Repeat("n", 900) + "," + ds[2].UUID.String()
	o := Options{Domain: domain, Hasher: hasher, Batch: 2, MaxLine: 1000}
	r, err := Deployments(t.Context(), w.s, w.m, "names.csv", strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Lines != 5 || r.Set != 4 || r.Bad != 7 {
		t.Errorf("report %+v", r)
	}
	for i, want := range []string{"names.csv:7: it has 1 fields", "names.csv:8: script_hash is empty", `names.csv:9: deployment "zzz" is not`, "names.csv:10", "names.csv:11",
		"names.csv:12: the line has more than 1000 bytes", "names.csv:6: there is no deployment ffffffff"} {
		found := false
		for _, p := range r.Problems {
			found = found || strings.Contains(p.String(), want)
		}
		if !found {
			t.Errorf("problem %d: none says %q: %v", i, want, r.Problems)
		}
	}
	if got := w.ask("x.docs.pages.localhost"); got != ds[0].No {
		t.Errorf("%d once the name is known, want %d", got, ds[0].No)
	}
	revision := w.revision()
	if r, err := Deployments(t.Context(), w.s, w.m, "names.csv", strings.NewReader(text), o); err != nil || r.Same != 4 || w.revision() != revision {
		t.Errorf("again: %+v, %v", r, err)
	}
	r, err = Deployments(t.Context(), w.s, w.m, "names.csv", strings.NewReader("abc,"+ds[1].UUID.String()), o)
	if err != nil || r.Changed != 1 || w.ask("x.docs.pages.localhost") != ds[1].No {
		t.Errorf("changed: %+v, %v", r, err)
	}
	if _, err := Deployments(t.Context(), w.s, w.m, "names.csv", failing(""), o); !errors.Is(err, errDisk) {
		t.Errorf("a read that fails: %v", err)
	}
}

// Hosts that Berth served before it began to migrate get entries, unless a table has them or they moved on meanwhile.
func TestFill(t *testing.T) {
	w := newWorld(t)
	docs, dd := w.project(1, "docs", 2)
	shop, sd := w.project(1, "shop", 1)
	w.update(func(tx *store.Tx) error {
		return errors.Join(tx.ClaimHost("*.example.com", store.HostOwner{Account: 1, Project: shop.No}),
			tx.PutDomain(store.Domain{Project: shop.No, Host: "*.example.com", Status: store.DomainActive}),
			tx.PutDomain(store.Domain{Project: shop.No, Host: "pending.example.org", Status: store.DomainPending}))
	})
	w.load(dir(map[string]string{"docs.json": table(entry(legacy.Pattern("docs.pages.localhost"), legacy.ScriptHash(dd[0].UUID)))}), Options{})
	if done, err := Complete(&w.s.Reader); done || err != nil {
		t.Errorf("complete before it was filled: %v %v", done, err)
	}
	host := func(h hostkey.Host, wildcard bool, p store.Project, d store.DeploymentNo) control.HostRoute {
		return control.HostRoute{Host: h, Wildcard: wildcard, Route: store.Route{Kind: store.RouteSite, Class: store.ClassBranch, Project: p.No, Deployment: d}}
	}
	short := hostkey.Host(fmt.Sprintf("%x.docs.pages.localhost", dd[0].UUID[:4]))
	hosts := served(
		host("docs.pages.localhost", false, docs, dd[1].No),
		host("main.docs.pages.localhost", false, docs, dd[0].No), // as it was when the hosts were listed
		host("gone.docs.pages.localhost", false, docs, dd[0].No),
		host(short, false, docs, dd[0].No),
		host("shop.pages.localhost", false, shop, sd[0].No),
		host("example.com", true, shop, sd[0].No),
		host("pending.example.org", false, shop, sd[0].No),
		host("deleted.pages.localhost", false, store.Project{No: 99}, 1),
	)
	r, err := Fill(t.Context(), w.s, w.m, hosts, Options{Domain: domain, Hasher: hasher, Batch: 2})
	if diff := cmp.Diff(FillReport{Hosts: 8, Added: 4, Had: 1, Gone: 3}, r); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for h, want := range map[hostkey.Host]store.DeploymentNo{
		"docs.pages.localhost": dd[0].No, "main.docs.pages.localhost": dd[1].No, "gone.docs.pages.localhost": 0, short: dd[0].No,
		"shop.pages.localhost": sd[0].No, "a.example.com": sd[0].No, "pending.example.org": 0,
	} {
		if got := w.ask(h); got != want {
			t.Errorf("%s: %d, want %d", h, got, want)
		}
	}
	if done, err := Complete(&w.s.Reader); !done || err != nil {
		t.Errorf("not complete after it was filled: %v %v", done, err)
	}
	if r, err := Fill(t.Context(), w.s, w.m, hosts, Options{Domain: domain, Hasher: hasher}); err != nil || r.Added != 0 {
		t.Errorf("again: %+v %v", r, err)
	}
}

func TestNginx(t *testing.T) {
	w := newWorld(t)
	_, dd := w.project(1, "docs", 2)
	_, sd := w.project(1, "shop", 1)
	w.project(1, "empty", 0)
	w.load(dir(map[string]string{"docs.json": table(entry(legacy.Pattern("docs.pages.localhost"), legacy.ScriptHash(dd[0].UUID)))}), Options{})
	conf := `map $host $site {
  hostnames;
  default none;
  www.example.com docs;
  old.example.com ` + dd[0].UUID.String() + `;
  *.shop.example.com shop;
  docs.pages.localhost ` + legacy.ScriptHash(dd[1].UUID) + `;
  e.example.com empty;
  f.example.com /srv/www/f;
  "~^(a|b)\.example\.com$" shop;
  "~^.*x" shop;
  b.shop.pages.localhost docs;
}`
	c, err := nginx.Read(fstest.MapFS{"nginx.conf": {Data: []byte("http {\n" + conf + "\n}\n")}}, "nginx.conf", nginx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Nginx(t.Context(), w.s, w.m, c, Options{Domain: domain, Hasher: hasher})
	if err != nil {
		t.Fatal(err)
	}
	for h, want := range map[hostkey.Host]store.DeploymentNo{
		"www.example.com": dd[1].No, "old.example.com": dd[0].No, "x.shop.example.com": sd[0].No, "a.example.com": sd[0].No, "b.example.com": sd[0].No,
		"docs.pages.localhost": dd[0].No, "e.example.com": 0, "f.example.com": 0, "b.shop.pages.localhost": 0,
	} {
		if got := w.ask(h); got != want {
			t.Errorf("%s: %d, want %d", h, got, want)
		}
	}
	for _, want := range []string{"nginx.conf:8: docs.pages.localhost has another entry", `nginx.conf:9: e.example.com: "empty" names no project that has`, `"/srv/www/f" names no project`,
		"nginx.conf:13: b.shop.pages.localhost is a host of project shop", "nginx.conf:6: old.example.com serves deployment"} {
		found := false
		for _, p := range r.Problems {
			found = found || strings.Contains(p.String(), want)
		}
		if !found {
			t.Errorf("no problem says %q: %v", want, r.Problems)
		}
	}
	if r.Hosts != 5 || r.Domains != 5 || r.Unrelated != 2 {
		t.Errorf("report %+v", r)
	}
	r, err = Nginx(t.Context(), w.s, w.m, c, Options{Domain: domain, Hasher: hasher})
	if err != nil || r.Hosts != 0 || r.Same != 5 {
		t.Errorf("again: %+v %v", r, err)
	}
}

func TestOptions(t *testing.T) {
	w := newWorld(t)
	_, err := Tables(context.Background(), w.s, w.m, dir(nil), Options{Domain: "A", Batch: -1, MaxProblems: -2})
	for _, want := range []string{`"A"`, "Batch is -1", "MaxProblems is -2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v says nothing of %s", err, want)
		}
	}
	if _, err := Tables(context.Background(), nil, nil, dir(nil), Options{Domain: domain, Hasher: hasher}); err == nil {
		t.Error("no store is no error")
	}
}
