package migration

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"berth/migrate/dualwrite"
	"berth/router/hostkey"
	"berth/router/legacy"
	"berth/store"
)

const domain = "pages.example.com"

// made is when all of a corpus was made.
var made = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// parts says what is stored of a corpus.
type parts struct {
	records bool // projects and deployments
	tables  bool
	index   bool // of the hosts in the tables
	routes  bool
}

// corpus is a set of projects with their deployments. Nothing of it is kept in memory: each deployment follows from its number and
// the seed.
type corpus struct {
	seed  uint64
	sizes []int // deployments of each project
	first []int // number of each project's first deployment, from 0
	total int
}

func newCorpus(seed uint64, sizes []int) *corpus {
	c := &corpus{seed: seed, sizes: sizes}
	for _, n := range sizes {
		c.first = append(c.first, c.total)
		c.total += n
	}
	return c
}

// zipfSizes shares out deployments among projects: a few have very many, most have few, and none more than 50,000. Sizes are in no
// order.
func zipfSizes(seed uint64, projects, total int) []int {
	const most = 50_000
	projects = max(min(projects, total), (total+most-1)/most)
	sum := 0.0
	for i := range projects {
		sum += 1 / math.Pow(float64(i+1), 0.9)
	}
	sizes, left := make([]int, projects), total
	for i := range sizes {
		n := int(float64(total) / math.Pow(float64(i+1), 0.9) / sum)
		sizes[i] = max(1, min(n, most, left-(projects-1-i)))
		left -= sizes[i]
	}
	for i := 0; left > 0; i = (i + 1) % projects { // what rounding and the bound left over
		n := min(left, most-sizes[i], max(1, sizes[i]/4))
		sizes[i] += n
		left -= n
	}
	rand.New(rand.NewPCG(seed, 5)).Shuffle(projects, func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	return sizes
}

func projectName(p int) string { return fmt.Sprintf("project-%d", p+1) }

// uuid is random (version 4) as the old design's were: its digits are what a compressor cannot save.
func (c *corpus) uuid(p, i int) (id store.UUID) {
	r := rand.New(rand.NewPCG(c.seed, uint64(c.first[p]+i)))
	binary.LittleEndian.PutUint64(id[:], r.Uint64())
	binary.LittleEndian.PutUint64(id[8:], r.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	binary.BigEndian.PutUint32(id[:], scatter(uint32(i)+uint32(c.seed)+uint32(p)*0x9e3779b9))
	return id
}

// scatter maps each number to another one, no two to the same: no two deployments of a project have the same label, as a server sees to.
func scatter(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x85ebca6b
	x ^= x >> 13
	x *= 0xc2b2ae35
	return x ^ x>>16
}

// host is the i-th deployment's own host, the newest first.
func (c *corpus) host(p, i int) hostkey.Host {
	id := c.uuid(p, i)
	return hostkey.Host(hex.EncodeToString(id[:4]) + "." + projectName(p) + "." + domain)
}

func (c *corpus) hasher() *hostkey.Hasher { return hostkey.NewHasher(hostkey.Secret{byte(c.seed), 1}) }

// filters are the entries of a project's table.
func (c *corpus) filters(p int) []legacy.Filter {
	fs := make([]legacy.Filter, c.sizes[p])
	for i := range fs {
		id := c.uuid(p, i)
		fs[i] = legacy.Filter{Pattern: legacy.Pattern(c.host(p, i)), ScriptHash: legacy.ScriptHash(id)}
	}
	return fs
}

// fill stores a corpus, so many deployments to a batch.
func (c *corpus) fill(ctx context.Context, s *store.Store, what parts) error {
	const batch = 20_000
	f := filler{corpus: c, what: what, hasher: c.hasher()}
	for p := 0; p < len(c.sizes); {
		if _, err := s.Update(ctx, func(tx *store.Tx) error {
			for n := 0; n < batch && p < len(c.sizes); p++ {
				if err := f.project(tx, p); err != nil {
					return err
				}
				n += c.sizes[p]
			}
			return nil
		}); err != nil {
			return fmt.Errorf("fill the corpus: %w", err)
		}
	}
	return nil
}

// bulk puts projects and deployments into a new store, and nothing else, as fill does in ten times as long.
func (c *corpus) bulk(ctx context.Context, s *store.Store) error {
	f := filler{corpus: c, what: parts{records: true}}
	_, err := s.Bulk(ctx, func(yield func(store.BulkDeployment, error) bool) {
		for p := range c.sizes {
			for i := c.sizes[p] - 1; i >= 0; i-- {
				if !yield(store.BulkDeployment{Deployment: f.record(p, i)}, nil) {
					return
				}
			}
		}
	}, func(tx *store.Tx) error {
		for p := range c.sizes {
			if err := f.projectRecord(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fill the corpus: %w", err)
	}
	return nil
}

type filler struct {
	*corpus
	what   parts
	hasher *hostkey.Hasher
}

func (f *filler) project(tx *store.Tx, p int) error {
	if f.what.records {
		if err := f.projectRecord(tx, p); err != nil {
			return err
		}
	}
	for i := range f.sizes[p] {
		if err := f.deployment(tx, p, i); err != nil {
			return err
		}
	}
	if !f.what.tables {
		return nil
	}
	return f.table(tx, p)
}

func (f *filler) projectRecord(tx *store.Tx, p int) error {
	no := store.ProjectNo(p + 1)
	got, err := tx.NextProject()
	if err != nil || got != no {
		return errors.Join(err, fmt.Errorf("project %d got number %d", p, got))
	}
	return tx.PutProject(store.Project{No: no, Account: 1, Name: projectName(p), ProductionBranch: "main", State: store.ProjectActive, Created: made})
}

func (f *filler) record(p, i int) store.Deployment {
	return store.Deployment{No: store.DeploymentNo(f.first[p] + i + 1), Project: store.ProjectNo(p + 1), UUID: f.uuid(p, i), Environment: store.Preview,
		Status: store.StatusSuccess, Branch: "b", Created: made}
}

func (f *filler) deployment(tx *store.Tx, p, i int) error {
	no := store.DeploymentNo(f.first[p] + i + 1)
	if f.what.records {
		got, err := tx.NextDeployment()
		if err != nil || got != no {
			return errors.Join(err, fmt.Errorf("deployment %d got number %d", no, got))
		}
		if err := tx.PutDeployment(f.record(p, i), nil); err != nil {
			return err
		}
	}
	if !f.what.routes {
		return nil
	}
	return tx.SetRoute(f.hasher.Key(f.host(p, i)), store.Route{
		Kind: store.RouteSite, Class: store.ClassDeployment, Flags: store.FlagNoIndex, Project: store.ProjectNo(p + 1), Deployment: no,
	})
}

// table stores a table in pieces, as an import does.
func (f *filler) table(tx *store.Tx, p int) error {
	fs, no := f.filters(p), dualwrite.Imported
	for at := 0; at < len(fs); at, no = at+dualwrite.MaxFilters, no+1 {
		piece := fs[at:min(at+dualwrite.MaxFilters, len(fs))]
		if err := tx.PutTableChunk(store.TableChunk{Project: store.ProjectNo(p + 1), No: no, JSON: legacy.AppendChunk(nil, piece)}); err != nil {
			return err
		}
		for i := range piece {
			if !f.what.index {
				break
			}
			if err := tx.SetTableHost(store.ProjectNo(p+1), string(f.host(p, at+i)), no); err != nil {
				return err
			}
		}
	}
	return nil
}

// withStore runs fn on a new database on disk, which is deleted afterwards.
func withStore(o store.Options, fn func(s *store.Store, dir string) error) (err error) {
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := store.Open(dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return fn(s, dir)
}
