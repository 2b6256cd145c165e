package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"berth/router/hostkey"
)

// KeyedRoute is a route record with its host key.
type KeyedRoute struct {
	Key   hostkey.Key
	Route Route
}

// FillRoutes sets the route records of those host keys that have none of the store's epoch, and returns what the others have,
// in the order of the keys. It is CurrentRoute and SetRoute for many keys, each of them once, at the price of one
// iterator, which consults the filters of the last level: nearly all of what a backfill asks for is not there, and
// most of it is known to be absent without a look. It sorts routes.
func (tx *Tx) FillRoutes(routes []KeyedRoute) (kept []KeyedRoute, err error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	slices.SortFunc(routes, func(a, b KeyedRoute) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	for i := 1; i < len(routes); i++ {
		if routes[i].Key == routes[i-1].Key {
			return nil, invalid("host key %s twice in one FillRoutes", routes[i].Key)
		}
	}
	before, err := tx.routesBefore(routes)
	if err != nil {
		return nil, err
	}
	tx.expect(len(routes))
	for i := range routes {
		r := &routes[i]
		if before[i] != nil {
			old, err := decodeRoute(before[i])
			if err != nil {
				tx.src.noteCorrupt()
				return nil, corrupt(routeKey(tableRoute, r.Key), err)
			}
			if old.Epoch == tx.g.head.epoch {
				kept = append(kept, KeyedRoute{r.Key, old})
				continue
			}
		}
		if err := tx.fillRoute(r, before[i]); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// routesBefore returns the encoded records of sorted keys, nil for those that are absent.
func (tx *Tx) routesBefore(routes []KeyedRoute) (before [][]byte, err error) {
	before = make([][]byte, len(routes))
	known := tx.g.filter
	var it *pebble.Iterator
	key := make([]byte, 1+len(hostkey.Key{}))
	key[0] = tableRoute
	for i := range routes {
		tx.courtesy.one()
		if known != nil && !known.has(tableRoute, &routes[i].Key) {
			continue
		}
		if it == nil {
			it, err = tx.g.batch.NewIter(&pebble.IterOptions{LowerBound: []byte{tableRoute}, UpperBound: []byte{tableRoute + 1}, UseL6Filters: true})
			if err != nil {
				return nil, readError(key[:1], err)
			}
			defer func() { err = errors.Join(err, it.Close()) }()
		}
		copy(key[1:], routes[i].Key[:])
		if before[i], err = valueAt(it, key); err != nil {
			return nil, err
		}
	}
	return before, nil
}

// valueAt is nil if there is no such key.
func valueAt(it *pebble.Iterator, key []byte) ([]byte, error) {
	if !it.SeekPrefixGE(key) {
		if err := it.Error(); err != nil {
			return nil, readError(key, err)
		}
		return nil, nil
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return nil, readError(key, err)
	}
	return slices.Clone(v), nil
}

// fillRoute is setRoute where the value before is known.
func (tx *Tx) fillRoute(r *KeyedRoute, before []byte) error {
	if err := checkRoute(r.Route); err != nil {
		return fmt.Errorf("host key %s: %w", r.Key, err)
	}
	if err := tx.usable(); err != nil {
		return err
	}
	id := routeID{tableRoute, r.Key}
	t := tx.find(id)
	if t == nil {
		t = tx.add(id, before)
	}
	return tx.putRoute(t, r.Route)
}
