package convert

import (
	"fmt"
	"strings"

	"berth/router/hostkey"
)

// Filter is one line of a table.
type Filter struct {
	Index      int // from 0, in the table
	Pattern    string
	ScriptHash string
	Fold       bool  // the whole pattern ignores case; never set by a Reader
	Offset     int64 // of its opening brace in the table
}

// Class says what becomes of an entry.
type Class uint8

const (
	Converted     Class = iota // its Hosts are all that it answers
	Shadowed                   // earlier entries answer everything that it could
	NeedsWildcard              // its Hosts and Wildcards are all that it answers
	CannotConvert              // the old table is needed for it

	numClasses
)

func (c Class) String() string {
	switch c {
	case Converted:
		return "converted"
	case Shadowed:
		return "shadowed"
	case NeedsWildcard:
		return "needs wildcard"
	case CannotConvert:
		return "cannot convert"
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// Reason names why an entry is Shadowed or cannot be converted. "" for the others.
type Reason string

const (
	ReasonSyntax        Reason = "syntax"         // not a regular expression of this kind: look-around, back-reference, fault
	ReasonTooComplex    Reason = "too-complex"    // a bound on the work for one pattern
	ReasonUnanchored    Reason = "unanchored"     // it may match in the middle of a host
	ReasonOpenEnded     Reason = "open-ended"     // it says how the host begins, not where it ends
	ReasonPath          Reason = "path"           // it answers some paths only
	ReasonPort          Reason = "port"           // it answers some ports only
	ReasonUnbounded     Reason = "unbounded"      // a run that no wildcard can stand for
	ReasonEveryHost     Reason = "every-host"     // nothing of the host is said
	ReasonAnyCharacter  Reason = "any-character"  // an unescaped dot where no dot can be meant
	ReasonTooManyHosts  Reason = "too-many-hosts" // more than Options.MaxHosts
	ReasonAssertion     Reason = "assertion"      // a word boundary
	ReasonNeverMatches  Reason = "never-matches"  // no host at all
	ReasonNotAHost      Reason = "not-a-host"     // what it says cannot be a host, or not a wildcard
	ReasonSpelling      Reason = "spelling"       // it is a host in a spelling that no client sends
	ReasonTaken         Reason = "taken"          // shadowed by an earlier entry
	ReasonUnproven      Reason = "unproven"       // an earlier entry that cannot be converted may answer it
	ReasonLooseConflict Reason = "loose-conflict" // an earlier entry answers it by an unescaped dot
	ReasonOverlap       Reason = "overlap"        // two wildcards divide hosts in a way that Berth cannot
	ReasonLimit         Reason = "limit"          // a bound of the project
)

// NoteKind names a difference that conversion makes, or a fact about the old table.
type NoteKind string

const (
	NoteLooseDot   NoteKind = "loose-dot"   // unescaped dots: the old table also answered other hosts
	NoteFoldCase   NoteKind = "fold-case"   // case was ignored, as Berth does
	NotePort       NoteKind = "port"        // Berth also answers on ports that the pattern did not
	NoteWider      NoteKind = "wider"       // Berth's wildcard answers more hosts
	NoteCrosses    NoteKind = "crosses"     // a run could match in the path, too
	NoteDropped    NoteKind = "dropped"     // alternatives that are no hosts
	NotePartShadow NoteKind = "part-shadow" // some of its hosts are answered by earlier entries
)

// Note is something to tell an operator about an entry that is converted.
type Note struct {
	Kind    NoteKind
	Text    string
	Example string // a host that shows it, if there is one
}

// Entry is what one filter means.
type Entry struct {
	Index      int
	Pattern    string
	ScriptHash string
	Class      Class
	Reason     Reason
	Why        string         // for people: what is answered, or why it is not converted and what to write instead
	By         int            // index of the earlier entry that is the reason, or -1
	Hosts      []hostkey.Host // canonical, in order of appearance, without duplicates
	Wildcards  []string       // "*.example.com"
	Named      []string       // of one that cannot be converted: all hosts and wildcards it answers, for some paths or ports only
	Notes      []Note
}

// Routes counts what an entry contributes.
func (e *Entry) Routes() int { return len(e.Hosts) + len(e.Wildcards) }

// refuse makes e one that cannot be converted.
func (e *Entry) refuse(reason Reason, by int, format string, args ...any) {
	e.Class, e.Reason, e.By = CannotConvert, reason, by
	e.Why = fmt.Sprintf(format, args...)
	e.Hosts, e.Wildcards = nil, nil
}

// clip shortens text of a stranger for a message.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
