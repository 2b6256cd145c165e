package control

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"berth/assets/manifest"
	"berth/store"
)

const namedFiles = 5 // of those that a refusal counts

// refuse answers a manifest that names what we do not have. Uploads that are not what they claimed are dropped, and
// check-missing is told to ask for the keys again: otherwise it would go on answering that they are here, because of a
// false claim or of a proof for another extension, and no retry could succeed.
func (pr *prover) refuse(ctx context.Context, left []*asset) error {
	used := pr.trueClaims()
	_, err := pr.svc.deps.Store.Update(ctx, func(tx *store.Tx) error {
		for _, a := range left {
			if err := pr.ask(tx, a, used); err != nil {
				return fmt.Errorf("take back the claims of %s: %w", a.path, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return refuse(http.StatusBadRequest, codeBadRequest, "%s", describeUnproved(left))
}

func (pr *prover) ask(tx *store.Tx, a *asset, used map[candidate]bool) error {
	for _, c := range a.wrong {
		if used[candidate{c.Key, c.Blob.Digest}] {
			continue // true for another extension of this manifest
		}
		if err := tx.DeleteClaim(c); err != nil {
			return err
		}
	}
	// Without a proof or a claim left, check-missing asks by itself; a mark for every key that a manifest makes up
	// would let one caller fill the store.
	known, err := pr.known(tx, a.key)
	if err != nil || !known {
		return err
	}
	return tx.SetWanted(pr.project.No, a.key, true)
}

func (pr *prover) known(tx *store.Tx, k manifest.AssetKey) (bool, error) {
	proofs, err := tx.HasProof(pr.project.Account, k)
	if err != nil || len(proofs) > 0 {
		return true, err
	}
	claims, err := tx.Claims(pr.project.No, k)
	return len(claims) > 0, err
}

type candidate struct {
	key    manifest.AssetKey
	digest manifest.Digest
}

// trueClaims are the uploads that proved some asset of this manifest.
func (pr *prover) trueClaims() map[candidate]bool {
	used := make(map[candidate]bool)
	for _, a := range pr.fresh() {
		used[candidate{a.key, a.blob.Digest}] = true
	}
	return used
}

// describeUnproved names the first few files of each sort and counts the rest.
func describeUnproved(left []*asset) string {
	var never, differ []string
	for _, a := range left {
		to := &never
		if len(a.wrong) > 0 {
			to = &differ
		}
		*to = append(*to, fmt.Sprintf("%.200q (hash %s)", a.path, a.key))
	}
	var parts []string
	for _, sort := range []struct {
		files []string
		what  string
	}{
		{never, "were never uploaded or are no longer kept"},
		{differ, "were uploaded with bytes that do not match their hash"},
	} {
		if n := len(sort.files); n > 0 {
			shown, more := sort.files[:min(n, namedFiles)], ""
			if n > namedFiles {
				more = fmt.Sprintf(" and %d more", n-namedFiles)
			}
			parts = append(parts, fmt.Sprintf("%d %s: %s%s", n, sort.what, strings.Join(shown, ", "), more))
		}
	}
	return "the manifest names files that this server does not have; nothing was published. " + strings.Join(parts, "; ") +
		". Deploy again: they will be asked for."
}
