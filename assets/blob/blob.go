// Package blob keeps bytes by the BLAKE3 of their content.
package blob

import (
	"errors"
	"io"
	"iter"
	"time"

	"berth/assets/manifest"
)

// CONTRACT: bodies are replaced by the implementation; Mem has the same methods as Dir.

var (
	ErrNotFound = errors.New("blob: not found")
	ErrCorrupt  = errors.New("blob: stored bytes do not match their name")
	ErrInUse    = errors.New("blob: pinned or too young to be removed")
)

// Info describes a stored blob. Touched is when it was last stored or touched.
type Info struct {
	Digest  manifest.Digest
	Size    int64
	Touched time.Time
}

// File is an open blob.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Dir is the durable directory.
type Dir struct{}

// Batch makes many blobs durable together: nothing is visible or promised before Commit returns nil, everything after.
// Its methods may be called from one goroutine; several Writers of one Batch may be open at once.
type Batch struct{}

// Writer takes the bytes of one blob of unknown length.
type Writer struct{}

func (d *Dir) NewBatch() *Batch                                                    { panic("todo") }
func (b *Batch) Create() (*Writer, error)                                          { panic("todo") }
func (w *Writer) Write(p []byte) (int, error)                                      { panic("todo") }
func (w *Writer) Finish() (manifest.Digest, int64, error)                          { panic("todo") } // bytes complete; durable only after Commit
func (w *Writer) Abort()                                                           { panic("todo") }
func (b *Batch) Commit() error                                                     { panic("todo") }
func (b *Batch) Abort()                                                            { panic("todo") } // after Commit: no-op
func (d *Dir) Put(r io.Reader) (manifest.Digest, int64, error)                     { panic("todo") } // a batch of one
func (d *Dir) Open(g manifest.Digest, size int64) (File, error)                    { panic("todo") } // ErrCorrupt if the stored size is not size; size<0: any
func (d *Dir) ReadAll(g manifest.Digest, size int64) ([]byte, error)               { panic("todo") } // verifies size
func (d *Dir) Stat(g manifest.Digest) (Info, error)                                { panic("todo") }
func (d *Dir) Touch(g manifest.Digest) error                                       { panic("todo") } // restarts its grace; ErrNotFound
func (d *Dir) Pin(gs ...manifest.Digest) (unpin func(), missing []manifest.Digest) { panic("todo") } // Remove refuses pinned blobs; tells which do not exist
func (d *Dir) Remove(g manifest.Digest, touchedBefore time.Time) error             { panic("todo") } // ErrInUse if pinned or touched since
func (d *Dir) All() iter.Seq2[Info, error]                                         { panic("todo") }
func (d *Dir) Verify(g manifest.Digest) error                                      { panic("todo") } // recomputes; ErrCorrupt, ErrNotFound
func (d *Dir) Close() error                                                        { panic("todo") }
