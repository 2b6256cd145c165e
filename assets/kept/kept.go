// Package kept is the index of files that a moving host (production, a branch) no longer has and still answers for a
// while: the scripts and styles that pages in open tabs ask for after the next deployment replaced them.
//
// An index is made when the host moves, from the listings of the two deployments and the index before (Next), and never
// from traffic. It is found in O(1) by the path, as a file of a deployment is: inside it is a manifest.
package kept

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"unsafe"

	"berth/assets/manifest"
)

// The encoding, version 1. Integers are little-endian.
//
//	header       16 bytes  "berthkp", version byte, u32 bytes of the listing, u32 generations
//	generations  m × 16    u64 source, u64 until; in descending order of until, then of source; each used by some file
//	of           n × 4     u32 number of the generation of each file, in the order of the listing
//	listing                a manifest of n files
//
// A generation is what one deployment left behind in one move, so there are few of them however many files there are.
const (
	magic         = "berthkp"
	version       = 1
	headerLen     = 16
	generationLen = 16
	ofLen         = 4
)

var (
	// ErrCorrupt says that bytes are not an index, or not a canonical one.
	ErrCorrupt = errors.New("kept: corrupt encoding")
	// ErrNewerFormat says that the bytes were written by a newer berth.
	ErrNewerFormat = errors.New("kept: written by a newer format version")
)

// File is a file that is kept.
type File struct {
	manifest.Entry
	Source uint64 // number of the deployment that it belongs to
	Until  int64  // Unix seconds: from then on it is not answered
}

// Index is an opened index: a view of its encoding. It is immutable and safe for concurrent use. A nil Index is empty.
type Index struct {
	raw         []byte
	listing     *manifest.Manifest
	of          []byte
	generations []generation
	files       int // whose source is alive
}

type generation struct {
	source uint64
	until  int64
	dead   bool
}

// Open checks the encoding (its structure, not its order: Verify does that) and returns a view of raw, which must not
// change afterwards. Files of sources that are not alive are not in the view; a nil alive means that all are. Whatever
// raw holds, the methods of the view neither panic nor loop.
func Open(raw []byte, alive func(source uint64) bool) (*Index, error) {
	if len(raw) < headerLen || string(raw[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: no header", ErrCorrupt)
	}
	if v := raw[len(magic)]; v != version {
		if v > version {
			return nil, fmt.Errorf("%w: version %d, this berth reads up to %d", ErrNewerFormat, v, version)
		}
		return nil, fmt.Errorf("%w: version %d", ErrCorrupt, v)
	}
	listing, generations := uint64(binary.LittleEndian.Uint32(raw[8:])), uint64(binary.LittleEndian.Uint32(raw[12:]))
	rest := uint64(len(raw) - headerLen)
	if generations > manifest.MaxEntries || generations*generationLen > rest || listing > rest-generations*generationLen {
		return nil, fmt.Errorf("%w: %d bytes are too few for a listing of %d and %d generations", ErrCorrupt, len(raw), listing, generations)
	}
	x := &Index{raw: raw, of: raw[headerLen+generations*generationLen : uint64(len(raw))-listing]}
	var err error
	if x.listing, err = manifest.Open(raw[uint64(len(raw))-listing:]); err != nil {
		return nil, fmt.Errorf("%w: its listing: %w", ErrCorrupt, err)
	}
	if len(x.of) != x.listing.Len()*ofLen || generations > uint64(x.listing.Len()) {
		return nil, fmt.Errorf("%w: %d files, %d generations, %d bytes between them", ErrCorrupt, x.listing.Len(), generations, len(x.of))
	}
	if err := x.readGenerations(raw[headerLen:][:generations*generationLen], alive); err != nil {
		return nil, err
	}
	return x, x.count()
}

func (x *Index) readGenerations(raw []byte, alive func(uint64) bool) error {
	x.generations = make([]generation, len(raw)/generationLen)
	for i := range x.generations {
		b := raw[i*generationLen:]
		g := generation{source: binary.LittleEndian.Uint64(b)}
		until := binary.LittleEndian.Uint64(b[8:])
		if until > math.MaxInt64 || g.source == 0 {
			return fmt.Errorf("%w: generation %d: deployment %d until %d", ErrCorrupt, i, g.source, until)
		}
		g.until = int64(until)
		g.dead = alive != nil && !alive(g.source)
		x.generations[i] = g
	}
	return nil
}

// count makes sure that each file's generation exists, so that every later use of it is in bounds.
func (x *Index) count() error {
	for i := range x.listing.Len() {
		g := binary.LittleEndian.Uint32(x.of[i*ofLen:])
		if uint64(g) >= uint64(len(x.generations)) {
			return fmt.Errorf("%w: file %d is of generation %d of %d", ErrCorrupt, i, g, len(x.generations))
		}
		if !x.generations[g].dead {
			x.files++
		}
	}
	return nil
}

// Lookup finds a path, exactly, unless its time is over at now, in Unix seconds. It allocates nothing.
func (x *Index) Lookup(path string, now int64) (File, bool) {
	if x == nil {
		return File{}, false
	}
	i, ok := x.listing.Lookup(path)
	if !ok {
		return File{}, false
	}
	g := x.generation(i)
	if g.dead || now >= g.until {
		return File{}, false
	}
	return File{x.listing.At(i), g.source, g.until}, true
}

// All lists the files in path order, whether or not their time is over. Their paths are views of the encoding.
func (x *Index) All() iter.Seq[File] {
	return func(yield func(File) bool) {
		if x == nil {
			return
		}
		for i := range x.listing.Len() {
			g := x.generation(i)
			if !g.dead && !yield(File{x.listing.At(i), g.source, g.until}) {
				return
			}
		}
	}
}

// Len is how many files All lists.
func (x *Index) Len() int {
	if x == nil {
		return 0
	}
	return x.files
}

// Weight is about the memory that x holds, in bytes.
func (x *Index) Weight() int64 {
	if x == nil {
		return 0
	}
	return int64(unsafe.Sizeof(*x)) + int64(unsafe.Sizeof(*x.listing)) + int64(len(x.raw)) +
		int64(len(x.generations))*int64(unsafe.Sizeof(generation{}))
}

func (x *Index) generation(i int) *generation {
	return &x.generations[binary.LittleEndian.Uint32(x.of[i*ofLen:])]
}
