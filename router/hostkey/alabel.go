package hostkey

import (
	"strings"
	"unicode"
)

// acePrefix marks an A-label (RFC 5890 section 2.3.2.1).
const acePrefix = "xn--"

// validALabels reports whether every A-label of the lower-case ASCII name s is one that UTS #46 processing lets stand.
// The package idna answers that with a dozen allocations, so names in the commonest scripts are decided without it.
func validALabels(s string) bool {
	if plainALabels(s) {
		return true
	}
	mapped, err := browsers.ToASCII(s)
	return err == nil && mapped == s
}

func plainALabels(s string) bool {
	for rest, more := s, true; more; {
		var label string
		label, rest, more = strings.Cut(rest, ".")
		if encoded, ok := strings.CutPrefix(label, acePrefix); ok && !plainPunycode(encoded) {
			return false
		}
	}
	return true
}

// Parameters of Punycode (RFC 3492 section 5).
const (
	base        = 36
	tMin        = 1
	tMax        = 26
	skew        = 38
	damp        = 700
	initialBias = 72
	initialRune = 0x80
)

// plainPunycode reports whether encoded is Punycode for a label that has at least one character beyond ASCII and only plain
// ones (see plainRune). False means "ask idna", not "invalid". Where a plain character stands does not matter, so the
// decoder of RFC 3492 section 6.2 runs without building the label.
func plainPunycode(encoded string) bool {
	digits, length := encoded, int64(0)
	if cut := strings.LastIndexByte(encoded, '-'); cut >= 0 {
		// A label that decodes to another A-label is refused by UTS #46; leave that to idna.
		if cut == 0 || strings.HasPrefix(encoded, acePrefix) {
			return false
		}
		digits, length = encoded[cut+1:], int64(cut)
	}
	if digits == "" {
		return false
	}
	r, i, bias := int64(initialRune), int64(0), int64(initialBias)
	for first := true; digits != ""; first = false {
		delta, n := punycodeInt(digits, bias)
		if n == 0 {
			return false
		}
		digits = digits[n:]
		length++
		bias = adapt(delta, length, first)
		i += delta
		r += i / length
		i = i%length + 1
		if r > unicode.MaxRune || !plainRune(rune(r)) {
			return false
		}
	}
	return true
}

// punycodeInt decodes one generalised variable-length integer (RFC 3492 section 3.3) and returns how many digits it
// took, 0 if it is none or too large to mean anything.
func punycodeInt(digits string, bias int64) (value int64, n int) {
	weight := int64(1)
	for k := int64(base); n < len(digits); k += base {
		digit := digitValue(digits[n])
		n++
		if digit < 0 || value > 1<<32 || weight > 1<<32 {
			return 0, 0
		}
		value += digit * weight
		threshold := min(max(k-bias, tMin), tMax)
		if digit < threshold {
			return value, n
		}
		weight *= base - threshold
	}
	return 0, 0
}

func digitValue(c byte) int64 {
	switch {
	case 'a' <= c && c <= 'z':
		return int64(c - 'a')
	case '0' <= c && c <= '9':
		return int64(c-'0') + 26
	}
	return -1
}

// adapt is the bias adaptation of RFC 3492 section 6.1.
func adapt(delta, length int64, first bool) int64 {
	if first {
		delta /= damp
	} else {
		delta /= 2
	}
	delta += delta / length
	k := int64(0)
	for ; delta > (base-tMin)*tMax/2; k += base {
		delta /= base - tMin
	}
	return k + (base-tMin+1)*delta/(delta+skew)
}

// plainRune reports whether r may stand anywhere in a label: UTS #46 maps it to itself, its Bidi class is L, it is not a
// combining mark, and no neighbour in this set composes with it, so that NFC leaves it alone. The set holds
// the letters of most European and East Asian names; the test checks each against idna.
func plainRune(r rune) bool {
	switch {
	case r < 0x100:
		return r >= 0xDF && r != 0xF7 // ß to ÿ without ÷
	case r < 0x17F: // Latin Extended-A: the capitals are mapped, and so are the ligature, the dotted l and ŉ
		return unicode.IsLower(r) && r != 0x133 && r != 0x140 && r != 0x149
	case r < 0x400:
		return r >= 0x3AC && r <= 0x3CE // Greek
	case r < 0x3000:
		return r >= 0x430 && r <= 0x45F // Cyrillic
	case r < 0x4E00:
		return r >= 0x3041 && r <= 0x3096 || r >= 0x30A1 && r <= 0x30FA || r == 0x30FC // kana
	case r < 0xAC00:
		return r <= 0x9FA5 // Han
	default:
		return r <= 0xD7A3 // Hangul syllables
	}
}
