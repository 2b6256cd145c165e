package compress

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// zstdFrame passes the bytes of one zstd frame on and refuses any behind it: the decoder by itself reads frame after
// frame and skips what is marked to be skipped. It reads the outlines of RFC 8878 §3.1.1 alone; what the blocks hold is
// for the decoder.
type zstdFrame struct {
	src      *bufio.Reader
	left     int64 // bytes of the current part that are not passed on yet
	last     bool  // the current part is in or behind the last block
	checksum bool  // there is one to pass on, behind the last block
}

var errFrame = errors.New("not a frame that browsers decode")

const (
	blockHeader  = 3
	checksumSize = 4
	typeRLE      = 1
	typeReserved = 3
)

// newZstdFrame reads the header of a frame that holds size bytes. A frame in a single segment has its size for a window.
func newZstdFrame(src *bufio.Reader, size int64) (*zstdFrame, error) {
	head, err := src.Peek(zstd.HeaderMaxSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return nil, err
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	switch {
	case h.Skippable || h.DictionaryID != 0 || window > zstdWindow:
		return nil, errFrame
	case h.HasFCS && h.FrameContentSize != uint64(size):
		return nil, errSize
	}
	return &zstdFrame{src: src, left: int64(h.HeaderSize), checksum: h.HasCheckSum}, nil
}

func (f *zstdFrame) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if f.left == 0 {
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n, err := f.src.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	return n, noEOF(err)
}

// next begins the next part: a block with its header, or the checksum.
func (f *zstdFrame) next() error {
	if f.last {
		if !f.checksum {
			return atEnd(f.src)
		}
		f.checksum, f.left = false, checksumSize
		return nil
	}
	b, err := f.src.Peek(blockHeader)
	if err != nil {
		return noEOF(err)
	}
	header := int64(b[0]) | int64(b[1])<<8 | int64(b[2])<<16
	content := header >> 3
	switch header >> 1 & 3 {
	case typeRLE:
		content = 1
	case typeReserved:
		return errFrame
	}
	f.last, f.left = header&1 != 0, blockHeader+content
	return nil
}
