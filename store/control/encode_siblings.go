package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"berth/assets/blob"
	"berth/assets/compress"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
	"berth/store"
)

// A sibling is a file that a build has made of another one beside it: /app.js.br of /app.js. If it decodes to exactly that
// file it is its encoded form, whatever the file's type and however little it saves: who uploaded it has decided. It stays
// a file of its own, too.
//
// That is found out before the deployment is live, so that siblings are used from the first request on; but only so many
// bytes of them, because a deployment is not delayed by decoding. The job does the rest.

// siblingBudget bounds the bytes that are decoded, and compared, before a deployment is live: the files and their
// siblings. It takes less than a second.
const siblingBudget = 64 << 20

const maxSiblingNotes = 20

// sibling is a file that by its name is another one, encoded.
type sibling struct {
	entry    int // of the file that it is a form of
	e        httpsem.Encoding
	coded    store.FileRef
	identity store.FileRef
	path     string // its own
}

// pair is what a verdict on siblings is about. Digests name bytes, so it is true for ever.
type pair struct {
	coded, identity manifest.Digest
	e               httpsem.Encoding
}

func (x sibling) pair() pair { return pair{x.coded.Digest, x.identity.Digest, x.e} }

// cost is what looking at it costs. A coded file without an end may decode to nothing, so its own bytes count.
func (x sibling) cost() int64 { return x.coded.Size + x.identity.Size }

// siblingsOf lists the siblings in a manifest by entry. One that is larger than its file would only be a burden.
func siblingsOf(m *manifest.Manifest) []sibling {
	var found []sibling
	for _, c := range m.All() {
		e, base, ok := compress.SuffixOf(c.Path)
		if !ok {
			continue
		}
		at, ok := m.Lookup(base)
		if !ok {
			continue
		}
		f := m.At(at)
		if c.Size < 1 || c.Size > f.Size {
			continue
		}
		found = append(found, sibling{entry: at, e: e, path: c.Path,
			coded: store.FileRef{Digest: c.Digest, Size: c.Size}, identity: store.FileRef{Digest: f.Digest, Size: f.Size}})
	}
	return found
}

// judge finds out which siblings hold. budget bounds the bytes that are looked at, smallest first; negative: no bound.
// left is what was not looked at.
func (j *encodings) judge(ctx context.Context, xs []sibling, budget int64) (hold, bad, left []sibling, err error) {
	var unknown []sibling
	for _, x := range xs {
		switch ok, known := j.verdicts.Get(x.pair()); {
		case !known:
			unknown = append(unknown, x)
		case ok:
			hold = append(hold, x)
		default:
			bad = append(bad, x)
		}
	}
	slices.SortStableFunc(unknown, func(a, b sibling) int { return cmp.Compare(a.cost(), b.cost()) })
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, x := range unknown {
		if budget >= 0 && x.cost() > budget {
			left = unknown[i:]
			break
		}
		if budget >= 0 {
			budget -= x.cost()
		}
		g.Go(func() error {
			ok, err := j.sibling(ctx, x)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if ok {
				hold = append(hold, x)
			} else {
				bad = append(bad, x)
			}
			return nil
		})
	}
	err = g.Wait()
	return hold, bad, left, err
}

// sibling compares one and remembers the outcome.
func (j *encodings) sibling(ctx context.Context, x sibling) (bool, error) {
	ok, err := decodes(ctx, j.svc.deps.Blobs, x.coded, x.e, x.identity)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt) {
		return false, nil // what is not there is not used, and not judged
	}
	if err != nil {
		return false, fmt.Errorf("compare %s with its file: %w", clip(x.path), err)
	}
	j.verdicts.Add(x.pair(), ok)
	if ok {
		j.stats.siblings.Add(1)
	} else {
		j.stats.falseOnes.Add(1)
	}
	return ok, nil
}

// siblingNotes tells of those that do not hold.
func siblingNotes(bad []sibling) []string {
	slices.SortFunc(bad, func(a, b sibling) int { return cmp.Compare(a.path, b.path) })
	var notes []string
	for _, x := range bad[:min(len(bad), maxSiblingNotes)] {
		name := strings.TrimPrefix(x.path, "/")
		notes = append(notes, fmt.Sprintf("%s does not decompress to %s; it is served under its own name only.",
			clip(name), clip(strings.TrimSuffix(name, compress.Suffix(x.e)))))
	}
	if more := len(bad) - len(notes); more > 0 {
		notes = append(notes, fmt.Sprintf("%s more do not decompress to the file whose name they have.", count(more, "file")))
	}
	return notes
}

