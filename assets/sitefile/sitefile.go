// Package sitefile reads berth.toml, the settings that a site brings along in the root of its own directory. It is pure:
// it knows no store and no file system, and what a setting means is for others to say.
package sitefile

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Where the file stands.
const (
	Name = "berth.toml"
	Path = "/" + Name // in a manifest
)

// MaxBytes bounds the file: what it can say takes three lines.
const MaxBytes = 64 << 10

// maxProblems bounds what one file is told about. A file with more is no settings file.
const maxProblems = 20

// Settings are what a file says. Nil: nothing.
type Settings struct {
	CORS           *bool          // cors: Access-Control-Allow-Origin: * on every file
	SkewProtection *bool          // skew_protection
	KeepAssets     *time.Duration // keep_assets: how long files of earlier deployments stay; 0 for "off"
}

// Options are the server's bounds.
type Options struct {
	// MaxKeep is the longest keep_assets. 0: any. Negative: the server keeps nothing.
	MaxKeep time.Duration
}

// Kind names a class of problems.
type Kind string

// What may be wrong with a file. Each makes the whole of it invalid: half of a site's settings are not its settings.
const (
	TooLarge   Kind = "too-large"
	BadTOML    Kind = "bad-toml"
	UnknownKey Kind = "unknown-key"
	BadValue   Kind = "bad-value"
	OverLimit  Kind = "over-limit"
)

// Problem is one mistake in a file.
type Problem struct {
	Line    int // from 1; 0: the whole file
	Kind    Kind
	Text    string // the offending text, shortened, printable, valid UTF-8
	Message string // what is wrong and what to write instead
}

// String is what a person reads: file, line, message, text.
func (p Problem) String() string {
	where := Name
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", Name, p.Line)
	}
	if p.Text == "" {
		return fmt.Sprintf("%s: %s (%s)", where, p.Message, p.Kind)
	}
	return fmt.Sprintf("%s: %s (%s: %q)", where, p.Message, p.Kind, p.Text)
}

// clip makes text fit for a terminal and for a log.
func clip(text string) string {
	const limit = 80
	if len(text) > limit {
		end := limit
		for end > limit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}
