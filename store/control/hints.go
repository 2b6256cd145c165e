package control

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"berth/assets/blob"
	"berth/assets/hints"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/store"
)

// The links that a document announces early depend on its bytes alone. So they are found when the bytes are read to be
// proved, and are remembered with the proof: the next deployment of the same file does not read it.

// isDocument says whether a path is served as HTML. It is a property of the path and not of the asset: "/html" is a
// document, and "/x/html" with the same bytes and extension is none.
func isDocument(path string) bool {
	return strings.HasPrefix(httpsem.MediaTypeOf(path).String(), "text/html")
}

// readHints takes the links from a document's bytes.
func (a *asset) readHints(r io.ReaderAt, size int64) (err error) {
	if a.hints, err = hints.Parse(io.NewSectionReader(r, 0, size), hints.Options{}); err != nil {
		return fmt.Errorf("look for early hints: %w", err)
	}
	a.hintsKnown, a.hintsRead = true, true
	return nil
}

// recallHints takes them from the asset's proof. One that does not know them was made by an older berth, or for a path
// that is no document; one that cannot be understood is made anew too.
func (a *asset) recallHints(p store.Proof) {
	if !a.document || !p.LinkKnown {
		return
	}
	if found, err := hints.Recall(p.Link); err == nil {
		a.hints, a.hintsKnown = found, true
	}
}

// proof is what the account remembers of an asset.
func (pr *prover) proof(a *asset) store.Proof {
	p := store.Proof{Account: pr.project.Account, Key: a.key, Extension: a.ext, Blob: a.blob, LinkKnown: a.hintsKnown}
	if a.hintsKnown {
		p.Link = a.hints.Remember()
	}
	return p
}

// findHints reads the proved documents whose proofs do not know their links.
func (pr *prover) findHints(ctx context.Context) error {
	var unknown []*asset
	for i := range pr.assets {
		if a := &pr.assets[i]; a.document && !a.hintsKnown {
			unknown = append(unknown, a)
		}
	}
	return pr.parallelOver(ctx, unknown, func(as []*asset) error {
		for _, a := range as {
			f, err := pr.svc.deps.Blobs.Open(a.blob.Digest, a.blob.Size)
			if err != nil {
				return fmt.Errorf("read %s: %w", a.path, err)
			}
			err = a.readHints(f, a.blob.Size)
			f.Close() // read only: nothing to lose
			if err != nil {
				return fmt.Errorf("%s: %w", a.path, err)
			}
		}
		return nil
	})
}

// hintsOf lists the hints of a manifest's documents, with notes for the deployment's log on those that are left out.
func (pr *prover) hintsOf(files []manifestFile, m *manifest.Manifest) ([]hints.Hint, []string) {
	var hs []hints.Hint
	var cut []string
	for i, f := range files {
		a := &pr.assets[pr.of[i]]
		if !a.document || !isDocument(f.Path) {
			continue
		}
		if why := hintsLost(a.hints); why != "" {
			cut = append(cut, fmt.Sprintf("%s: %s", clip(f.Path), why))
		}
		if at, ok := m.Lookup(f.Path); ok && a.hints.Link != "" {
			hs = append(hs, hints.Hint{Entry: at, Link: a.hints.Link, Based: a.hints.Based})
		}
	}
	slices.SortFunc(hs, func(a, b hints.Hint) int { return cmp.Compare(a.Entry, b.Entry) })
	slices.Sort(cut)
	notes := cut[:min(len(cut), listedProblems)]
	if more := len(cut) - len(notes); more > 0 {
		notes = append(notes[:len(notes):len(notes)], fmt.Sprintf("Early hints are left out in %s more.", count(more, "file")))
	}
	if n := hints.Fit(hs); n < len(hs) {
		notes = append(notes, fmt.Sprintf("The early hints of all files take more than %d bytes: %s from %s on go without.",
			hints.MaxPool, count(len(hs)-n, "file"), clip(m.At(hs[n].Entry).Path)))
		hs = hs[:n]
	}
	return hs, notes
}

// hintsLost words what of a document's links is not announced.
func hintsLost(f hints.Found) string {
	var parts []string
	if f.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("%s to preload or preconnect to not sent as early hints, which take at most %d links and %d bytes",
			count(f.Dropped, "link"), hints.DefaultMaxLinks, hints.DefaultMaxBytes))
	}
	if f.Cut {
		parts = append(parts, "links behind a tag, comment or script of more than a megabyte not sent as early hints")
	}
	return strings.Join(parts, "; ")
}

// storeHints adds the listing of early hints to the deployment's files. There is none if no document has a link.
func (pub *publication) storeHints(batch *blob.Batch, encoded []byte) error {
	m, err := manifest.Open(encoded)
	if err != nil {
		return fmt.Errorf("list the early hints: %w", err)
	}
	hs, notes := pub.prover.hintsOf(pub.form.Files, m)
	pub.hintNotes = notes
	if len(hs) == 0 {
		return nil
	}
	raw, err := hints.Encode(m.Len(), hs)
	if err != nil {
		return fmt.Errorf("list the early hints: %w", err)
	}
	pub.hints, err = addBlob(batch, raw)
	if err != nil {
		return fmt.Errorf("store the early hints: %w", err)
	}
	return nil
}

// addBlob puts bytes into a batch.
func addBlob(batch *blob.Batch, b []byte) (ref store.FileRef, err error) {
	w, err := batch.Create()
	if err != nil {
		return ref, err
	}
	if _, err := w.Write(b); err != nil {
		w.Abort()
		return ref, err
	}
	ref.Digest, ref.Size, err = w.Finish()
	return ref, err
}

// hints checks that a deployment's early hints are some, and of its manifest.
func (f *fsck) hints(name string, d store.Deployment) {
	if d.Hints == (store.FileRef{}) || f.hinted.has(d.Hints.Digest, int64(d.Files)) {
		return
	}
	b, err := f.svc.deps.Blobs.ReadAll(d.Hints.Digest, d.Hints.Size)
	if err != nil {
		return // told as a blob
	}
	if manifest.DigestOf(b) != d.Hints.Digest {
		f.problem(ProblemHints, name, "its early hints' bytes are not those of %s", d.Hints.Digest)
		return
	}
	if _, err := hints.Open(b, int(d.Files)); err != nil {
		f.problem(ProblemHints, name, "%v", err)
		return
	}
	f.hinted.add(d.Hints.Digest, int64(d.Files))
}