func siblingVariants(xs []sibling) []variants.Variant {
	vs := make([]variants.Variant, len(xs))
	for i, x := range xs {
		vs[i] = variants.Variant{Entry: x.entry, Encoding: x.e, Blob: x.coded.Digest, Size: x.coded.Size}
	}
	return vs
}

// checkSiblings looks at what publishing had no time for. What the listing names was looked at before.
func (t *encodeTask) checkSiblings(ctx context.Context, old *variants.Listing) error {
	all := siblingsOf(t.manifest)
	for _, x := range all {
		if d, _, ok := old.At(x.entry, x.e); ok && d == x.coded.Digest {
			t.job.verdicts.ContainsOrAdd(x.pair(), true)
		}
	}
	hold, bad, _, err := t.job.judge(ctx, all, -1)
	if err != nil {
		return err
	}
	t.siblings, t.notes = hold, siblingNotes(bad)
	return nil
}

// encodedForms is what a publication knows of its files' encoded forms.
type encodedForms struct {
	listing store.FileRef // of the siblings that hold, zero if none does
	wanted  bool          // there is something for the job to do
	left    bool          // so much that it must be told even if it makes no forms itself
	notes   []string
}

// findForms looks at siblings and stores a first listing in batch, so that they are used from the first request on.
// Nothing that goes wrong here is a reason not to publish; only the end of the call's context is.
func (pub *publication) findForms(ctx context.Context, batch *blob.Batch) error {
	s, x := pub.svc, &pub.forms
	named := false
	for _, e := range pub.form.Files {
		_, _, ok := compress.SuffixOf(e.Path)
		named = named || ok
	}
	entries := pub.prover.entries(pub.form.Files)
	x.wanted = named || slices.ContainsFunc(entries, func(e manifest.Entry) bool { return s.encodable(e.Path, e.Size) })
	if !named {
		return nil
	}
	raw, err := manifest.Encode(entries)
	if err != nil {
		return fmt.Errorf("encode the manifest: %w", err)
	}
	m, err := manifest.Open(raw)
	if err != nil {
		return fmt.Errorf("encode the manifest: %w", err)
	}
	hold, bad, left, err := s.encodings.judge(ctx, siblingsOf(m), s.encodings.budget)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = pub.storeListing(batch, m.Len(), hold)
	}
	if err != nil {
		s.deps.Log.Warn("precompressed files are looked at after the deployment is live", slog.Any("error", err))
		*x = encodedForms{wanted: true, left: true}
		return nil
	}
	x.left, x.notes = len(left) > 0, siblingNotes(bad)
	return nil
}

func (pub *publication) storeListing(batch *blob.Batch, entries int, hold []sibling) error {
	raw, ref, err := encodeListing(entries, siblingVariants(hold))
	if err != nil || ref == (store.FileRef{}) {
		return err
	}
	w, err := batch.Create()
	if err != nil {
		return err
	}
	defer w.Abort() // after Finish it does nothing
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if _, _, err := w.Finish(); err != nil {
		return err
	}
	pub.prover.hold.add(ref.Digest)
	pub.forms.listing = ref
	return nil
}

// recordForms says in the publishing batch what is known of encoded forms, and that there is more to be made.
func (pub *publication) recordForms(tx *store.Tx, d store.Deployment) error {
	if pub.forms.listing != (store.FileRef{}) {
		if err := tx.SetVariants(d.No, pub.forms.listing); err != nil {
			return err
		}
	}
	if !pub.forms.wanted {
		return nil
	}
	pub.waits = queued{no: d.No, rank: rankOf(d.Environment)}
	return tx.WantVariants(d.No)
}

// wakeEncoding tells the job, after the commit.
func (pub *publication) wakeEncoding() {
	if pub.forms.wanted && (pub.forms.left || pub.svc.encodings.on()) {
		pub.svc.encodings.queue.push(pub.waits)
	}
}
