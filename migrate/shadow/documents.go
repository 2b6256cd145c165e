package shadow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/store"
)

const diffPrefix = "diff/"

// Documents keeps diffs in the store, one document a host, the newest so many. It is a Sink; its methods are not for concurrent use.
type Documents struct {
	store *store.Store
	most  int
	last  map[string]time.Time // of each host that has a document; nil: not read yet
}

const defaultDocuments = 1000

// NewDocuments keeps the diffs of so many hosts; 0 is for 1,000.
func NewDocuments(s *store.Store, most int) (*Documents, error) {
	if s == nil || most < 0 || most > 1_000_000 {
		return nil, fmt.Errorf("shadow: diffs need a store, and room for 0 (for %d) to 1,000,000 hosts, not %d", defaultDocuments, most)
	}
	return &Documents{store: s, most: cmp.Or(most, defaultDocuments)}, nil
}

// Diffs yields what is kept, by host, from the given host on ("" for all).
func Diffs(r *store.Reader, from string) iter.Seq2[Diff, error] {
	return func(yield func(Diff, error) bool) {
		for doc, err := range r.Documents(diffPrefix, diffPrefix+from) {
			var d Diff
			if err == nil {
				d, err = decodeDiff(doc)
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

func decodeDiff(doc store.Document) (Diff, error) {
	var d Diff
	if err := json.Unmarshal(doc.Value, &d); err != nil {
		return Diff{}, fmt.Errorf("read %s: %w", doc.Name, err)
	}
	if d.Version != diffVersion {
		return Diff{}, fmt.Errorf("read %s: version %d; this berth reads %d", doc.Name, d.Version, diffVersion)
	}
	return d, nil
}

// Put adds diffs to those of the same hosts, in one batch, and deletes the oldest ones over the bound.
func (d *Documents) Put(ctx context.Context, diffs []Diff) error {
	if err := d.read(); err != nil {
		return err
	}
	var last map[string]time.Time
	_, err := d.store.Update(ctx, func(tx *store.Tx) error {
		last = maps.Clone(d.last)
		for _, x := range diffs {
			if err := put(tx, x); err != nil {
				return err
			}
			last[x.Host] = x.Last
		}
		return d.trim(tx, last)
	})
	if err != nil {
		return fmt.Errorf("keep diffs of %d hosts: %w", len(diffs), err)
	}
	d.last = last
	return nil
}

func put(tx *store.Tx, x Diff) error {
	name := diffPrefix + x.Host
	raw, err := tx.Document(name)
	switch {
	case err == nil:
		// One that cannot be read is replaced: it is an example, and this one is as good.
		if older, err := decodeDiff(store.Document{Name: name, Value: raw}); err == nil {
			x.absorb(older)
		}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	out, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return tx.PutDocument(name, out)
}

func (d *Documents) trim(tx *store.Tx, last map[string]time.Time) error {
	if len(last) <= d.most {
		return nil
	}
	oldest := slices.SortedFunc(maps.Keys(last), func(a, b string) int { return cmp.Or(last[a].Compare(last[b]), strings.Compare(a, b)) })
	for _, host := range oldest[:len(last)-d.most] {
		if err := tx.DeleteDocument(diffPrefix + host); err != nil {
			return err
		}
		delete(last, host)
	}
	return nil
}

// read finds out what there is, once.
func (d *Documents) read() error {
	if d.last != nil {
		return nil
	}
	last := map[string]time.Time{}
	for doc, err := range d.store.Documents(diffPrefix, "") {
		if err != nil {
			return fmt.Errorf("read the diffs that are kept: %w", err)
		}
		x, err := decodeDiff(doc)
		if err != nil {
			x.Last = time.Time{} // it goes first
		}
		last[strings.TrimPrefix(doc.Name, diffPrefix)] = x.Last
	}
	d.last = last
	return nil
}

// Clear deletes all of them, in the Update in which they lose their meaning: of another epoch they would tell of other records.
func Clear(tx *store.Tx) error { return tx.DeleteDocuments(diffPrefix) }
