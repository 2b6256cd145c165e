package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"berth/assets/manifest"
	"berth/assets/variants"
	"berth/store"
)

// listing is what can be served now: siblings before forms of our own.
func (t *encodeTask) listing() ([]byte, store.FileRef, error) {
	vs := siblingVariants(t.siblings)
	given := make(map[[2]int]bool, len(vs))
	for _, v := range vs {
		given[[2]int{v.Entry, int(v.Encoding)}] = true
	}
	t.mu.Lock()
	for _, f := range t.files {
		for _, e := range codings {
			r := formIn(&f.record, e)
			if !stored(*r) {
				continue
			}
			for _, at := range f.entries {
				if !given[[2]int{int(at), int(e)}] {
					vs = append(vs, variants.Variant{Entry: int(at), Encoding: e, Blob: r.Digest, Size: r.Size})
				}
			}
		}
	}
	t.mu.Unlock()
	return encodeListing(t.manifest.Len(), vs)
}

// encodeListing names a listing without variants by nothing.
func encodeListing(entries int, vs []variants.Variant) ([]byte, store.FileRef, error) {
	if len(vs) == 0 {
		return nil, store.FileRef{}, nil
	}
	raw, err := variants.Encode(entries, vs)
	return raw, store.FileRef{Digest: manifest.DigestOf(raw), Size: int64(len(raw))}, err
}

// publish makes the listing visible, in one Update after its blob is durable. complete says that nothing is left to do.
func (t *encodeTask) publish(ctx context.Context, complete bool) error {
	raw, ref, err := t.listing()
	if err != nil {
		return fmt.Errorf("list encoded forms of deployment %s: %w", t.deployment.UUID.String(), err)
	}
	changed := ref != t.listed
	if !changed && !complete && len(t.notes) == 0 {
		return nil
	}
	st := t.job.svc.deps.Store
	if changed && ref != (store.FileRef{}) {
		if err := t.job.svc.mayStore(ctx); err != nil {
			return err
		}
		t.hold.add(ref.Digest)
		if _, _, err := t.job.svc.deps.Blobs.Put(bytes.NewReader(raw)); err != nil {
			return fmt.Errorf("store the listing of encoded forms: %w", err)
		}
	}
	_, err = st.Update(ctx, func(tx *store.Tx) error {
		if err := t.stillThere(tx); err != nil {
			return err
		}
		if changed {
			if err := tx.SetVariants(t.q.no, ref); err != nil {
				return err
			}
		}
		if complete {
			if err := tx.ForgetVariants(t.q.no); err != nil {
				return err
			}
		}
		return t.note(tx)
	})
	if err != nil {
		return fmt.Errorf("publish the encoded forms of deployment %s: %w", t.deployment.UUID.String(), err)
	}
	t.listed, t.notes = ref, nil
	return nil
}

// stillThere ends the work quietly once the deployment was deleted.
func (t *encodeTask) stillThere(tx *store.Tx) error {
	if _, err := tx.Deployment(t.q.no); errors.Is(err, store.ErrNotFound) {
		return errGone
	} else if err != nil {
		return fmt.Errorf("deployment %d: %w", t.q.no, err)
	}
	return nil
}

// note adds to the deployment's log what it does not say already: a sibling may be looked at again after a restart.
func (t *encodeTask) note(tx *store.Tx) error {
	if len(t.notes) == 0 {
		return nil
	}
	lines, err := tx.DeploymentLog(t.q.no)
	if err != nil {
		return fmt.Errorf("log of deployment %d: %w", t.q.no, err)
	}
	var news []string
	for _, n := range t.notes {
		if !slices.ContainsFunc(lines, func(l store.LogLine) bool { return l.Text == n }) {
			news = append(news, n)
		}
	}
	if len(news) == 0 {
		return nil
	}
	return tx.AppendLog(t.q.no, logLines(t.job.svc.now(), news...))
}

// publishDue publishes what there is so far, when it is time. One worker does it while the others go on.
func (t *encodeTask) publishDue(ctx context.Context) error {
	now := t.job.svc.now()
	t.mu.Lock()
	due := !t.publishing && !now.Before(t.nextListing)
	t.publishing = t.publishing || due
	t.mu.Unlock()
	if !due {
		return nil
	}
	err := t.publish(ctx, false)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.publishing = false
	t.pace = min(2*t.pace, slowestListing)
	t.nextListing = t.job.svc.now().Add(t.pace)
	return err
}
