package control

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"berth/store"
)

// sealer keeps the values of environment variables unreadable at rest: AES-256-GCM with a random nonce. What a value
// belongs to is authenticated with it, so that one moved to another project, environment, name or type does not open.
type sealer struct {
	aead cipher.AEAD
	rand io.Reader
}

const sealVersion = 1

// errSealed says that a stored value does not open: the sealing key is not the one it was sealed with, or it was changed.
var errSealed = errors.New("control: a sealed value does not open with this server's sealing key")

func newSealer(key [32]byte, rand io.Reader) (sealer, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCM(block)
	return sealer{aead, rand}, err
}

// place is what a sealed value belongs to.
type place struct {
	project store.UUID
	env     store.Environment
	kind    string // its type
	name    string
}

// bytes is unambiguous: the type has no NUL, and only the last part has no fixed length or end.
func (p place) bytes() []byte {
	b := append([]byte("berth env var\x00"), p.project[:]...)
	b = append(b, byte(p.env))
	b = append(b, p.kind...)
	b = append(b, 0)
	return append(b, p.name...)
}

// seal returns the version, the nonce and the ciphertext.
func (s sealer) seal(p place, value string) ([]byte, error) {
	n := s.aead.NonceSize()
	out := make([]byte, 1+n, 1+n+len(value)+s.aead.Overhead())
	out[0] = sealVersion
	if _, err := io.ReadFull(s.rand, out[1:]); err != nil {
		return nil, fmt.Errorf("draw a nonce: %w", err)
	}
	return s.aead.Seal(out, out[1:], []byte(value), p.bytes()), nil
}

func (s sealer) open(p place, sealed []byte) (string, error) {
	n := s.aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != sealVersion {
		return "", errSealed
	}
	value, err := s.aead.Open(nil, sealed[1:1+n], sealed[1+n:], p.bytes())
	if err != nil {
		return "", errSealed
	}
	return string(value), nil
}
