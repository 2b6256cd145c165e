package sites

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/control"
)

// deploymentsOfFiller is how many deployments a project without files of its own has: each has a host.
const (
	deploymentsOfFiller = 100
	hostsOfFiller       = deploymentsOfFiller + 2 // production, and the branch's alias
)

// batch is how many deployments are made durable together.
const batch = 5000

// WriteData makes a data directory. It returns how many hosts it has, at least those of the Config.
func (c Config) WriteData(ctx context.Context, dir string) (hosts int, err error) {
	if err := c.Check(); err != nil {
		return 0, err
	}
	w, err := c.open(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for from := 0; from < c.Sites; from += batch {
		if err := w.sites(ctx, from, min(from+batch, c.Sites)); err != nil {
			return 0, err
		}
	}
	for filler := 0; w.hosts < c.Hosts; {
		if _, err := w.store.Update(ctx, func(tx *store.Tx) error {
			for range batch / deploymentsOfFiller {
				if err := w.filler(tx, filler); err != nil {
					return err
				}
				if filler++; w.hosts >= c.Hosts {
					return nil
				}
			}
			return nil
		}); err != nil {
			return 0, fmt.Errorf("write the other hosts: %w", err)
		}
	}
	return w.hosts, w.store.Compact(ctx)
}

type writer struct {
	Config
	data    *store.DataDir
	store   *store.Store
	blobs   *blob.Dir
	hasher  *hostkey.Hasher
	account store.AccountNo
	made    time.Time
	hosts   int
	shared  store.FileRef // the manifest of all deployments without files of their own
}

func (c Config) open(ctx context.Context, dir string) (w *writer, err error) {
	w = &writer{Config: c, made: time.Now().UTC().Truncate(time.Second)}
	if w.data, err = store.OpenDataDirContext(ctx, dir, store.Options{MemTableBytes: 64 << 20}); err != nil {
		return nil, err
	}
	w.store = w.data.Store
	if err := w.prepare(ctx, dir); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// prepare makes what the first start of a server makes.
func (w *writer) prepare(ctx context.Context, dir string) (err error) {
	if w.blobs, err = blob.OpenDir(filepath.Join(dir, "blobs"), blob.Options{}); err != nil {
		return err
	}
	w.hasher = hostkey.NewHasher(w.data.Secrets.HostnameHash)
	s, err := control.New(control.Deps{Store: w.store, Blobs: w.blobs, Hasher: w.hasher, SealingKey: w.data.Secrets.Sealing, UploadKey: w.data.Secrets.UploadToken},
		control.Options{Domain: Domain, DataDir: dir})
	if err != nil {
		return err
	}
	if err := s.Bootstrap(ctx); err != nil {
		return err
	}
	a, err := w.store.AccountByID(control.DefaultAccount)
	w.account = a.No
	return err
}

func (w *writer) close() error {
	var err error
	if w.blobs != nil {
		err = w.blobs.Close()
	}
	return errors.Join(err, w.data.Close())
}

// sites makes those of the numbers from from to below to.
func (w *writer) sites(ctx context.Context, from, to int) error {
	b := w.blobs.NewBatch()
	defer b.Abort()
	listings := make([]listing, to-from)
	for i := range listings {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if listings[i], err = w.files(b, from+i); err != nil {
			return fmt.Errorf("write the files of site %d: %w", from+i, err)
		}
	}
	if err := b.Commit(); err != nil {
		return fmt.Errorf("write the sites' files: %w", err)
	}
	w.shared = listings[len(listings)-1].manifest
	_, err := w.store.Update(ctx, func(tx *store.Tx) error {
		for i, l := range listings {
			p := store.Project{Name: project(from + i), UUID: w.uuid(1, from+i)}
			if err := w.project(tx, p, []store.Deployment{w.deployment(w.uuid(2, from+i), l)}); err != nil {
				return fmt.Errorf("write site %d: %w", from+i, err)
			}
		}
		return nil
	})
	return err
}

// listing is what a deployment's record says of its files.
type listing struct {
	manifest store.FileRef
	files    int
	bytes    int
}

func (w *writer) files(b *blob.Batch, site int) (l listing, err error) {
	var entries []manifest.Entry
	for _, f := range w.FilesOf(site) {
		content := w.Content(site, f)
		ref, err := add(b, content)
		if err != nil {
			return l, err
		}
		entries = append(entries, manifest.Entry{Path: f.Name, Digest: ref.Digest, Key: manifest.AssetKeyOf(content, manifest.Extension(f.Name)), Size: ref.Size})
		l.files, l.bytes = l.files+1, l.bytes+f.Size
	}
	encoded, err := manifest.Encode(entries)
	if err != nil {
		return l, err
	}
	l.manifest, err = add(b, encoded)
	return l, err
}

func add(b *blob.Batch, content []byte) (store.FileRef, error) {
	w, err := b.Create()
	if err != nil {
		return store.FileRef{}, err
	}
	if _, err := w.Write(content); err != nil {
		w.Abort()
		return store.FileRef{}, err
	}
	d, size, err := w.Finish()
	return store.FileRef{Digest: d, Size: size}, err
}

func (w *writer) deployment(id store.UUID, l listing) store.Deployment {
	return store.Deployment{UUID: id, Environment: store.Production, Status: store.StatusSuccess, Branch: "main", Created: w.made,
		Manifest: l.manifest, Files: uint32(l.files), Bytes: uint64(l.bytes)}
}

// filler makes a project of many deployments. They are of one branch, as if by a commit each.
func (w *writer) filler(tx *store.Tx, i int) error {
	ds := make([]store.Deployment, deploymentsOfFiller)
	for k := range ds {
		ds[k] = w.deployment(w.uuid(kindOther, i*deploymentsOfFiller+k), listing{w.shared, 1, Small().Size})
	}
	if err := w.project(tx, store.Project{Name: otherProject(i), UUID: w.uuid(3, i)}, ds); err != nil {
		return fmt.Errorf("project %d: %w", i, err)
	}
	return nil
}

// project makes a project with its deployments, the last of which is in production.
func (w *writer) project(tx *store.Tx, p store.Project, ds []store.Deployment) (err error) {
	if p.No, err = tx.NextProject(); err != nil {
		return err
	}
	p.Account, p.ProductionBranch, p.State, p.Created, p.Modified = w.account, "main", store.ProjectActive, w.made, w.made
	if err := tx.PutProject(p); err != nil { // its deployments are stored under it
		return err
	}
	for _, d := range ds {
		if d.No, err = tx.NextDeployment(); err != nil {
			return err
		}
		d.Project = p.No
		if err := tx.PutDeployment(d, nil); err != nil {
			return err
		}
		p.Latest, p.Live = d.No, d.No
		label := hex.EncodeToString(d.UUID[:4])
		if err := w.route(tx, label+"."+p.Name, store.Route{Class: store.ClassDeployment, Flags: store.FlagNoIndex, Project: p.No, Deployment: d.No}); err != nil {
			return err
		}
	}
	return errors.Join(tx.PutProject(p),
		tx.PutBranch(store.Branch{Project: p.No, Name: "main", Latest: p.Latest, Exact: "main"}),
		w.route(tx, "main."+p.Name, store.Route{Class: store.ClassBranch, Flags: store.FlagNoIndex, Project: p.No, Deployment: p.Latest}),
		w.route(tx, p.Name, store.Route{Class: store.ClassProduction, Project: p.No, Deployment: p.Live}))
}

func (w *writer) route(tx *store.Tx, labels string, r store.Route) error {
	r.Kind = store.RouteSite
	w.hosts++
	return tx.SetRoute(w.hasher.Key(hostkey.Host(labels+"."+Domain)), r)
}

// kindOther is the kind of the UUIDs of deployments without files of their own.
const kindOther = 4

func otherProject(i int) string { return fmt.Sprintf("other-%06d", i) }

// Others is how many hosts there are of deployments without files of their own; they all have the small file of the last site.
func (c Config) Others() int {
	projects := max(0, c.Hosts-hostsOfSite*c.Sites+hostsOfFiller-1) / hostsOfFiller
	return projects * deploymentsOfFiller
}

// OtherHost is one of them, from 0.
func (c Config) OtherHost(i int) string {
	id := c.uuid(kindOther, i)
	return hex.EncodeToString(id[:4]) + "." + otherProject(i/deploymentsOfFiller) + "." + Domain
}

// uuid is the i-th of a kind. Its first 32 bits, which become a label, are different for each i of a kind.
func (c Config) uuid(kind, i int) (id store.UUID) {
	r := rand.New(rand.NewPCG(c.Seed^uint64(kind)<<56, uint64(i)))
	binary.LittleEndian.PutUint64(id[8:], r.Uint64())
	binary.LittleEndian.PutUint32(id[4:], r.Uint32())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	binary.BigEndian.PutUint32(id[:], uint32(i+kind<<28)*0x9e3779b1) // odd: no two products are alike
	return id
}
