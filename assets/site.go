package assets

import (
	"fmt"
	"unsafe"

	"berth/assets/hints"
	"berth/assets/httpsem"
	"berth/assets/manifest"
	"berth/assets/rules"
	"berth/assets/variants"
)

// Site is a compiled deployment: immutable, safe for concurrent use.
type Site struct {
	files    *manifest.Manifest
	types    []httpsem.MediaType // of each entry of files
	notFound notFoundTree
	index    int // entry of /index.html, which is the SPA's shell; -1: there is none

	redirects *rules.Redirects  // nil: none
	headers   *rules.Headers    // so here and below
	hints     *hints.Listing    // of each page, the Link field
	variants  *variants.Listing // of each file, its stored content codings
}

// Input is what a Site is compiled from.
type Input struct {
	Manifest  []byte        // encoded; the Site keeps it, as it does Hints and Variants
	Headers   []byte        // the file _headers; empty: none
	Redirects []byte        // the file _redirects; empty: none
	Hints     []byte        // encoded links of pages (package hints); empty: none
	Variants  []byte        // encoded content codings of files (package variants); empty: none
	Rules     *Rules        // not nil: instead of Headers and Redirects
	Limits    rules.Options // of the rule files
}

// Compile checks the input and makes a Site. Its error means that a listing is corrupt, not that a user erred: what is
// wrong with a rule file was reported when it was deployed, and its other lines count.
func Compile(in Input) (*Site, error) {
	files, err := manifest.Open(in.Manifest)
	if err != nil {
		return nil, fmt.Errorf("compile site: %w", err)
	}
	s := new(Site)
	s.hold(files)
	s.compileRules(in)
	if err := s.openListings(in); err != nil {
		return nil, err
	}
	return s, nil
}

// hold takes a listing of files with what follows from it.
func (s *Site) hold(files *manifest.Manifest) {
	s.files, s.types, s.notFound, s.index = files, typesOf(files), newNotFoundTree(files), -1
	if i, ok := files.Lookup("/index.html"); ok {
		s.index = i
	}
}

// compileRules takes those of in.Rules, or compiles them.
func (s *Site) compileRules(in Input) {
	if in.Rules == nil {
		in.Rules = CompileRules(in.Headers, in.Redirects, in.Limits)
	}
	s.redirects, s.headers = in.Rules.redirects, in.Rules.headers
}

// Rules are a site's compiled rule files: immutable, safe for concurrent use.
type Rules struct {
	redirects *rules.Redirects
	headers   *rules.Headers
}

// CompileRules makes what Compile makes of the two files, for those who have them before they have the listings.
func CompileRules(headers, redirects []byte, limits rules.Options) *Rules {
	r := new(Rules)
	if len(headers) > 0 {
		r.headers = rules.CompileHeaders(headers, limits)
	}
	if len(redirects) > 0 {
		r.redirects = rules.CompileRedirects(redirects, limits)
	}
	return r
}

func (s *Site) openListings(in Input) (err error) {
	if len(in.Hints) > 0 {
		if s.hints, err = hints.Open(in.Hints, s.files.Len()); err != nil {
			return fmt.Errorf("compile site: %w", err)
		}
	}
	if len(in.Variants) > 0 {
		if s.variants, err = variants.Open(in.Variants, s.files.Len()); err != nil {
			return fmt.Errorf("compile site: %w", err)
		}
	}
	return nil
}

// Weight is the memory the Site holds, in bytes.
func (s *Site) Weight() int64 {
	return int64(unsafe.Sizeof(*s)+unsafe.Sizeof(*s.files)) + int64(s.files.Size()) +
		int64(s.files.Len())*int64(unsafe.Sizeof(httpsem.MediaType(0))) + s.notFound.weight() +
		s.redirects.Weight() + s.headers.Weight() + s.hints.Weight() + s.variants.Weight()
}

// Files is the listing that the Site was compiled from.
func (s *Site) Files() *manifest.Manifest { return s.files }

// Variants says in which content codings the files are stored; nil: in none.
func (s *Site) Variants() *variants.Listing { return s.variants }

// Redirects is the compiled file _redirects; nil: there is none.
func (s *Site) Redirects() *rules.Redirects { return s.redirects }
