package edge

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zeebo/blake3"

	"berth/router/hostkey"
	"berth/store"
)

// pinCookie is host-only: it is set without a Domain.
const pinCookie = "berth_pin"

// A pin is 32 bytes in 43 characters of base64url:
//
//	deployment  8 bytes, big-endian
//	expiry      8 bytes, big-endian, Unix seconds
//	mac        16 bytes, the first of keyed BLAKE3 over pinDomain, deployment, expiry and host
//
// The host comes last because it alone has no fixed length.
const (
	pinDomain = "berth_pin 1\x00"
	pinSigned = 16
	pinBytes  = 32
	pinChars  = 43
	maxPins   = 4  // cookies of that name that are tried: a sibling host may have set one for the domain of both
	pinSteps  = 24 // an expiry is a multiple of the longest age divided by this
)

// pins makes and checks pins. It is safe for concurrent use.
type pins struct {
	maxAge   time.Duration
	encoding *base64.Encoding
	states   sync.Pool // of *pinState
}

// pinState is a keyed hasher, which costs more to make than to use, with the room that would escape to the heap otherwise.
type pinState struct {
	blake  *blake3.Hasher
	sum    [32]byte
	raw    [pinBytes]byte
	text   [pinChars]byte
	signed [len(pinDomain) + pinSigned]byte
}

func newPins(secret [32]byte, maxAge time.Duration) (*pins, error) {
	if _, err := blake3.NewKeyed(secret[:]); err != nil {
		return nil, fmt.Errorf("key of pins: %w", err)
	}
	// Strict: one pin has one spelling.
	p := &pins{maxAge: maxAge, encoding: base64.RawURLEncoding.Strict()}
	p.states.New = func() any {
		st := new(pinState)
		st.blake, _ = blake3.NewKeyed(secret[:]) // it did above
		copy(st.signed[:], pinDomain)
		return st
	}
	return p, nil
}

// sign writes the mac of the first bytes of raw into the rest of it.
func (st *pinState) sign(raw *[pinBytes]byte, host hostkey.Host) []byte {
	copy(st.signed[len(pinDomain):], raw[:pinSigned])
	st.blake.Reset()
	_, _ = st.blake.Write(st.signed[:])
	_, _ = st.blake.WriteString(string(host))
	return st.blake.Sum(st.sum[:0])[:pinBytes-pinSigned]
}

// appendCookie appends the value of a Set-Cookie field that pins a browser. The expiry is rounded down, so that one
// deployment's pin stays the same for a while: a new value would make browsers ask again for everything that varies on it.
func (p *pins) appendCookie(dst []byte, host hostkey.Host, no store.DeploymentNo, now time.Time, secure bool) []byte {
	step := max(int64(p.maxAge/time.Second)/pinSteps, 1)
	expiry := (now.Unix() + int64(p.maxAge/time.Second)) / step * step
	st := p.states.Get().(*pinState)
	binary.BigEndian.PutUint64(st.raw[:], uint64(no))
	binary.BigEndian.PutUint64(st.raw[8:], uint64(expiry))
	copy(st.raw[pinSigned:], st.sign(&st.raw, host))
	p.encoding.Encode(st.text[:], st.raw[:])
	dst = append(append(dst, pinCookie+"="...), st.text[:]...)
	p.states.Put(st)
	dst = strconv.AppendInt(append(dst, "; Max-Age="...), expiry-now.Unix(), 10)
	dst = append(dst, "; Path=/; HttpOnly; SameSite=Lax"...)
	if secure {
		dst = append(dst, "; Secure"...)
	}
	return dst
}

// find returns the deployment that a Cookie field pins on a host. Whatever is not a pin of ours, for this host and in its
// time, is passed over.
func (p *pins) find(cookies string, host hostkey.Host, now time.Time) (store.DeploymentNo, bool) {
	tried := 0
	for cookies != "" && tried < maxPins {
		var pair string
		pair, cookies, _ = strings.Cut(cookies, ";")
		value, ok := strings.CutPrefix(strings.Trim(pair, " \t"), pinCookie+"=")
		if !ok {
			continue
		}
		tried++
		if no, ok := p.check(value, host, now); ok {
			return no, true
		}
	}
	return 0, false
}

// check reads the value of one cookie. An expiry further away than any that is given out is from a server that allowed
// more than this one does.
func (p *pins) check(value string, host hostkey.Host, now time.Time) (store.DeploymentNo, bool) {
	if len(value) != pinChars {
		return 0, false
	}
	st := p.states.Get().(*pinState)
	defer p.states.Put(st)
	if n, err := p.encoding.Decode(st.raw[:], bytesOf(value)); err != nil || n != pinBytes {
		return 0, false
	}
	if subtle.ConstantTimeCompare(st.sign(&st.raw, host), st.raw[pinSigned:]) != 1 {
		return 0, false
	}
	expiry := binary.BigEndian.Uint64(st.raw[8:])
	if expiry <= uint64(now.Unix()) || expiry > uint64(now.Add(p.maxAge).Unix()) {
		return 0, false
	}
	return store.DeploymentNo(binary.BigEndian.Uint64(st.raw[:])), true
}
