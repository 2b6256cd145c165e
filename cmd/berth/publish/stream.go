package publish

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/zeebo/blake3"

	"berth/assets/manifest"
	"berth/cmd/berth/client"
)

// chunk is how much of a file is read at once: a multiple of three, so that base64 needs no carry.
const chunk = 48 << 10

// ErrChanged says that a file is not any more what was hashed.
var ErrChanged = errors.New("changed while it was being deployed")

// bodyOf is the body of an upload call: a JSON array, written as the files are read, so that a bucket of 40 MiB costs
// no memory. Its length is known beforehand because every file's size is.
func bodyOf(b *bucket, sent func(files int, bytes int64)) (*client.Body, error) {
	total := int64(len("[]") + len(b.files) - 1)
	tails := make([][]byte, len(b.files))
	for i, f := range b.files {
		tail, err := itemTail(f)
		if err != nil {
			return nil, err
		}
		tails[i] = tail
		total += int64(len(itemHead(f))+len(tail)) + base64Len(f.Size)
	}
	return &client.Body{
		ContentType: "application/json",
		Length:      total,
		Open: func() (io.ReadCloser, error) {
			return &stream{files: b.files, tails: tails, sent: sent, pending: []byte("[")}, nil
		},
	}, nil
}

// itemHead and itemTail are one item around its value, its members in wrangler's order.
func itemHead(f *File) string { return `{"key":"` + f.Key.String() + `","value":"` }

// The extension is ours: it saves the server guessing with what the key was made.
func itemTail(f *File) ([]byte, error) {
	metadata, err := json.Marshal(struct {
		ContentType string `json:"contentType"`
		Extension   string `json:"extension"`
	}{contentType(f.Path), manifest.Extension(f.Path)})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.Path, err)
	}
	return fmt.Appendf(nil, `","metadata":%s,"base64":true}`, metadata), nil
}

func base64Len(n int64) int64 { return (n + 2) / 3 * 4 }

// stream is the body. The transport may Close it while a Read is under way, hence the lock; it guards everything.
type stream struct {
	mu      sync.Mutex
	files   []*File
	tails   [][]byte
	sent    func(files int, bytes int64) // told what was handed over, in raw bytes
	pending []byte                       // to be read next; points into encoded, or a tail

	next   int // files begun; the open one is the last of them
	file   *os.File
	left   int64
	hasher *blake3.Hasher
	ended  bool
	err    error

	raw     [chunk]byte
	encoded [chunk / 3 * 4]byte
}

func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) == 0 {
		if s.err == nil {
			s.err = s.advance()
		}
		if s.err != nil {
			return 0, s.err
		}
	}
	n := copy(p, s.pending)
	s.pending = s.pending[n:]
	return n, nil
}

func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = os.ErrClosed
	}
	s.pending = nil
	if s.file != nil {
		_ = s.file.Close() // only read
		s.file = nil
	}
	return nil
}

// advance makes the next bytes pending.
func (s *stream) advance() error {
	switch {
	case s.file == nil && s.next == len(s.files) && s.ended:
		return io.EOF
	case s.file == nil && s.next == len(s.files):
		s.ended = true
		s.pending = []byte("]")
		return nil
	case s.file == nil:
		s.next++
		return fault(s.files[s.next-1], s.open())
	}
	return fault(s.files[s.next-1], s.more())
}

// fault names the file and keeps the error apart from the network's.
func fault(f *File, err error) error {
	if err == nil {
		return nil
	}
	return &client.BodyError{Err: fmt.Errorf("%s: %w", shown(f.Disk), err)}
}

func (s *stream) open() error {
	f := s.files[s.next-1]
	file, err := os.Open(f.Disk)
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrChanged, shownError(err))
	}
	s.file, s.left, s.hasher = file, f.Size, blake3.New()
	head := itemHead(f)
	if s.next > 1 {
		head = "," + head
	}
	s.pending = []byte(head)
	return nil
}

// more encodes the next chunk of the open file, or ends it.
func (s *stream) more() error {
	if s.left == 0 {
		return s.endFile()
	}
	n, err := io.ReadFull(s.file, s.raw[:min(int64(chunk), s.left)])
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%w: it is shorter now; deploy again when nothing writes to it", ErrChanged)
		}
		return err
	}
	s.left -= int64(n)
	s.pending = s.encoded[:base64.StdEncoding.EncodedLen(n)]
	base64.StdEncoding.Encode(s.pending, s.raw[:n])
	_, _ = s.hasher.Write(s.pending) // never fails
	s.sent(0, int64(n))
	return nil
}

// endFile proves that what was sent is what was hashed, before the item's last byte leaves: a body that breaks off is
// refused whole by the server, so a changed file never reaches it under the old key.
func (s *stream) endFile() error {
	f := s.files[s.next-1]
	if n, _ := s.file.Read(s.raw[:1]); n > 0 {
		return fmt.Errorf("%w: it is longer now; deploy again when nothing writes to it", ErrChanged)
	}
	_, _ = s.hasher.WriteString(manifest.Extension(f.Path))
	var key manifest.AssetKey
	copy(key[:], s.hasher.Sum(nil))
	if key != f.Key {
		return fmt.Errorf("%w: its content is another; deploy again when nothing writes to it", ErrChanged)
	}
	_ = s.file.Close() // only read
	s.file = nil
	s.pending = s.tails[s.next-1]
	s.sent(1, 0)
	return nil
}
