package router

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"berth/bench"
	"berth/bench/corpus"
	"berth/router/hashed"
	"berth/router/hostkey"
	"berth/store"
	"berth/store/control"
)

// GrowthConfig measures what people and upkeep do, by the number of deployments: with projects of at most 1,400, and, on the other side,
// all of them in one project. What is done to one thing should cost the same among any number of them, and what goes through all
// of them the same for each.
type GrowthConfig struct {
	Deployments []int  // default 1,000, 10,000, 100,000, 1,000,000
	One         []int  // of them in one project, default 1,000, 10,000, 50,000, 200,000
	Dir         string // where corpora are kept
	Rounds      int    // default 15 of each operation on one thing
	Seed        uint64
}

// operations, in the order that they are done.
const (
	opLookup   = "look-up in the store"
	opDeploy   = "deploy"
	opFirst    = "list, first page"
	opLast     = "list, last page by number"
	opWalk     = "list all by cursor, for each"
	opProjects = "list projects, last page by number, for each"
	opRemove   = "delete one"
	opSweep    = "sweep, for each"
	opFsck     = "fsck, for each"
	opDrop     = "delete the project, for each"
)

// perPage is what the listings are asked for.
const perPage = 100

// GrowthReport is the result.
type GrowthReport struct {
	Many, One []*GrowthSize
}

// GrowthSize is that of one size: nanoseconds by operation, of the wall and, of all processors, of this process.
type GrowthSize struct {
	Deployments, Projects int
	Took, Spent           map[string]bench.Sample
}

// Growth runs the workload.
func Growth(ctx context.Context, c GrowthConfig) (_ *GrowthReport, err error) {
	if len(c.Deployments) == 0 {
		c.Deployments = []int{1_000, 10_000, 100_000, 1_000_000}
	}
	if len(c.One) == 0 {
		c.One = []int{1_000, 10_000, 50_000, 200_000}
	}
	if c.Rounds == 0 {
		c.Rounds = 15
	}
	dir, done, err := workDir(c.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	rep := &GrowthReport{}
	for _, side := range []struct {
		sizes []int
		one   bool
		into  *[]*GrowthSize
	}{{c.Deployments, false, &rep.Many}, {c.One, true, &rep.One}} {
		for _, n := range side.sizes {
			cc, at := corpus.Config{Deployments: n, Seed: c.Seed}, corpusDir(dir, n)
			if side.one {
				cc.Projects, at = 1, at+"-one"
			}
			size, err := c.size(ctx, cc, at, filepath.Join(dir, "growth"))
			if err != nil {
				return nil, fmt.Errorf("growth at %d deployments: %w", n, err)
			}
			*side.into = append(*side.into, size)
		}
	}
	return rep, nil
}

// growthRun is one size under measurement.
type growthRun struct {
	GrowthConfig
	*GrowthSize
	*world
	api *api
	rng *rand.Rand
}

func (c GrowthConfig) size(ctx context.Context, cc corpus.Config, at, scratch string) (_ *GrowthSize, err error) {
	made, err := corpus.OpenOrBuild(ctx, at, cc)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if made, err = clone(made, scratch); err != nil {
		return nil, err
	}
	r := &growthRun{GrowthConfig: c, GrowthSize: &GrowthSize{made.Deployments, made.Projects, map[string]bench.Sample{}, map[string]bench.Sample{}}, rng: rand.New(rand.NewPCG(c.Seed, 51))}
	if r.world, err = openWorld(made, store.Options{}, hashed.Options{}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.world.close()) }()
	if r.api, err = r.world.openAPI(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.api.close()) }()
	if err := errors.Join(r.settle(ctx), readPages(made.Dir)); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{r.lookups, r.deploys, r.lists, r.removals, r.upkeep, r.drop} {
		if err := errors.Join(step(ctx), ctx.Err()); err != nil {
			return nil, err
		}
	}
	return r.GrowthSize, nil
}

