package hostkey

import (
	"encoding/hex"
	"sync"

	"github.com/zeebo/blake3"
)

// Key is the first 16 bytes of BLAKE3 over a Host, keyed with the server's hostname-hash secret. Without the secret
// nobody can choose hosts whose keys collide or crowd one part of the store.
type Key [16]byte

// String returns the key in 32 lower-case hex digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Hasher makes keys. It is safe for concurrent use.
type Hasher struct {
	states sync.Pool // of *state
}

// state is a keyed hasher (11 KiB, and 3 µs to make, against 0.2 µs for hashing a host with one that exists) and the
// room for its sum, which would escape to the heap if it were a variable of Key.
type state struct {
	blake *blake3.Hasher
	sum   [32]byte
}

// NewHasher returns a Hasher for one secret.
func NewHasher(s Secret) *Hasher {
	h := &Hasher{}
	h.states.New = func() any {
		blake, err := blake3.NewKeyed(s[:])
		if err != nil {
			panic("hostkey: blake3 refuses a 32-byte key: " + err.Error())
		}
		return &state{blake: blake}
	}
	return h
}

// Key returns the key of a canonical host. It keeps nothing of host and allocates nothing but a new hasher
// when all are in use.
func (h *Hasher) Key(host Host) Key { return h.sum(string(host)) }

// QuestionKey is Key for one address of a host, all of which is of a request: of different ones no two are the same key. A route
// record has never one like it, since no host contains a zero byte.
func (h *Hasher) QuestionKey(host Host, port, path string) Key {
	return h.sum(string(host), "\x00", port, "\x00", path)
}

func (h *Hasher) sum(parts ...string) Key {
	st := h.states.Get().(*state)
	st.blake.Reset()
	for _, p := range parts {
		_, _ = st.blake.WriteString(p)
	}
	st.blake.Sum(st.sum[:0])
	k := Key(st.sum[:16])
	h.states.Put(st)
	return k
}
