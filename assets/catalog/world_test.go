package catalog

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"berth/assets/blob"
	"berth/assets/manifest"
	"berth/store"
)

// world is a store and a blob directory in memory, with faults.
type world struct {
	mu          sync.Mutex
	deployments map[store.DeploymentNo]store.Deployment
	variants    map[store.DeploymentNo]store.FileRef
	projects    map[store.ProjectNo]store.Project
	targets     map[string]store.Target // by branch, of whatever project
	onTarget    func()                  // before Target answers, without the lock
	blobs       map[manifest.Digest][]byte
	hooks       map[int]func(store.Commit)
	reads       int
	fault       error                 // of every ReadAll
	onRead      func(manifest.Digest) // before ReadAll answers, without the lock
	onReadAt    func(n int) error     // before that of an open blob does
	opened      int                   // blobs, that are not closed
}

func newWorld() *world {
	return &world{
		deployments: map[store.DeploymentNo]store.Deployment{}, blobs: map[manifest.Digest][]byte{}, hooks: map[int]func(store.Commit){},
		variants: map[store.DeploymentNo]store.FileRef{}, projects: map[store.ProjectNo]store.Project{}, targets: map[string]store.Target{},
	}
}

func (w *world) Deployment(no store.DeploymentNo) (store.Deployment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.deployments[no]
	if !ok {
		return d, fmt.Errorf("deployment %d: %w", no, store.ErrNotFound)
	}
	return d, nil
}

func (w *world) Variants(no store.DeploymentNo) (store.FileRef, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ref, ok := w.variants[no]
	if !ok {
		return ref, fmt.Errorf("variants of %d: %w", no, store.ErrNotFound)
	}
	return ref, nil
}

func (w *world) Project(no store.ProjectNo) (store.Project, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.projects[no]
	if !ok {
		return p, fmt.Errorf("project %d: %w", no, store.ErrNotFound)
	}
	return p, w.fault
}

func (w *world) Target(_ store.ProjectNo, branch string) (store.Target, error) {
	w.mu.Lock()
	hook := w.onTarget
	t, ok := w.targets[branch]
	fault := w.fault
	w.mu.Unlock()
	if hook != nil {
		hook()
	}
	if !ok {
		return t, fmt.Errorf("target %q: %w", branch, store.ErrNotFound)
	}
	return t, fault
}

// changeProject changes records and tells the hooks that they are of project 1.
func (w *world) changeProject(change func()) {
	w.mu.Lock()
	change()
	hooks := w.hooks
	w.mu.Unlock()
	for _, hook := range hooks {
		hook(store.Commit{Projects: []store.ProjectNo{1}})
	}
}

func (w *world) put(raw []byte) store.FileRef {
	g := manifest.DigestOf(raw)
	w.blobs[g] = raw
	return store.FileRef{Digest: g, Size: int64(len(raw))}
}

func (w *world) OnCommit(fn func(store.Commit)) (cancel func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := len(w.hooks)
	w.hooks[id] = fn
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.hooks, id)
	}
}

func (w *world) ReadVerified(g manifest.Digest, size int64) ([]byte, error) {
	w.mu.Lock()
	w.reads++
	b, ok := w.blobs[g]
	fault, hook := w.fault, w.onRead
	w.mu.Unlock()
	if hook != nil {
		hook(g)
	}
	switch {
	case fault != nil:
		return nil, fault
	case !ok:
		return nil, blob.ErrNotFound
	case int64(len(b)) != size, manifest.DigestOf(b) != g:
		return nil, blob.ErrCorrupt
	}
	return b, nil
}

// Open opens a blob without looking at its bytes.
func (w *world) Open(g manifest.Digest, size int64) (blob.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, ok := w.blobs[g]
	switch {
	case w.fault != nil:
		return nil, w.fault
	case !ok:
		return nil, blob.ErrNotFound
	case int64(len(b)) != size:
		return nil, blob.ErrCorrupt
	}
	w.opened++
	return &openBlob{bytes.NewReader(b), w}, nil
}

type openBlob struct {
	*bytes.Reader
	w *world
}

func (o *openBlob) ReadAt(p []byte, off int64) (int, error) {
	o.w.mu.Lock()
	hook := o.w.onReadAt
	o.w.mu.Unlock()
	if hook != nil {
		if err := hook(len(p)); err != nil {
			return 0, err
		}
	}
	return o.Reader.ReadAt(p, off)
}

func (o *openBlob) Close() error {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	o.w.opened--
	return nil
}

// commit changes the records and tells the hooks.
func (w *world) commit(no store.DeploymentNo, d *store.Deployment) {
	w.mu.Lock()
	if d == nil {
		delete(w.deployments, no)
	} else {
		w.deployments[no] = *d
	}
	hooks := w.hooks
	w.mu.Unlock()
	for _, hook := range hooks {
		hook(store.Commit{Deployments: []store.DeploymentNo{no}, Projects: []store.ProjectNo{1}})
	}
}

// deploy stores a site with one file of that name, and the padding in further names.
func (w *world) deploy(t testing.TB, no store.DeploymentNo, path string, padding int) manifest.Digest {
	t.Helper()
	entries := []manifest.Entry{{Path: path}}
	for i := range padding {
		entries = append(entries, manifest.Entry{Path: fmt.Sprintf("%s.%d", path, i)})
	}
	raw, err := manifest.Encode(entries)
	if err != nil {
		t.Fatal(err)
	}
	g := manifest.DigestOf(raw)
	w.blobs[g] = raw
	w.commit(no, &store.Deployment{No: no, Project: 1, Branch: "main", Manifest: store.FileRef{Digest: g, Size: int64(len(raw))}})
	return g
}
