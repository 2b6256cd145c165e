package corpus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"berth/router/hostkey"
	"berth/store"
)

// made is when all of a corpus was made.
var made = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const branch = "main"

// Build makes a data directory in dir, which must be empty or not there. It is complete only when Build has returned. 14,000,000
// deployments of one site take about two minutes of processor time, 1.5 GiB of memory and 3 GiB of disk.
func Build(ctx context.Context, dir string, c Config) (*Corpus, error) {
	if err := c.prepare(); err != nil {
		return nil, err
	}
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return nil, fmt.Errorf("corpus: %s is not empty", dir)
	}
	corpus := &Corpus{Config: c, Dir: dir}
	if err := corpus.build(ctx); err != nil {
		return nil, fmt.Errorf("corpus: build: %w", err)
	}
	return corpus, nil
}

// OpenOrBuild opens what an earlier Build of the same Config made, or makes it.
func OpenOrBuild(ctx context.Context, dir string, c Config) (*Corpus, error) {
	if err := c.prepare(); err != nil {
		return nil, err
	}
	there, err := Open(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Build(ctx, dir, c)
	case err == nil && there.Config != c:
		return nil, fmt.Errorf("corpus: %s is another one: %+v", dir, there.Config)
	}
	return there, err
}

func (c *Corpus) build(ctx context.Context) (err error) {
	data, err := store.OpenDataDirContext(ctx, c.Dir, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	b := &builder{Corpus: c, hasher: hostkey.NewHasher(data.Secrets.HostnameHash)}
	if err := b.writeSites(ctx); err != nil {
		return err
	}
	if _, err := data.Store.Update(ctx, b.account); err != nil {
		return err
	}
	if _, err := data.Store.Bulk(ctx, b.deployments(), b.projects); err != nil {
		return err
	}
	text, err := json.Marshal(c.Config)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.Dir, description), append(text, '\n'), 0o600)
}

type builder struct {
	*Corpus
	hasher *hostkey.Hasher
	sites  []site
	owner  store.AccountNo
}

// account is the one that a first start makes; the token of its administrator is made by the first start that follows.
func (b *builder) account(tx *store.Tx) (err error) {
	if b.owner, err = tx.NextAccount(); err != nil {
		return err
	}
	return errors.Join(tx.PutAccount(store.Account{No: b.owner, ID: "default", Name: "Default", Created: made}), tx.SetBaseDomain(b.Domain))
}

// deployments yields them as store.Bulk wants them.
func (b *builder) deployments() iter.Seq2[store.BulkDeployment, error] {
	return func(yield func(store.BulkDeployment, error) bool) {
		for p := range b.Projects {
			for i := b.first(p+1) - 1; i >= b.first(p); i-- {
				if !yield(b.deployment(p, i), nil) {
					return
				}
			}
		}
	}
}

func (b *builder) deployment(p, i int) store.BulkDeployment {
	project, no, s := store.ProjectNo(p+1), store.DeploymentNo(i+1), b.sites[i%len(b.sites)]
	id := b.UUID(i)
	return store.BulkDeployment{
		Deployment: store.Deployment{
			No: no, Project: project, UUID: id, Environment: store.Production, Status: store.StatusSuccess, Created: made, Branch: branch,
			CommitHash: fmt.Sprintf("%x%x", id[:], id[4:8]), CommitMessage: "Change number " + fmt.Sprint(i), Manifest: s.manifest, Files: uint32(b.Files), Bytes: s.bytes,
		},
		Host:  b.hasher.Key(b.Host(i)),
		Route: store.Route{Kind: store.RouteSite, Class: store.ClassDeployment, Flags: store.FlagNoIndex, Project: project, Deployment: no},
	}
}

// projects is the commit that makes the corpus visible.
func (b *builder) projects(tx *store.Tx) error {
	for p := range b.Projects {
		if err := b.project(tx, p); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) project(tx *store.Tx, p int) error {
	no, err := tx.NextProject()
	if err != nil || no != store.ProjectNo(p+1) {
		return errors.Join(err, fmt.Errorf("project %d got number %d", p, no))
	}
	newest := store.DeploymentNo(b.first(p + 1))
	production := store.Route{Kind: store.RouteSite, Class: store.ClassProduction, Project: no, Deployment: newest}
	alias := production
	alias.Class, alias.Flags = store.ClassBranch, store.FlagNoIndex
	return errors.Join(
		tx.PutProject(store.Project{No: no, Account: b.owner, UUID: b.UUID(-1 - p), Name: b.ProjectName(p), ProductionBranch: branch,
			State: store.ProjectActive, Created: made, Modified: made, Live: newest, Latest: newest}),
		tx.PutBranch(store.Branch{Project: no, Name: branch, Latest: newest, Exact: branch}),
		tx.SetRoute(b.hasher.Key(b.Production(p)), production),
		tx.SetRoute(b.hasher.Key(b.host(branch, p)), alias),
	)
}