// do measures an operation, on so many things.
func (r *growthRun) do(op string, things int, fn func() error) error {
	began := time.Now()
	before, err := bench.ProcessTime()
	if err != nil {
		return err
	}
	if err := fn(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	after, err := bench.ProcessTime()
	took := float64(time.Since(began).Nanoseconds()) / float64(max(things, 1))
	r.Took[op] = append(r.Took[op], took)
	r.Spent[op] = append(r.Spent[op], float64((after-before).Nanoseconds())/float64(max(things, 1)))
	return err
}

// some is the name of a project.
func (r *growthRun) some() string { return r.ProjectName(r.rng.IntN(r.GrowthSize.Projects)) }

func (r *growthRun) lookups(context.Context) error {
	for range r.Rounds {
		keys := make([]hostkey.Key, 1000)
		for i := range keys {
			keys[i] = r.hasher.Key(r.Host(r.rng.IntN(r.world.Deployments)))
		}
		err := r.do(opLookup, len(keys), func() error {
			for _, k := range keys {
				if _, err := r.data.Store.LookupRoute(k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *growthRun) deploys(context.Context) error {
	for round := range r.Rounds + 1 {
		project := r.some()
		contentType, form, err := r.api.prepare(project, fmt.Sprintf("<title>%d</title>", round))
		if err != nil {
			return err
		}
		deploy := func() error {
			_, err := r.api.deploy(project, contentType, form)
			return err
		}
		if round == 0 { // warms up
			err = deploy()
		} else {
			err = r.do(opDeploy, 1, deploy)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *growthRun) lists(context.Context) error {
	each := r.world.Deployments / r.GrowthSize.Projects
	page := func(op, path string, number, things int) error {
		return r.do(op, things, func() error {
			_, err := r.api.call("GET", fmt.Sprintf("%s?per_page=%d&page=%d", path, perPage, number), "", nil, nil)
			return err
		})
	}
	for range r.Rounds {
		deployments, projects := account+r.some()+"/deployments", account[:len(account)-1]
		err := errors.Join(page(opFirst, deployments, 1, 1), page(opLast, deployments, max(each/perPage, 1), 1),
			page(opProjects, projects, max(r.GrowthSize.Projects/perPage, 1), min(r.GrowthSize.Projects, perPage)))
		if err != nil {
			return err
		}
	}
	// A deletion has not changed the number of them yet; those that were deployed meanwhile are few.
	return r.do(opWalk, each, func() error { return r.walk(account + r.some() + "/deployments") })
}

// walk lists a whole project.
func (r *growthRun) walk(path string) error {
	for cursor := ""; ; {
		next, err := r.api.call("GET", fmt.Sprintf("%s?per_page=%d&cursor=%s", path, perPage, cursor), "", nil, nil)
		if err != nil || next == "" {
			return err
		}
		cursor = next
	}
}

// removals delete deployments of the corpus that nothing points to.
func (r *growthRun) removals(context.Context) error {
	for range r.Rounds {
		i := r.rng.IntN(r.world.Deployments)
		path := account + r.ProjectName(r.ProjectOf(i)) + "/deployments/" + r.UUID(i).String()
		if _, err := r.api.call("GET", path, "", nil, nil); err != nil {
			continue // it was deleted before
		}
		if err := r.do(opRemove, 1, func() error { _, err := r.api.call("DELETE", path+"?force=true", "", nil, nil); return err }); err != nil {
			return err
		}
	}
	return nil
}

func (r *growthRun) upkeep(ctx context.Context) error {
	err := r.do(opSweep, r.world.Deployments, func() error {
		_, err := r.api.service.Sweep(ctx, control.SweepOptions{Grace: time.Hour})
		return err
	})
	if err != nil {
		return err
	}
	return r.do(opFsck, r.world.Deployments, func() error {
		report, err := r.api.service.Fsck(ctx, control.FsckOptions{SkipContent: true}, func(control.Problem) {})
		if err == nil && report.Problems > 0 {
			err = fmt.Errorf("it finds %d problems", report.Problems)
		}
		return err
	})
}

// drop deletes a whole project, the last thing that is done.
func (r *growthRun) drop(context.Context) error {
	return r.do(opDrop, r.world.Deployments/r.GrowthSize.Projects, func() error {
		_, err := r.api.call("DELETE", account+r.ProjectName(0), "", nil, nil)
		return err
	})
}
