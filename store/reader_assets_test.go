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

// The reads of many keys must say what the reads of one say, whatever lies between the keys.
func TestReadsOfManyAssetsAgreeWithReadsOfOne(t *testing.T) {
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
			blob := FileRef{Digest: manifest.Digest{byte(rng.IntN(3))}, Size: int64(rng.IntN(100))}
			no := uint32(1 + rng.IntN(2))
			proof := Proof{Account: AccountNo(no), Key: key(), Extension: []string{"", "html", "js"}[rng.IntN(3)], Blob: blob}
			if err := tx.PutProof(proof); err != nil {
				return err
			}
			if err := tx.PutClaim(Claim{Project: ProjectNo(no), Key: key(), Blob: blob}); err != nil {
				return err
			}
			if err := tx.SetWanted(ProjectNo(no), key(), true); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		var keys []manifest.AssetKey
		for range rng.IntN(12) {
			keys = append(keys, key())
		}
		slices.SortFunc(keys, func(a, b manifest.AssetKey) int { return slices.Compare(a[:], b[:]) })
		compareReads(t, s, uint32(1+rng.IntN(3)), slices.Compact(keys)) // number 3 has nothing
	}
}

// known is what a store knows of one asset key.
type known struct {
	Proofs []Proof
	Claims []Claim
	Wanted bool
}

func compareReads(t *testing.T, s *Store, no uint32, keys []manifest.AssetKey) {
	t.Helper()
	got, want := make([]known, len(keys)), make([]known, len(keys))
	var errs [6]error
	errs[0] = s.ProofsOf(AccountNo(no), keys, func(i int, p Proof) { got[i].Proofs = append(got[i].Proofs, p) })
	errs[1] = s.ClaimsOf(ProjectNo(no), keys, func(i int, c Claim) { got[i].Claims = append(got[i].Claims, c) })
	errs[2] = s.WantedOf(ProjectNo(no), keys, func(i int) { got[i].Wanted = true })
	for i, k := range keys {
		want[i].Proofs, errs[3] = s.HasProof(AccountNo(no), k)
		want[i].Claims, errs[4] = s.Claims(ProjectNo(no), k)
		want[i].Wanted, errs[5] = s.Wanted(ProjectNo(no), k)
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("number %d, keys %v (-one by one +all at once):\n%s", no, keys, diff)
	}
}
