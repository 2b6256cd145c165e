package assets

import (
	"fmt"
	"sync"

	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/variants"
)

// CompilePart is Compile for views of parts, which read what a request needs of them: so the first requests of a large site do not wait for
// all of it. They stand for in.Manifest and in.Variants, which are not looked at; coded is nil if there are none. Its plans are those of the
// whole Site, but that nothing is found which cannot be read: a plan counts only if Err is nil after it.
func CompilePart(files *manifest.Manifest, coded *variants.Listing, in Input) (*Site, error) {
	s := &Site{files: files, notFound: notFoundTree{files: files, walk: true}, index: -1, variants: coded}
	var reading sync.WaitGroup
	reading.Go(func() {
		if i, ok := files.Lookup("/index.html"); ok {
			s.index = i
		}
	})
	s.compileRules(in)
	reading.Wait()
	in.Variants = nil
	if err := s.openListings(in); err != nil {
		return nil, err
	}
	return s, s.Err()
}

// Err is why the plans of CompilePart's Site do not count; nil of all others.
func (s *Site) Err() error {
	if err := s.files.Err(); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if err := s.variants.Err(); err != nil {
		return fmt.Errorf("encoded forms: %w", err)
	}
	return nil
}

// Complete makes of a Site of parts what Compile makes of the same input, without compiling its rules again. The listings are encoded, as
// they are in Input.
func (s *Site) Complete(listing, coded []byte) (*Site, error) {
	files, err := manifest.Open(listing)
	if err != nil {
		return nil, fmt.Errorf("complete site: %w", err)
	}
	whole := &Site{redirects: s.redirects, headers: s.headers, hints: s.hints}
	whole.hold(files)
	if err := whole.openListings(Input{Variants: coded}); err != nil {
		return nil, err
	}
	return whole, nil
}

func (s *Site) typeOf(no int) httpsem.MediaType {
	if s.types == nil {
		return httpsem.MediaTypeOf(s.files.PathAt(no))
	}
	return s.types[no]
}
