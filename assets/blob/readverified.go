package blob

import (
	"errors"
	"fmt"
	"io"

	"berth/assets/manifest"
)

// verifyPiece is how much is hashed while the disk brings the next.
const verifyPiece = 256 << 10

// ReadVerified is ReadAll that checks the content too: bytes that are not those of the name are ErrCorrupt. What has come is hashed
// while the system reads ahead. To ask for the whole file first, or to read it in one go, takes longer: nothing is hashed meanwhile.
func (d *Dir) ReadVerified(g manifest.Digest, size int64) ([]byte, error) {
	f, err := d.Open(g, size)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only: nothing to lose
	b := make([]byte, f.Size())
	if len(b) > verifyPiece {
		prefault(b)
	}
	h := d.hashers.get()
	defer d.hashers.put(h)
	for at := 0; at < len(b); at += verifyPiece {
		piece := b[at:min(at+verifyPiece, len(b))]
		if n, err := f.ReadAt(piece, int64(at)); n < len(piece) {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: %d bytes, want %d", ErrCorrupt, at+n, len(b))
			}
			return nil, fmt.Errorf("read blob %s: %w", label(g), err)
		}
		_, _ = h.Write(piece) // never fails
	}
	var got manifest.Digest
	h.Sum(got[:0])
	if got != g {
		return nil, fmt.Errorf("read blob %s: %w: its %d bytes are %s", label(g), ErrCorrupt, len(b), label(got))
	}
	return b, nil
}
