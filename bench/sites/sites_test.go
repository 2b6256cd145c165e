package sites_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"berth/assets/blob"
	"berth/bench/sites"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/control"
)

// What is written past the API must be what the API would have written, as far as fsck can tell.
func TestDataIsSound(t *testing.T) {
	c, ctx, dir := sites.Config{Sites: 30, Hot: 2, Hosts: 1000, Seed: 7}, context.Background(), t.TempDir()
	hosts, err := c.WriteData(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if hosts < c.Hosts || hosts > c.Hosts+110 {
		t.Errorf("%d hosts", hosts)
	}
	d, err := store.OpenDataDir(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	blobs, err := blob.OpenDir(filepath.Join(dir, "blobs"), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	s, err := control.New(control.Deps{Store: d.Store, Blobs: blobs, Hasher: hostkey.NewHasher(d.Secrets.HostnameHash), SealingKey: d.Secrets.Sealing, UploadKey: d.Secrets.UploadToken}, control.Options{Domain: sites.Domain, DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Others(); n != 900 {
		t.Errorf("%d other hosts", n)
	}
	hasher := hostkey.NewHasher(d.Secrets.HostnameHash)
	for _, host := range []string{sites.Host(29), c.OtherHost(0), c.OtherHost(c.Others() - 1)} {
		if _, err := d.Store.LookupRoute(hasher.Key(hostkey.Host(host))); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	rep, err := s.Fsck(ctx, control.FsckOptions{}, func(p control.Problem) { t.Error(p) })
	if err != nil {
		t.Fatal(err)
	}
	// Nine projects, of 102 hosts each, bring the 90 of the sites to 1000.
	if rep.Problems != 0 || rep.Routes != hosts || rep.Projects != 30+9 || rep.Deployments != 30+900 || rep.Blobs < 30*2+2*3 {
		t.Errorf("%+v", rep)
	}
}

func TestFoldersHaveTheSameFiles(t *testing.T) {
	c, dir := sites.Config{Sites: 3, Hot: 1, Hosts: 9, Seed: 7}, t.TempDir()
	if err := c.WriteFolders(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	files := 0
	for site := range c.Sites {
		for _, f := range c.FilesOf(site) {
			got, err := os.ReadFile(filepath.Join(dir, sites.Host(site), f.Name))
			if err != nil || !bytes.Equal(got, c.Content(site, f)) || len(got) != f.Size {
				t.Errorf("site %d has %d bytes in %s, %v", site, len(got), f.Name, err)
			}
			files++
		}
	}
	if files != 4+1+1 {
		t.Errorf("%d files", files)
	}
	if bytes.Equal(c.Content(0, sites.Small()), c.Content(1, sites.Small())) {
		t.Error("two sites have the same file")
	}
}

func TestCheckTellsAllFaults(t *testing.T) {
	err := sites.Config{Sites: 5, Hot: 6, Hosts: 1}.Check()
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("\n")) {
		t.Errorf("%v", err)
	}
}
