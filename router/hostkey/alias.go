package hostkey

import (
	"encoding/hex"
	"strings"

	"github.com/zeebo/blake3"
)

const (
	hashDigits  = 6
	suffixLen   = len("-") + hashDigits
	uuidDigits  = 8        // a deployment's label: the first digits of its UUID
	emptiedStem = "branch" // stands for a name of which nothing is left, such as "日本" or "---"
)

// Alias returns the host labels of a branch: exact, which is that branch's alone, and plain, a second one that it would
// like if no other branch of the project has it ("" for none). It is a published, pure function: anyone can compute the
// host of a branch before its first deployment. Every label it returns is a DNS label of a-z, 0-9 and single hyphens.
//
// The slug of a branch is its name with A-Z made lower case, every run of bytes other than a-z and 0-9 replaced by one
// '-', and '-' trimmed from both ends. Its plain form is the slug cut to 63 characters, with '-' trimmed from the end again.
// A label is reserved if it is 8 hex digits (a deployment's label) or ends in '-' and six hex digits (an exact label).
//
//   - If the name equals its own plain form and is not reserved, exact is the name, and plain is "".
//   - Otherwise exact is the slug cut to 56 characters, with '-' trimmed from the end ("branch" if the slug is empty), then '-',
//     then the first six hex digits, in lower case, of the BLAKE3 hash of the name's bytes; plain is the plain form,
//     or "" if that is empty or reserved.
//
// Exact labels of the first sort are never reserved, and those of the second always are; so two branches have the same one only if
// both are of the second sort, their cut slugs are equal, and so are 24 bits of their hashes. Who writes aliases must check
// for that, as for any label taken.
func Alias(branch string) (exact, plain string) {
	s := slug(branch)
	plain = cut(s, maxLabel)
	if reserved(plain) {
		plain = ""
	}
	if plain == branch && branch != "" {
		return branch, ""
	}
	stem := cut(s, maxLabel-suffixLen)
	if stem == "" {
		stem = emptiedStem
	}
	sum := blake3.Sum256([]byte(branch))
	return stem + "-" + hex.EncodeToString(sum[:hashDigits/2]), plain
}

// slug lowers ASCII only: what Unicode calls lower case changes with its version, and this function must not.
func slug(branch string) string {
	var b strings.Builder
	gap := false
	for i := range len(branch) {
		c := branch[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if !labelByte(c) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteByte(c)
		if b.Len() > maxLabel {
			break // one more than any label can use: cut sees that there was more
		}
	}
	return b.String()
}

func cut(slug string, n int) string {
	return strings.TrimRight(slug[:min(len(slug), n)], "-")
}

// reserved reports whether a label looks like a deployment's, or like an exact label that ends in a hash.
func reserved(label string) bool {
	if len(label) == uuidDigits && allHex(label) {
		return true
	}
	at := len(label) - suffixLen
	return at >= 0 && label[at] == '-' && allHex(label[at+1:])
}
