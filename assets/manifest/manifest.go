// Package manifest holds the listing of one deployment: path to blob, in a canonical form whose digest is stable and
// whose look-up parses nothing.
package manifest

// Digest is the BLAKE3-256 of a blob's raw bytes. It is computed by us and is what blobs are named by.
type Digest [32]byte

// AssetKey is the client's name for a file: the first 16 bytes of BLAKE3(base64(content) + extension). It is a claim
// until somebody recomputed it (see ComputeAssetKey).
type AssetKey [16]byte

// CONTRACT: bodies are replaced by the implementation.

// Entry is one file of a deployment.
type Entry struct {
	Path   string // "/" and the file's path, raw UTF-8
	Digest Digest
	Key    AssetKey
	Size   int64
}

// Manifest is an opened listing: a view of its encoded bytes.
type Manifest struct{}

// Encode makes the canonical encoding of entries (in any order). Two equal sets give equal bytes. It refuses duplicate
// paths and paths that CheckPath refuses.
func Encode(entries []Entry) ([]byte, error) { panic("todo") }

// Open checks the encoding (cheaply: bounds and structure) and returns a view of b, which must not change afterwards.
func Open(b []byte) (*Manifest, error) { panic("todo") }

func (m *Manifest) Len() int       { panic("todo") }
func (m *Manifest) Bytes() []byte  { panic("todo") }
func (m *Manifest) Digest() Digest { panic("todo") } // BLAKE3 of Bytes

// At returns the i-th entry in path order; Path is a view.
func (m *Manifest) At(i int) Entry { panic("todo") }

// Lookup finds a path, exactly. No allocation, no parsing.
func (m *Manifest) Lookup(path string) (i int, ok bool) { panic("todo") }

// CheckPath says why a path cannot stand in a manifest: not "/…", over MaxPath bytes, NUL, invalid UTF-8, "." or ".." segments.
func CheckPath(path string) error { panic("todo") }

// Extension is Node's path.extname of the path's base name without the dot.
func Extension(path string) string { panic("todo") }

// ComputeAssetKey reads r to its end and returns the key that wrangler gives its bytes under that extension.
// (streaming base64 into BLAKE3; io.Reader error is returned)

// (d Digest) String() is 64 hex digits, ParseDigest its inverse; same for AssetKey with 32.
