package migration

import (
	"context"
	"fmt"
	"iter"

	"berth/migrate"
	"berth/router/hostkey"
	"berth/store"
)

const finishBatch = 256 // tables that one Update deletes; of smaller things sixteen times as many

// clear deletes what the migration leaves behind, and measures.
func (s *Service) clear(ctx context.Context) error {
	f, err := s.finished(&s.deps.Store.Reader)
	if err != nil || f == nil || !f.Ended.IsZero() || s.machine.State().Phase != migrate.Retired {
		return err
	}
	if f.Before == (store.DiskUsage{}) {
		if f.Before, err = s.measure(ctx); err != nil {
			return err
		}
		if err := s.putFinished(ctx, f); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context, *Finished) error{s.clearTables, s.clearPipelines, s.clearOld, s.clearDocuments} {
		if err := step(ctx, f); err != nil {
			return err
		}
	}
	if f.After, err = s.measure(ctx); err != nil {
		return err
	}
	f.Ended = s.deps.Now().UTC()
	return s.putFinished(ctx, f)
}

// measure compacts first: what was deleted takes room until then.
func (s *Service) measure(ctx context.Context) (store.DiskUsage, error) {
	if err := s.deps.Store.Compact(ctx); err != nil {
		return store.DiskUsage{}, err
	}
	return s.deps.Store.DiskUsage()
}

func (s *Service) clearTables(ctx context.Context, f *Finished) error {
	for {
		projects, err := s.firstTables(finishBatch)
		if err != nil || len(projects) == 0 {
			return err
		}
		if _, err := s.deps.Store.UpdateFreeing(ctx, func(tx *store.Tx) error {
			for _, p := range projects {
				if err := tx.DeleteTable(p); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("delete tables: %w", err)
		}
		f.Deleted += len(projects)
		if err := s.putFinished(ctx, f); err != nil {
			return err
		}
	}
}

// firstTables lists the first few projects that have a table. It looks at one piece of each.
func (s *Service) firstTables(most int) (ps []store.ProjectNo, err error) {
	next := store.ProjectNo(0)
	for len(ps) < most {
		at := next
		for c, err := range s.deps.Store.AllTableChunks(next, 0) {
			if err != nil {
				return nil, err
			}
			ps, next = append(ps, c.Project), c.Project+1
			break
		}
		if next == at || next == 0 {
			break
		}
	}
	return ps, nil
}

func (s *Service) clearPipelines(ctx context.Context, _ *Finished) error {
	for {
		var some []string
		for name, err := range s.deps.Store.Pipelines("") {
			if err != nil {
				return err
			}
			if some = append(some, name); len(some) == 16*finishBatch {
				break
			}
		}
		if _, err := s.deps.Store.UpdateFreeing(ctx, func(tx *store.Tx) error {
			for _, name := range some {
				if err := tx.DeletePipeline(name); err != nil {
					return err
				}
			}
			if len(some) > 0 {
				return nil
			}
			return tx.DeletePipelines() // what is left of deployments that were deleted before their names
		}); err != nil {
			return fmt.Errorf("delete the old names of deployments: %w", err)
		}
		if len(some) == 0 {
			return nil
		}
	}
}

// clearDocuments leaves the state, the log and what the report shows.
func (s *Service) clearDocuments(ctx context.Context, _ *Finished) error {
	_, err := s.deps.Store.UpdateFreeing(ctx, func(tx *store.Tx) error {
		for _, prefix := range []string{"import/", "stay/", "retry/"} {
			if err := tx.DeleteDocuments(prefix); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// clearOld deletes route records of earlier epochs, which count as absent and would stay for ever.
func (s *Service) clearOld(ctx context.Context, f *Finished) error {
	snap := s.deps.Store.Snapshot()
	defer snap.Close()
	if err := s.clearOldOf(ctx, f, snap.AllRoutes(), (*store.Tx).Route, (*store.Tx).DeleteRoute); err != nil {
		return fmt.Errorf("delete route records of earlier epochs: %w", err)
	}
	if err := s.clearOldOf(ctx, f, snap.AllWildcards(), (*store.Tx).Wildcard, (*store.Tx).DeleteWildcard); err != nil {
		return fmt.Errorf("delete wildcard records of earlier epochs: %w", err)
	}
	return nil
}

func (s *Service) clearOldOf(ctx context.Context, f *Finished, all iter.Seq2[hostkey.Key, store.RouteOrErr],
	read func(*store.Tx, hostkey.Key) (store.Route, error), drop func(*store.Tx, hostkey.Key) error) error {
	var old []hostkey.Key
	flush := func() error {
		_, err := s.deps.Store.UpdateFreeing(ctx, func(tx *store.Tx) error {
			for _, k := range old {
				// Whoever wrote such a host meanwhile wrote a record of this epoch, which stays.
				if r, err := read(tx, k); err != nil || r.Epoch == tx.Epoch() {
					continue
				}
				if err := drop(tx, k); err != nil {
					return err
				}
			}
			return nil
		})
		f.Old += len(old)
		old = old[:0]
		return err
	}
	for k, r := range all {
		if r.Err != nil || r.Route.Epoch == s.deps.Store.Epoch() {
			continue // what cannot be read is for fsck to tell
		}
		if old = append(old, k); len(old) == 16*finishBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(old) == 0 {
		return nil
	}
	return flush()
}
