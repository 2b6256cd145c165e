package control

import (
	"bytes"
	"encoding/base64"
	"io"
)

// base64Stream decodes padded standard base64, strictly, as it comes in pieces.
type base64Stream struct {
	dst   io.Writer
	limit int64 // of decoded bytes
	n     int64 // decoded so far
	carry [4]byte
	held  int  // bytes in carry
	ended bool // padding was read: nothing may follow
	out   []byte
	enc   *base64.Encoding
}

const (
	base64Chunk  = 32 << 10 // decoded at once
	errNotBase64 = jsonError("value is not padded standard base64")
)

func newBase64Stream() *base64Stream {
	return &base64Stream{out: make([]byte, base64Chunk), enc: base64.StdEncoding.Strict()}
}

// reset starts a new text.
func (b *base64Stream) reset(dst io.Writer, limit int64) {
	b.dst, b.limit, b.n, b.held, b.ended = dst, limit, 0, 0, false
}

// errFileTooLarge says that the decoded bytes are more than the limit.
const errFileTooLarge = jsonError("the file is too large")

func (b *base64Stream) take(p []byte) error {
	// encoding/base64 skips line breaks. JSON has them as escapes only, and no client breaks lines.
	if bytes.IndexByte(p, '\n') >= 0 || bytes.IndexByte(p, '\r') >= 0 {
		return errNotBase64
	}
	for b.held > 0 && b.held < 4 && len(p) > 0 {
		b.carry[b.held] = p[0]
		b.held++
		p = p[1:]
	}
	if b.held == 4 {
		b.held = 0
		if err := b.decode(b.carry[:]); err != nil {
			return err
		}
	}
	const most = base64Chunk / 3 * 4
	for whole := len(p) / 4 * 4; whole > 0; whole = len(p) / 4 * 4 {
		chunk := p[:min(whole, most)]
		if err := b.decode(chunk); err != nil {
			return err
		}
		p = p[len(chunk):]
	}
	if len(p) > 0 {
		b.held = copy(b.carry[:], p)
	}
	return nil
}

// decode writes the bytes of whole groups of four characters.
func (b *base64Stream) decode(p []byte) error {
	if b.ended {
		return errNotBase64
	}
	n, err := b.enc.Decode(b.out, p)
	if err != nil {
		return errNotBase64
	}
	b.ended = n != len(p)/4*3
	if b.n += int64(n); b.n > b.limit {
		return errFileTooLarge
	}
	_, err = b.dst.Write(b.out[:n])
	return err
}

// finish checks that no group is incomplete.
func (b *base64Stream) finish() error {
	if b.held != 0 {
		return errNotBase64
	}
	return nil
}
