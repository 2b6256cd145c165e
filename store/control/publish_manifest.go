package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"

	"berth/assets/manifest"
)

// manifestFile is one line of the manifest that a client sends: what it calls the bytes, not yet what they are.
type manifestFile struct {
	Path string
	Key  manifest.AssetKey
}

// readManifest reads the JSON object path → key as a stream, and stops at the first thing that is wrong with it.
func readManifest(r io.Reader, maxFiles int) ([]manifestFile, error) {
	dec := json.NewDecoder(&utf8Reader{r: &tokenReader{r: r}})
	tok, err := dec.Token()
	if err != nil {
		return nil, manifestError(err)
	}
	if tok != json.Delim('{') {
		return nil, badManifest("it is not a JSON object")
	}
	var files []manifestFile
	seen := make(map[string]struct{})
	for dec.More() {
		if len(files) == maxFiles {
			return nil, refuse(http.StatusRequestEntityTooLarge, codeTooLarge, "the manifest names more than %d files, the limit of a deployment on this server", maxFiles)
		}
		f, err := readManifestFile(dec)
		if err != nil {
			return nil, err
		}
		if _, ok := seen[f.Path]; ok {
			return nil, badManifest("it names %.200q twice", f.Path)
		}
		seen[f.Path] = struct{}{}
		files = append(files, f)
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, manifestError(err)
	}
	switch _, err := dec.Token(); err {
	case io.EOF:
		return files, nil
	case nil:
		return nil, badManifest("something follows the JSON object")
	default:
		return nil, manifestError(err)
	}
}

func readManifestFile(dec *json.Decoder) (f manifestFile, err error) {
	name, err := dec.Token()
	if err != nil {
		return f, manifestError(err)
	}
	value, err := dec.Token()
	if err != nil {
		return f, manifestError(err)
	}
	f.Path = name.(string) // in an object the decoder gives nothing else here
	if err := manifest.CheckPath(f.Path); err != nil {
		return f, refuse(http.StatusBadRequest, codeBadRequest, "the manifest names a file that cannot be served: %v", err)
	}
	key, ok := value.(string)
	if !ok {
		return f, badManifest("the hash of %.200q is not a string", f.Path)
	}
	if f.Key, err = manifest.ParseAssetKey(key); err != nil {
		return f, badManifest("the hash of %.200q is %.80q, not 32 hexadecimal digits in lower case", f.Path, key)
	}
	return f, nil
}

func badManifest(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, codeBadRequest, "the manifest is malformed: %s", fmt.Sprintf(format, args...))
}

// manifestError keeps a refusal (a cap, a broken body) that came through the decoder.
func manifestError(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return badManifest("%v", err)
}

// maxToken bounds the bytes between two quotation marks of a manifest. The longest path takes less than half of it, with
// every character escaped.
const maxToken = 64 << 10

// tokenReader refuses a manifest in which a name, a number or white space goes on for ever. encoding/json would hold all
// of it in memory, and look at white space from its beginning again for each piece that comes: 32 MiB took it minutes.
type tokenReader struct {
	r   io.Reader
	n   int // bytes since the last quotation mark
	esc bool
}

func (t *tokenReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	for _, c := range p[:n] {
		if t.n++; c == '"' && !t.esc {
			t.n = 0
		}
		if t.n > maxToken {
			return 0, badManifest("%d bytes of it are neither a path nor a hash", t.n)
		}
		t.esc = c == '\\' // an escaped backslash before a mark hides that one, but never the next
	}
	return n, err
}

// utf8Reader refuses what is not UTF-8. encoding/json would replace it, and two files could become one.
type utf8Reader struct {
	r    io.Reader
	tail [utf8.UTFMax]byte // start of a character whose end is still to come
	n    int
}

func (u *utf8Reader) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if !u.check(p[:n]) || (err == io.EOF && u.n > 0) {
		return 0, badManifest("it is not valid UTF-8")
	}
	return n, err
}

func (u *utf8Reader) check(b []byte) bool {
	for u.n > 0 && len(b) > 0 {
		u.tail[u.n] = b[0]
		u.n++
		b = b[1:]
		if utf8.FullRune(u.tail[:u.n]) {
			if !utf8.Valid(u.tail[:u.n]) {
				return false
			}
			u.n = 0
		}
	}
	end := len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				end = len(b) - i
			}
			break
		}
	}
	if u.n > 0 {
		return true // b is used up
	}
	u.n = copy(u.tail[:], b[end:])
	return utf8.Valid(b[:end])
}
