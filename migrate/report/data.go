// Package report draws what a migration did as one self-contained page: when it was in which phase, how far and how fast the copying
// went, how long either side takes to answer, where they disagree, what failed, what it all takes on disk and how well the
// caches do. The page needs no script and no other file.
//
// Data is filled by whoever runs the migration. The package knows nothing but these structs: names and numbers.
package report

import "time"

// Data is what a page shows. The zero value of each part is "nothing yet", and the page says so.
type Data struct {
	Server    string // its base domain
	Version   string // of berth
	Generated time.Time

	Phase     string // now
	Phases    []string
	Spans     []Span
	Activity  string // of the backfill: "copying", "paused", …
	Why       string // that is so
	Log       []Entry
	Progress  Progress
	Latency   []Latency // of each side
	Diffs     Diffs
	Failures  []Failures
	Storage   Storage
	Caches    []Cache
	Rollout   []string // the configuration, a sentence a line
	Remaining []string // sites that stay on the tables by name, all of them; the page names the first hundred
}

// Span is a time that the migration was in a phase. A zero To is now.
type Span struct {
	Phase    string
	From, To time.Time
	Who, Why string
}

// Entry is a line of the migration's log.
type Entry struct {
	Time           time.Time
	Who, What, Why string
}

// Progress is the backfill's.
type Progress struct {
	Total, Done, Written, Present int64
	PerSecond                     float64
	ETA                           time.Duration // 0: not known, or done
	Started, Finished             time.Time
	DoneOver, RateOver            Series // entries, entries a second
}

// Latency is how long a side took to answer.
type Latency struct {
	Side      string // "legacy", "hashed"
	Count     uint64
	Quantiles []Quantile // ascending
	MedianOver,
	P99Over Series // seconds
}

// Quantile is a duration that a share of the answers did not exceed.
type Quantile struct {
	Share float64 // 0 to 1
	Took  time.Duration
}

// Diffs are what the comparison of both sides found.
type Diffs struct {
	Compared uint64
	Agree    uint64
	Classes  []DiffClass // missing, extra, different, error
	Examples []Diff
}

// DiffClass is the number of diffs of one class, now and over time.
type DiffClass struct {
	Name  string
	Count uint64
	Over  Series // the count
}

// Diff is one host on which the sides disagree.
type Diff struct {
	Time                       time.Time
	Class, Host, Legacy, Other string
	Line                       string // of the table
}

// Failures are the entries that could not be copied, of one class.
type Failures struct {
	Class   string
	Count   int64
	Retries int64 // how many of them will be tried again
	Example string
}

// Storage is what routing takes on disk, in bytes.
type Storage struct {
	Deployments   int64
	Before, After Routing
}

// Routing is the parts of it. Measured is false for what is not known yet.
type Routing struct {
	Measured              bool
	Tables, Index, Routes int64
}

func (r Routing) sum() int64 { return r.Tables + r.Index + r.Routes }

// Cache is how a side's cache did.
type Cache struct {
	Side         string
	Hits, Misses uint64
	Bytes, Bound int64
	Entries      int
	HitRateOver  Series // share of the questions since the point before
}
