package hostkey

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/zeebo/blake3"
)

func ExampleAlias() {
	for _, branch := range []string{"main", "feat/Login", "feat-login", "deadbeef", "日本"} {
		exact, plain := Alias(branch)
		fmt.Printf("%s: exact %s, plain %q\n", branch, exact, plain)
	}
	// Output:
	// main: exact main, plain ""
	// feat/Login: exact feat-login-d2ddfc, plain "feat-login"
	// feat-login: exact feat-login, plain ""
	// deadbeef: exact deadbeef-d91e16, plain ""
	// 日本: exact branch-fb52b4, plain ""
}

// A branch named like another branch's exact label cannot take it.
func ExampleAlias_reserved() {
	theirs, _ := Alias("feat/Login")
	exact, plain := Alias(theirs)
	fmt.Printf("%s: exact %s, plain %q\n", theirs, exact, plain)
	// Output: feat-login-d2ddfc: exact feat-login-d2ddfc-bdac4e, plain ""
}

func ExampleCanonical() {
	h, _ := Canonical("Bücher.Example.:8080")
	fmt.Println(h)
	// Output: xn--bcher-kva.example
}

func suffix(branch string) string {
	sum := blake3.Sum256([]byte(branch))
	return "-" + hex.EncodeToString(sum[:])[:6]
}

func TestAlias(t *testing.T) {
	long := strings.Repeat("abcdefghi-", 10)
	for _, tt := range []struct{ name, branch, stem, plain string }{
		{"own label", "main", "main", ""},
		{"own label, digits", "v2", "v2", ""},
		{"own label, 63", label(63), label(63), ""},
		{"own label, 7 hex digits", "deadbee", "deadbee", ""},
		{"own label, 9 hex digits", "deadbeef0", "deadbeef0", ""},
		{"own label, 8 digits, not hex", "deadbeeg", "deadbeeg", ""},
		{"own label, 5 hex digits after the hyphen", "fix-12345", "fix-12345", ""},
		{"own label, 7 hex digits after the hyphen", "fix-1234567", "fix-1234567", ""},
		{"own label, 6 hex digits without a hyphen", "abc123", "abc123", ""},
		{"changed, case", "Main", "main#", "main"},
		{"changed, slash", "feat/Login", "feat-login#", "feat-login"},
		{"changed, run", "a--b", "a-b#", "a-b"},
		{"changed, mixed run", "a/_é-b", "a-b#", "a-b"},
		{"changed, trimmed", "-a-", "a#", "a"},
		{"changed, dots", "release/1.2.3", "release-1-2-3#", "release-1-2-3"},
		{"changed, A-label", "xn--bcher-kva", "xn-bcher-kva#", "xn-bcher-kva"},
		{"changed, NUL and bad UTF-8", "a\x00\xffb", "a-b#", "a-b"},
		{"changed, Kelvin sign is no k", "\u212aey", "ey#", "ey"},
		{"cut", label(64), label(56) + "#", label(63)},
		{"cut at a hyphen", label(55) + "-zzzzzz-z", label(55) + "#", label(55) + "-zzzzzz"},
		{"cut and changed", "X/" + long, ("x-" + long)[:56] + "#", ("x-" + long)[:63]},
		{"emptied", "日本", "branch#", ""},
		{"emptied, hyphens", "---", "branch#", ""},
		{"empty", "", "branch#", ""},
		{"named like the stem", "branch", "branch", ""},
		{"8 hex digits", "2b469e16", "2b469e16#", ""},
		{"becomes 8 hex digits", "DEADBEEF", "deadbeef#", ""},
		{"like an exact label", "feat-login-8f2c41", "feat-login-8f2c41#", ""},
		{"becomes like an exact label", "fix/ABC123", "fix-abc123#", ""},
		{"cut to be like an exact label", label(56) + "-abc123-more", label(56) + "#", ""},
	} {
		want := tt.stem
		if stem, ok := strings.CutSuffix(tt.stem, "#"); ok {
			want = stem + suffix(tt.branch)
		}
		exact, plain := Alias(tt.branch)
		if exact != want || plain != tt.plain {
			t.Errorf("%s: Alias(%q) = %q, %q; want %q, %q", tt.name, tt.branch, exact, plain, want, tt.plain)
		}
	}
}

var (
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	hexLabel   = regexp.MustCompile(`^[0-9a-f]{8}$`)
	exactLabel = regexp.MustCompile(`-[0-9a-f]{6}$`)
)

func FuzzAlias(f *testing.F) {
	for _, s := range [][2]string{
		{"main", "Main"}, {"feat/Login", "feat-login"}, {"2b469e16", "2B469E16"}, {"", "---"}, {"feat-login-8f2c41", "feat/login-8f2c41"},
		{label(64), label(65)}, {"日本", "語"}, {"branch", "日本"}, {"a--b", "a-b"}, {label(56) + "-abc123", label(56) + "-abc123x"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		exactA, plainA := Alias(a)
		exactB, plainB := Alias(b)
		for _, l := range []string{exactA, plainA, exactB, plainB} {
			if l == "" && (l == exactA || l == exactB) {
				t.Fatalf("no exact label for %q or %q", a, b)
			}
			if l != "" && (!dnsLabel.MatchString(l) || hexLabel.MatchString(l) || strings.Contains(l, "--")) {
				t.Fatalf("label %q of %q or %q", l, a, b)
			}
		}
		if exactLabel.MatchString(plainA) || plainA == exactA {
			t.Fatalf("Alias(%q) = %q, %q", a, exactA, plainA)
		}
		if (exactA == a) == exactLabel.MatchString(exactA) || exactA == a && plainA != "" {
			t.Fatalf("Alias(%q) = %q, %q", a, exactA, plainA)
		}
		if a != b && exactA == exactB && suffix(a) != suffix(b) {
			t.Fatalf("%q and %q share %q", a, b, exactA)
		}
		// A host made of any of them is canonical as it is.
		if h, err := Canonical(exactA + ".docs.pages.localhost"); err != nil || string(h) != exactA+".docs.pages.localhost" {
			t.Fatalf("host of %q: %q, %v", a, h, err)
		}
	})
}
