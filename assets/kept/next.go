package kept

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/assets/manifest"
	"berth/assets/rules"
)

// Move is a moving host going from one deployment to another.
type Move struct {
	Previous  []byte                   // the index before; nil: none
	Alive     func(source uint64) bool // whether a deployment's files may be answered; nil: every one's
	From      *manifest.Manifest       // what the host has served until now; nil: nothing
	FromNo    uint64                   // its number
	Shadowed  *rules.Redirects         // of From's deployment, which answered for what they cover; nil: none
	To        *manifest.Manifest       // what it serves from now on
	Redirects *rules.Redirects         // of To's deployment; nil: none
	Now       int64                    // Unix seconds
	Keep      time.Duration            // how long what From leaves behind is kept; 0 and less: nothing is kept
	Max       int                      // files that are kept at most: the newest
}

// Report counts what came of a Move.
type Report struct {
	Files   int // that are kept
	Dropped int // that would have been kept but for Max
}

// Next makes the index that belongs to m.To; nil for an empty one.
//
// It has what is left of the index before, and what From has and does not redirect itself, for that was never served: each
// without the files that To has or redirects. So a file
// is in at most one of To and its index, and the one in the index is of the deployment that had it last. Nothing in the
// index before is kept for longer than what is left behind now.
func Next(m Move) (raw []byte, kept Report, err error) {
	if m.Keep <= 0 {
		return nil, Report{}, nil
	}
	var before *Index
	if len(m.Previous) > 0 {
		if before, err = Open(m.Previous, m.Alive); err != nil {
			return nil, Report{}, fmt.Errorf("the index before: %w", err)
		}
	}
	files := m.remaining(before, m.leftBehind())
	if limit := max(m.Max, 0); len(files) > limit {
		kept.Dropped = len(files) - limit
		slices.SortFunc(files, newestFirst)
		files = files[:limit]
	}
	kept.Files = len(files)
	raw, err = encode(files)
	return raw, kept, err
}

func newestFirst(a, b File) int {
	return cmp.Or(cmp.Compare(b.Until, a.Until), cmp.Compare(b.Source, a.Source), strings.Compare(a.Path, b.Path))
}

// until is when the time of what is left behind now is over.
func (m *Move) until() int64 { return m.Now + max(int64(m.Keep/time.Second), 1) }

// leftBehind lists what From has and To has not, in path order. Both are in that order, which makes it one walk.
func (m *Move) leftBehind() []File {
	if m.From == nil || m.Alive != nil && !m.Alive(m.FromNo) {
		return nil
	}
	var left []File
	at := 0
	for i := range m.From.Len() {
		path := m.From.PathAt(i)
		for at < m.To.Len() && m.To.PathAt(at) < path {
			at++
		}
		if at < m.To.Len() && m.To.PathAt(at) == path || !m.keeps(path) || covers(m.Shadowed, path) {
			continue
		}
		left = append(left, File{Entry: m.From.At(i), Source: m.FromNo, Until: m.until()})
	}
	return left
}

// remaining appends to left, which is in path order, what stays of the index before.
func (m *Move) remaining(before *Index, left []File) []File {
	at, mine := 0, len(left)
	for f := range before.All() {
		for at < mine && left[at].Path < f.Path {
			at++
		}
		if at < mine && left[at].Path == f.Path || f.Until <= m.Now {
			continue
		}
		if _, has := m.To.Lookup(f.Path); has || !m.keeps(f.Path) {
			continue
		}
		f.Until = min(f.Until, m.until())
		left = append(left, f)
	}
	return left
}

// keeps says whether a file that To lacks may be kept.
func (m *Move) keeps(path string) bool {
	return Keepable(path) && !covers(m.Redirects, path)
}

// covers says whether a rule answers for the path of a file.
func covers(r *rules.Redirects, path string) bool {
	_, covered := r.Find(urlPath(path))
	return covered
}
