package cold

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"berth/assets/blob"
	"berth/assets/hints"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
	"berth/router/hostkey"
	"berth/store"
)

// site is a deployment of which nothing but its host is in memory.
type site struct {
	host hostkey.Host
	no   store.DeploymentNo
}

func hasherOf(d *store.DataDir) *hostkey.Hasher { return hostkey.NewHasher(d.Secrets.HostnameHash) }

func otherHost(i int) hostkey.Host {
	return hostkey.Host(fmt.Sprintf("%08x.project%d.pages.localhost", uint32(i)*2654435761, i%10_000))
}

// builder adds deployments to an open data directory.
type builder struct {
	Config
	kind   string
	data   *store.DataDir
	blobs  *blob.Dir
	random *rand.ChaCha8
	seed   [32]byte
}

// addSites adds a project with deployments of a kind: Rounds for the steps and as many for HTTP, and those that fill the cache
// before. Of their files only the index page's
// bytes are there, since no other is asked for.
func (c Config) addSites(ctx context.Context, kind string) (sites []site, err error) {
	data, err := store.OpenDataDir(c.Data, store.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	blobs, err := blob.OpenDir(filepath.Join(c.Data, "blobs"), blob.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	b := &builder{Config: c, kind: kind, data: data, blobs: blobs}
	b.seed = manifest.DigestOf(fmt.Appendf(nil, "%s %d %d", kind, c.Seed, time.Now().UnixNano()))
	b.random = rand.NewChaCha8(b.seed)
	project := store.Project{Account: 1, Name: "cold-" + kind + "-" + hex.EncodeToString(b.seed[:4]), ProductionBranch: "main", State: store.ProjectActive, Created: time.Now()}
	_, err = data.Store.Update(ctx, func(tx *store.Tx) (err error) {
		if project.No, err = tx.NextProject(); err != nil {
			return err
		}
		return tx.PutProject(project)
	})
	for range 2 * (filled + c.Rounds) {
		if err != nil {
			return nil, err
		}
		var s site
		s, err = b.add(ctx, project)
		sites = append(sites, s)
	}
	if err != nil {
		return nil, err
	}
	return sites, data.Store.Compact(ctx)
}

func (b *builder) add(ctx context.Context, p store.Project) (s site, err error) {
	d := store.Deployment{Project: p.No, Environment: store.Preview, Status: store.StatusSuccess, Created: time.Now(), Branch: "b", Files: uint32(b.Files)}
	b.fill(d.UUID[:])
	raw, err := b.listing()
	if err != nil {
		return s, err
	}
	if d.Manifest, err = b.put(raw); err != nil {
		return s, err
	}
	var coded store.FileRef
	if b.kind != kindPlain {
		if coded, d.Hints, err = b.codings(); err != nil {
			return s, err
		}
	}
	if b.kind == kindRules {
		if d.Redirects, err = b.put([]byte(redirects(2100))); err == nil {
			d.Headers, err = b.put([]byte(headers(100)))
		}
		if err != nil {
			return s, err
		}
	}
	s.host = hostkey.Host(hex.EncodeToString(d.UUID[:4]) + "." + p.Name + "." + b.Domain)
	_, err = b.data.Store.Update(ctx, func(tx *store.Tx) (err error) {
		if d.No, err = tx.NextDeployment(); err != nil {
			return err
		}
		s.no = d.No
		err = errors.Join(tx.PutDeployment(d, nil), tx.SetRoute(hasherOf(b.data).Key(s.host),
			store.Route{Kind: store.RouteSite, Class: store.ClassDeployment, Flags: store.FlagNoIndex, Project: p.No, Deployment: d.No}))
		if coded != (store.FileRef{}) {
			err = errors.Join(err, tx.SetVariants(d.No, coded))
		}
		return err
	})
	return s, err
}

func (b *builder) fill(p []byte) { _, _ = b.random.Read(p) } // never fails

func (b *builder) put(p []byte) (store.FileRef, error) {
	g, n, err := b.blobs.Put(bytes.NewReader(p))
	return store.FileRef{Digest: g, Size: n}, err
}

func (b *builder) listing() ([]byte, error) {
	page := make([]byte, 4<<10)
	b.fill(page)
	index, err := b.put(page)
	if err != nil {
		return nil, err
	}
	entries := make([]manifest.Entry, b.Files)
	for i := range entries {
		e := &entries[i]
		e.Path, e.Size = fmt.Sprintf("/assets/section-%d/page-%d.%s", i%100, i, [...]string{"html", "js", "css", "png"}[i%4]), 4096
		b.fill(e.Digest[:])
		b.fill(e.Key[:])
	}
	entries[0].Path, entries[0].Digest, entries[0].Size = "/index.html", index.Digest, index.Size
	return manifest.Encode(entries)
}

// codings are listings for entries of which three in four can be coded and one is a document.
func (b *builder) codings() (coded, early store.FileRef, err error) {
	var vs []variants.Variant
	var hs []hints.Hint
	for i := range b.Files {
		if i%4 == 3 {
			continue
		}
		for _, e := range []httpsem.Encoding{httpsem.Gzip, httpsem.Zstd, httpsem.Brotli} {
			v := variants.Variant{Entry: i, Encoding: e, Size: 1000}
			b.fill(v.Blob[:])
			vs = append(vs, v)
		}
		if i%4 == 0 {
			hs = append(hs, hints.Hint{Entry: i, Link: fmt.Sprintf("</assets/%d.css>; rel=preload; as=style", i%100)})
		}
	}
	raw, err := variants.Encode(b.Files, vs)
	if err != nil {
		return coded, early, err
	}
	if coded, err = b.put(raw); err != nil {
		return coded, early, err
	}
	if raw, err = hints.Encode(b.Files, hs); err != nil {
		return coded, early, err
	}
	early, err = b.put(raw)
	return coded, early, err
}

// redirects is a file of n rules, one in 21 dynamic.
func redirects(n int) string {
	var static, dynamic strings.Builder
	for i := range n {
		if i%21 == 0 {
			fmt.Fprintf(&dynamic, "/old%d/:year/* /new/:year/:splat 301\n", i)
			continue
		}
		fmt.Fprintf(&static, "/blog/2024/%d/some-article /articles/%d 301\n", i, i)
	}
	return static.String() + dynamic.String()
}

func headers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "/assets/section-%d/*\n  Cache-Control: public, max-age=31556952\n  X-Section: %d :splat\n", i, i)
	}
	return b.String()
}
