package control

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"

	"github.com/zeebo/blake3"

	"berth/store"
)

// cursors name the place where the next page of a list begins. To clients they are 32 hex digits that mean nothing: what is inside is
// a number that nobody outside should rely on. A cursor stays good when what it was made from is deleted, and when the server restarts.
type cursors struct{ block cipher.Block }

const cursorContext = "berth 2026 cursor of a list of deployments"

func newCursors(key [32]byte) (cursors, error) {
	var derived [32]byte
	blake3.DeriveKey(cursorContext, key[:], derived[:])
	block, err := aes.NewCipher(derived[:])
	return cursors{block}, err
}

// after is a cursor that goes on behind a deployment of a project. One block and no nonce: equal places have equal cursors, which is as
// well, and a project's cursor opens for no other.
func (c cursors) after(p store.ProjectNo, no store.DeploymentNo) string {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(no))
	binary.BigEndian.PutUint32(b[8:], uint32(p))
	c.block.Encrypt(b[:], b[:])
	return hex.EncodeToString(b[:])
}

// open is the inverse; false for what after did not make.
func (c cursors) open(p store.ProjectNo, text string) (store.DeploymentNo, bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != aes.BlockSize {
		return 0, false
	}
	c.block.Decrypt(b, b)
	no := store.DeploymentNo(binary.BigEndian.Uint64(b))
	return no, no != 0 && binary.BigEndian.Uint32(b[8:]) == uint32(p) && binary.BigEndian.Uint32(b[12:]) == 0
}
