package hostkey

import (
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/zeebo/blake3"
)

func testSecret() (s Secret) {
	for i := range s {
		s[i] = byte(i)
	}
	return s
}

func keyByDefinition(t testing.TB, s Secret, h Host) (k Key) {
	t.Helper()
	blake, err := blake3.NewKeyed(s[:])
	if err != nil {
		t.Fatal(err)
	}
	_, _ = blake.WriteString(string(h))
	copy(k[:], blake.Sum(nil))
	return k
}

func TestKey(t *testing.T) {
	secret := testSecret()
	hasher := NewHasher(secret)
	for _, h := range []Host{"", "docs.pages.localhost", "::1", Host(name253), Host(strings.Repeat("x", 20000)), "docs.pages.localhost"} {
		if got, want := hasher.Key(h), keyByDefinition(t, secret, h); got != want {
			t.Errorf("key of %.40q is %v, want %v", h, got, want)
		}
	}
	other := secret
	other[31]++
	if NewHasher(other).Key("docs.pages.localhost") == hasher.Key("docs.pages.localhost") {
		t.Error("the key does not depend on the secret")
	}
}

// The key is stored: a change of it loses every route.
func TestKeyNeverChanges(t *testing.T) {
	const want = "3b249f793c4d1fb619afc3ccd1eff8da"
	if got := NewHasher(testSecret()).Key("docs.pages.localhost").String(); got != want {
		t.Errorf("key = %s, want %s", got, want)
	}
}

func TestKeyConcurrently(t *testing.T) {
	secret := testSecret()
	hasher := NewHasher(secret)
	var wg sync.WaitGroup
	for g := range 8 {
		host := Host(fmt.Sprintf("host-%d.example", g))
		want := keyByDefinition(t, secret, host)
		wg.Go(func() {
			for range 500 {
				if got := hasher.Key(host); got != want {
					t.Errorf("key of %q is %v, want %v", host, got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestSecretIsHidden(t *testing.T) {
	secret := testSecret()
	for _, verb := range []string{"%v", "%x", "%s", "%d", "%+v", "%#v", "%q"} {
		got := fmt.Sprintf(verb, secret) + fmt.Sprintf(verb, &secret)
		if strings.Contains(got, hex.EncodeToString(secret[8:16])) || strings.Contains(got, "8 9 10") || strings.Contains(got, "0x9") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	hasher := NewHasher(testSecret())
	b.ReportAllocs()
	for b.Loop() {
		hasher.Key("2b469e16.docs.pages.localhost")
	}
}

func BenchmarkKeyParallel(b *testing.B) {
	hasher := NewHasher(testSecret())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			hasher.Key("2b469e16.docs.pages.localhost")
		}
	})
}
