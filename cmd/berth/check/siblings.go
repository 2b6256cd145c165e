package check

import (
	"context"
	"fmt"
	"os"

	"berth/assets/compress"
	"berth/assets/httpsem"
	"berth/cmd/berth/publish"
)

// siblings looks at what was compressed before the deployment: app.js.br beside app.js is sent in its place to who takes
// brotli, but only if it decodes to just that. One of another build is a file like any other, and nobody gets it.
func (c *checker) siblings() error {
	files := make(map[string]*publish.File, len(c.site.Files))
	for _, f := range c.site.Files {
		files[f.Path] = f
	}
	for _, f := range c.site.Files {
		e, base, ok := compress.SuffixOf(f.Path)
		if !ok {
			continue
		}
		of := files[base]
		switch {
		case of == nil && expected(e, base):
			c.warn(f.Path, SiblingAlone, "there is no %s that it is the %s of: it is a download of its own", base[1:], e)
			continue
		case of == nil:
			continue
		}
		same, err := decodesTo(c.ctx, f, e, of)
		if err != nil {
			return fmt.Errorf("compare %s with %s: %w", f.Disk, of.Disk, err)
		}
		switch {
		case !same:
			c.add(f.Path, SiblingDiffers, "it is not the %s of %s, which is sent without it: make it anew, or remove it", e, base[1:])
		case f.Size > of.Size:
			c.warn(f.Path, SiblingLarger, "it is larger than %s, which is sent without it", base[1:])
		}
	}
	return nil
}

// expected says whether a compressed file should have one beside it. An archive.tar.gz or a dump.gz is meant as it is;
// brotli is no format of archives.
func expected(e httpsem.Encoding, base string) bool {
	return e == httpsem.Brotli || httpsem.Compressible(httpsem.MediaTypeOf(base))
}

func decodesTo(ctx context.Context, coded *publish.File, e httpsem.Encoding, of *publish.File) (bool, error) {
	in, err := os.Open(coded.Disk)
	if err != nil {
		return false, err
	}
	defer in.Close() // read only: nothing to lose
	plain, err := os.Open(of.Disk)
	if err != nil {
		return false, err
	}
	defer plain.Close()
	return compress.Same(ctx, in, e, plain, of.Size)
}
