package assets

import (
	"fmt"
	"unsafe"

	"berth/assets/httpsem"
	"berth/assets/manifest"
)

// Site is a compiled deployment: immutable, safe for concurrent use.
type Site struct {
	files    *manifest.Manifest
	types    []httpsem.MediaType // of each entry of files
	notFound notFoundTree
	index    int // entry of /index.html, which is the SPA's shell; -1: there is none
}

// Input is what a Site is compiled from.
type Input struct {
	Manifest []byte // encoded; the Site keeps it
}

// Compile checks the input and makes a Site. Its error means that the input is corrupt, not that a user erred.
func Compile(in Input) (*Site, error) {
	files, err := manifest.Open(in.Manifest)
	if err != nil {
		return nil, fmt.Errorf("compile site: %w", err)
	}
	s := &Site{files: files, types: make([]httpsem.MediaType, files.Len()), notFound: newNotFoundTree(files), index: -1}
	for i := range s.types {
		s.types[i] = httpsem.MediaTypeOf(files.PathAt(i))
	}
	if i, ok := files.Lookup("/index.html"); ok {
		s.index = i
	}
	return s, nil
}

// Weight is the memory the Site holds, in bytes.
func (s *Site) Weight() int64 {
	return int64(unsafe.Sizeof(*s)+unsafe.Sizeof(*s.files)) + int64(len(s.files.Bytes())) +
		int64(len(s.types))*int64(unsafe.Sizeof(httpsem.MediaType(0))) + s.notFound.weight()
}

// Files is the listing that the Site was compiled from.
func (s *Site) Files() *manifest.Manifest { return s.files }
