package manifest

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/zeebo/blake3"
)

// Digest is the BLAKE3-256 of a blob's raw bytes. It is computed by us and is what blobs are named by.
type Digest [32]byte

// AssetKey is the client's name for a file: the first 16 bytes of BLAKE3(base64(content) + extension). It is a claim
// until somebody recomputed it (see ComputeAssetKey).
type AssetKey [16]byte

// ErrName says that a string is not the lower-case hex of a digest or of an asset key.
var ErrName = errors.New("manifest: not a lower-case hexadecimal name")

// DigestOf is the digest of b.
func DigestOf(b []byte) Digest { return blake3.Sum256(b) }

// String is 64 lower-case hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// String is 32 lower-case hex digits.
func (k AssetKey) String() string { return hex.EncodeToString(k[:]) }

// ParseDigest is the inverse of Digest.String. It takes no other spelling, so that a name has one only.
func ParseDigest(s string) (d Digest, err error) { return d, parseHex(d[:], s) }

// ParseAssetKey is the inverse of AssetKey.String, as strict.
func ParseAssetKey(s string) (k AssetKey, err error) { return k, parseHex(k[:], s) }

func parseHex(dst []byte, s string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("%w: %d characters, want %d", ErrName, len(s), 2*len(dst))
	}
	for i := range dst {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return fmt.Errorf("%w: %q", ErrName, s)
		}
		dst[i] = hi<<4 | lo
	}
	return nil
}

func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	default:
		return 0xff
	}
}

const keyChunk = 48 << 10 // a multiple of 3: base64 of each chunk but the last has no padding

// keyer is the state of one asset key under way, 112 KiB with its buffers; hence pooled.
type keyer struct {
	hash *blake3.Hasher
	raw  [keyChunk]byte
	text [keyChunk / 3 * 4]byte
}

var keyers = sync.Pool{New: func() any { return &keyer{hash: blake3.New()} }}

// ComputeAssetKey reads r to its end and returns the key that wrangler gives its bytes under the extension (Extension
// of the path, case kept). Memory is bounded whatever r's length. A read error is returned as it is, wrapped.
func ComputeAssetKey(r io.Reader, ext string) (AssetKey, error) {
	k := keyers.Get().(*keyer)
	defer keyers.Put(k)
	k.hash.Reset()
	for {
		n, err := io.ReadFull(r, k.raw[:])
		k.add(k.raw[:n])
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return k.finish(ext), nil
		case err != nil:
			return AssetKey{}, fmt.Errorf("compute asset key: %w", err)
		}
	}
}

// AssetKeyOf is ComputeAssetKey for bytes in memory.
func AssetKeyOf(b []byte, ext string) AssetKey {
	k := keyers.Get().(*keyer)
	defer keyers.Put(k)
	k.hash.Reset()
	for len(b) > keyChunk {
		k.add(b[:keyChunk])
		b = b[keyChunk:]
	}
	k.add(b)
	return k.finish(ext)
}

func (k *keyer) add(raw []byte) {
	n := base64.StdEncoding.EncodedLen(len(raw))
	base64.StdEncoding.Encode(k.text[:n], raw)
	k.hash.Write(k.text[:n]) // never fails
}

func (k *keyer) finish(ext string) AssetKey {
	k.hash.WriteString(ext)
	var sum Digest
	k.hash.Sum(sum[:0])
	return AssetKey(sum[:16])
}

// KeyText computes the asset keys of one content from its base64 text, for one extension after the other.
type KeyText struct{ text, whole *blake3.Hasher }

// NewKeyText makes one without a text.
func NewKeyText() *KeyText { return &KeyText{blake3.New(), blake3.New()} }

// Reset forgets the text.
func (k *KeyText) Reset() { k.text.Reset() }

// Write goes on with the text: standard base64, padded. It never fails.
func (k *KeyText) Write(p []byte) (int, error) { return k.text.Write(p) }

// Key is the key of the text so far under an extension.
func (k *KeyText) Key(ext string) AssetKey {
	*k.whole = *k.text // as its Clone does, without making another one
	_, _ = k.whole.WriteString(ext)
	var sum Digest
	k.whole.Sum(sum[:0])
	return AssetKey(sum[:16])
}
