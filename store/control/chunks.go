package control

import (
	"context"
	"errors"
	"iter"

	"berth/store"
)

const sweepChunk = 500 // records of one Update

// inChunks walks all, gathers what want picks, and hands each of those to drop inside an Update of at most sweepChunk.
func inChunks[T any](ctx context.Context, st *store.Store, all iter.Seq2[T, error], want func(T) (bool, error), drop func(*store.Tx, T) error) error {
	var chunk []T
	flush := func() error {
		_, err := st.UpdateFreeing(ctx, func(tx *store.Tx) error {
			var faults error
			for _, v := range chunk {
				faults = errors.Join(faults, drop(tx, v))
			}
			return faults
		})
		chunk = chunk[:0]
		return err
	}
	for v, err := range all {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		picked, err := want(v)
		if err != nil {
			return err
		}
		if !picked {
			continue
		}
		if chunk = append(chunk, v); len(chunk) == sweepChunk {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(chunk) == 0 {
		return nil
	}
	return flush()
}
