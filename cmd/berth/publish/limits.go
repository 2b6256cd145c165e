package publish

import (
	"fmt"
	"slices"
	"strings"
)

// Limits are what the server takes. The numbers of files come from the upload token.
type Limits struct {
	FileBytes int64 // one file, 0: 25 MiB
	Files     int   // of one deployment, 0: 20,000
}

// Defaults of Limits; those of Pages.
const (
	DefaultFileBytes = 25 << 20
	DefaultFiles     = 20_000
)

// showAtMost is how many offending files an error lists.
const showAtMost = 10

// CheckSizes names the files over the limit, largest first.
func (s *Site) CheckSizes(limit int64) error {
	if limit <= 0 {
		limit = DefaultFileBytes
	}
	var over []*File
	for _, f := range s.Files {
		if f.Size > limit {
			over = append(over, f)
		}
	}
	if len(over) == 0 {
		return nil
	}
	slices.SortFunc(over, func(a, b *File) int { return int(min(max(b.Size-a.Size, -1), 1)) })
	var b strings.Builder
	fmt.Fprintf(&b, "%d file(s) over the limit of %s a file; nothing was sent:", len(over), Bytes(limit))
	for _, f := range over[:min(len(over), showAtMost)] {
		fmt.Fprintf(&b, "\n  %s  %s", Bytes(f.Size), shown(f.Path))
	}
	if n := len(over) - showAtMost; n > 0 {
		fmt.Fprintf(&b, "\n  … and %d more", n)
	}
	return fmt.Errorf("%s", b.String())
}

// CheckCount says whether there are too many files, and where most of them are.
func (s *Site) CheckCount(limit int) error {
	if limit <= 0 {
		limit = DefaultFiles
	}
	if len(s.Files) <= limit {
		return nil
	}
	per := map[string]int{}
	for _, f := range s.Files {
		top, rest, deeper := strings.Cut(f.Path[1:], "/")
		if deeper && rest != "" {
			per["/"+top+"/"]++
		} else {
			per["/"]++
		}
	}
	most := ""
	for dir, n := range per {
		if n > per[most] || n == per[most] && dir < most {
			most = dir
		}
	}
	return fmt.Errorf("%d files are more than the %d that the server takes in one deployment; no file was sent\n  %d of them are below %s",
		len(s.Files), limit, per[most], shown(most))
}

// Bytes writes a size for people.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1023.95 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[unit])
}
