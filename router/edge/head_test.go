package edge

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestFirstControl is against a look at each byte, with those in it that could be taken for others.
func TestFirstControl(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	some := []byte{0, 0x09, '\n', '\r', 0x1f, ' ', '!', 'a', 'a', 'a', 'a', 'a', '~', 0x7e, 0x7f, 0x80, 0x9f, 0xa0, 0xfe, 0xff, 0xff}
	for range 200_000 {
		b := make([]byte, rng.IntN(70))
		from := some[rng.IntN(15):] // of few texts has the first character to be a control character
		for i := range b {
			b[i] = from[rng.IntN(len(from))]
		}
		want := 0
		for ; want < len(b) && b[want] >= 0x20 && b[want] != 0x7f; want++ {
		}
		if got := firstControl(b); got != want {
			t.Fatalf("%d, want %d: %q", got, want, b)
		}
	}
}

// TestNameIs tries each character that a token may have in each place of each length.
func TestNameIs(t *testing.T) {
	for _, lower := range []string{"host", "range", "cookie", "referer", "if-match", "sec-fetch", "user-agent", "sec-purpose", "authorization", "sec-fetch-dest",
		"accept-encoding", "transfer-encodin", "transfer-encoding", "something-with-two-parts"} {
		for at := range len(lower) {
			for c := range inTokens {
				name := bytes.ToUpper([]byte(lower))
				if at%2 == 0 {
					name = []byte(lower)
				}
				if name[at] = byte(c); !inTokens[c] {
					continue
				}
				if got, want := nameIs(name, lower), foldEqual(name, lower); got != want {
					t.Errorf("%q is %q: %v, want %v", name, lower, got, want)
				}
			}
		}
	}
}
