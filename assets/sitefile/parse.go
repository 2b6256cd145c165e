package sitefile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Parse reads a file. It is strict: settings come back only if there is nothing wrong with any of it. Problems are in
// the order of their lines, the first 20 of them.
func Parse(text []byte, o Options) (Settings, []Problem) {
	if problems := CheckSize(int64(len(text))); problems != nil {
		return Settings{}, problems
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors begin every file with it
	// The decoder knows all of TOML's rules (a key twice, say); the parser below knows where each key stands.
	var whole map[string]any
	if err := toml.Unmarshal(text, &whole); err != nil {
		return Settings{}, []Problem{badTOML(err)}
	}
	r := reader{options: o}
	if err := r.read(text); err != nil {
		return Settings{}, []Problem{badTOML(err)}
	}
	if len(r.problems) > 0 {
		return Settings{}, r.problems
	}
	return r.settings, nil
}

// CheckSize is what Parse says of a file of n bytes before it reads any, for those who would not read more than that.
func CheckSize(n int64) []Problem {
	if n <= MaxBytes {
		return nil
	}
	return []Problem{{Kind: TooLarge, Message: fmt.Sprintf("the file has %d bytes; the limit is %d: it holds settings, nothing else", n, MaxBytes)}}
}

func badTOML(err error) Problem {
	p := Problem{Kind: BadTOML, Message: "not TOML: " + clip(strings.TrimPrefix(err.Error(), "toml: ")) + `: write lines such as cors = false or keep_assets = "3d"`}
	if at := (*toml.DecodeError)(nil); errors.As(err, &at) {
		p.Line, _ = at.Position()
	}
	return p
}

type reader struct {
	options  Options
	settings Settings
	problems []Problem
}

func (r *reader) read(text []byte) error {
	var p unstable.Parser
	p.Reset(text)
	for len(r.problems) < maxProblems && p.NextExpression() {
		node := p.Expression()
		key := node.Key()
		key.Next()
		at := place{p: &p, key: key.Node()}
		switch name := join(node.Key()); node.Kind {
		case unstable.KeyValue:
			r.set(at, name, node.Value())
		default:
			// Above all the configuration of the berth command, which has tables and often this name.
			r.add(at, UnknownKey, name, "the table [%s] means nothing in a site's settings, which are %s; a configuration for --config does not belong into the directory that is deployed", clip(name), names())
			return nil // whatever follows is in that table, or in another
		}
	}
	return p.Error()
}

// place is where a key stands. Its line is counted only for problems: that takes reading the text from its beginning.
type place struct {
	p   *unstable.Parser
	key *unstable.Node
}

func (r *reader) add(at place, kind Kind, text, format string, args ...any) {
	r.problems = append(r.problems, Problem{
		Line: at.p.Shape(at.key.Raw).Start.Line, Kind: kind, Text: clip(text), Message: fmt.Sprintf(format, args...),
	})
}

func join(key unstable.Iterator) string {
	var parts []string
	for key.Next() {
		parts = append(parts, string(key.Node().Data))
	}
	return strings.Join(parts, ".")
}

const (
	keyCORS = "cors"
	keySkew = "skew_protection"
	keyKeep = "keep_assets"
)

func names() string { return keyCORS + ", " + keySkew + " and " + keyKeep }

func (r *reader) set(at place, name string, v *unstable.Node) {
	switch name {
	case keyCORS:
		r.settings.CORS = r.bool(at, name, v)
	case keySkew:
		r.settings.SkewProtection = r.bool(at, name, v)
	case keyKeep:
		r.settings.KeepAssets = r.keep(at, v)
	default:
		r.add(at, UnknownKey, name, "there is no setting of this name; there are %s", names())
	}
}

func (r *reader) bool(at place, name string, v *unstable.Node) *bool {
	if v.Kind != unstable.Bool {
		r.add(at, BadValue, shown(v), "%s is true or false: write %[1]s = true, or %[1]s = false, without quotation marks", name)
		return nil
	}
	is := string(v.Data) == "true"
	return &is
}

func (r *reader) keep(at place, v *unstable.Node) *time.Duration {
	if v.Kind != unstable.String {
		r.add(at, BadValue, shown(v), `%s is a text: write %[1]s = "3d", "12h" or "off", with quotation marks`, keyKeep)
		return nil
	}
	d, err := ParseKeep(string(v.Data))
	if err != nil {
		r.add(at, BadValue, string(v.Data), "%s: %v", keyKeep, err)
		return nil
	}
	if err := CheckKeep(d, r.options.MaxKeep); err != nil {
		r.add(at, OverLimit, string(v.Data), "%s: %v", keyKeep, err)
		return nil
	}
	return &d
}

// shown is what a message quotes of a value of the wrong type. Lists and tables have no text of their own.
func shown(v *unstable.Node) string {
	if len(v.Data) == 0 {
		return strings.ToLower(v.Kind.String())
	}
	return string(v.Data)
}
