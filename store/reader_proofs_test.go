package store

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
)

// ProofsOf must say what HasProof says of each key, whatever lies between the keys.
func TestProofsOfAgreesWithHasProof(t *testing.T) {
	s, err := OpenFS(vfs.NewMem(), "db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	key := func() (k manifest.AssetKey) {
		k[0], k[15] = byte(rng.IntN(6)), byte(rng.IntN(6)) // close together, so that there are neighbours
		return k
	}
	_, err = s.Update(context.Background(), func(tx *Tx) error {
		for range 60 {
			p := Proof{Account: AccountNo(1 + rng.IntN(2)), Key: key(), Extension: []string{"", "html", "js"}[rng.IntN(3)], Blob: FileRef{Size: int64(rng.IntN(100))}}
			if err := tx.PutProof(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		account := AccountNo(1 + rng.IntN(3)) // the third has none
		var keys []manifest.AssetKey
		for range rng.IntN(12) {
			keys = append(keys, key())
		}
		slices.SortFunc(keys, func(a, b manifest.AssetKey) int { return slices.Compare(a[:], b[:]) })
		keys = slices.Compact(keys)
		got := make([][]Proof, len(keys))
		if err := s.ProofsOf(account, keys, func(i int, p Proof) { got[i] = append(got[i], p) }); err != nil {
			t.Fatal(err)
		}
		for i, k := range keys {
			want, err := s.HasProof(account, k)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got[i]); diff != "" {
				t.Errorf("account %d, key %s (-HasProof +ProofsOf):\n%s", account, k, diff)
			}
		}
	}
}
