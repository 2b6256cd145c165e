package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"berth/assets/manifest"
	"berth/assets/sitefile"
)

const (
	// maxDepth bounds nesting; a path that deep is over the manifest's bound anyway.
	maxDepth = 256
	// maxEntries bounds a walk: symbolic links to directories can make a small tree exponentially large.
	maxEntries = 2_000_000
)

// File is one file of the site.
type File struct {
	Path string // "/" and its path below the site's directory, "/"-separated
	Disk string
	Size int64
	Key  manifest.AssetKey // once hashed
}

// Site is what a directory holds: assets, and the files with a meaning of their own.
type Site struct {
	Dir       string
	Files     []*File // by path
	Headers   string  // disk path of _headers, "" if none
	Redirects string
	Routes    string // _routes.json
	Worker    string // _worker.js, a file or a directory
	Skipped   []Skipped
	Faults    []*Fault // of a survey: what it went on after, the first maxFaults
	More      int      // faults beyond those
}

// Empty says that a deployment of the site would answer no request with anything: it has no file, settings aside, and no redirects.
func (s *Site) Empty() bool {
	served := slices.ContainsFunc(s.Files, func(f *File) bool { return f.Path != sitefile.Path })
	return !served && s.Redirects == ""
}

// Skipped is what is left out though nothing says that it should be.
type Skipped struct {
	Path string // as in File
	Why  string // a line for people
}

// Fault is what of a directory cannot be deployed.
type Fault struct {
	Path string // as in File, or a directory
	Err  error  // what is wrong and what to do
}

func (f *Fault) Error() string { return "read the site: " + f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

const maxFaults = 1_000

// Walk lists dir as `wrangler pages deploy` would: every regular file, dotfiles included and symbolic links followed,
// without what only the root means something to and what never belongs to a site. It ends with the first Fault.
func Walk(ctx context.Context, dir string) (*Site, error) { return list(ctx, dir, false) }

// Survey is Walk that goes on after faults, and lists them.
func Survey(ctx context.Context, dir string) (*Site, error) { return list(ctx, dir, true) }

func list(ctx context.Context, dir string, survey bool) (*Site, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("read the site: %w", shownError(err))
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("read the site: %s is a file; give the directory that holds the built site", shown(dir))
	}
	w := &walker{ctx: ctx, site: &Site{Dir: dir}, survey: survey}
	if err := w.dir("", []os.FileInfo{info}); err != nil {
		return nil, err
	}
	slices.SortFunc(w.site.Files, func(a, b *File) int { return strings.Compare(a.Path, b.Path) })
	return w.site, nil
}

type walker struct {
	ctx     context.Context
	site    *Site
	survey  bool
	entries int
}

// fault is how the walk goes on after one: nil, or the end of it.
func (w *walker) fault(rel string, err error) error {
	f := &Fault{"/" + rel, err}
	switch {
	case !w.survey:
		return f
	case len(w.site.Faults) == maxFaults:
		w.site.More++
	default:
		w.site.Faults = append(w.site.Faults, f)
	}
	return nil
}

// dir lists one directory; rel is "" or ends without a slash. above holds the directories that contain it, itself last.
func (w *walker) dir(rel string, above []os.FileInfo) error {
	if err := w.ctx.Err(); err != nil {
		return context.Cause(w.ctx)
	}
	if len(above) > maxDepth {
		return w.fault(rel, fmt.Errorf("%s is nested more than %d directories deep", shown(filepath.Join(w.site.Dir, rel)), maxDepth))
	}
	list, err := os.ReadDir(filepath.Join(w.site.Dir, rel))
	if err != nil {
		return w.fault(rel, shownError(err))
	}
	for _, e := range list {
		if w.entries++; w.entries > maxEntries {
			return fmt.Errorf("read the site: more than %d entries below %s: do symbolic links lead in circles?", maxEntries, w.site.Dir)
		}
		if err := w.entry(path.Join(rel, e.Name()), e, above); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(rel string, e fs.DirEntry, above []os.FileInfo) error {
	disk := filepath.Join(w.site.Dir, filepath.FromSlash(rel))
	if special, err := w.special(rel, disk); special {
		return err
	}
	if ignored(rel) {
		return nil
	}
	info, err := e.Info()
	if err == nil && e.Type()&fs.ModeSymlink != 0 {
		info, err = os.Stat(disk)
	}
	if err != nil {
		if e.Type()&fs.ModeSymlink != 0 && errors.Is(err, fs.ErrNotExist) {
			return w.fault(rel, fmt.Errorf("the symbolic link %s leads nowhere: mend or remove it", shown(disk)))
		}
		return w.fault(rel, shownError(err))
	}
	switch {
	case info.IsDir():
		if slices.ContainsFunc(above, func(a os.FileInfo) bool { return os.SameFile(a, info) }) {
			return w.fault(rel, fmt.Errorf("the symbolic link %s leads to a directory that contains it", shown(disk)))
		}
		return w.dir(rel, append(slices.Clip(above), info))
	case !info.Mode().IsRegular():
		w.site.Skipped = append(w.site.Skipped, Skipped{"/" + rel, fmt.Sprintf("%s is not a regular file (%s): left out", shown(disk), info.Mode().Type())})
		return nil
	}
	return w.file(rel, disk, info.Size())
}

func (w *walker) file(rel, disk string, size int64) error {
	if err := manifest.CheckPath("/" + rel); err != nil {
		return w.fault(rel, fmt.Errorf("the name of %q cannot be deployed: %w", disk, err))
	}
	w.site.Files = append(w.site.Files, &File{Path: "/" + rel, Disk: disk, Size: size})
	return nil
}

// special notes what stands at the root with a meaning of its own; none of it is an asset.
func (w *walker) special(rel, disk string) (bool, error) {
	switch rel {
	case "_headers":
		return true, w.ruleFile(&w.site.Headers, rel, disk)
	case "_redirects":
		return true, w.ruleFile(&w.site.Redirects, rel, disk)
	case "_routes.json":
		return true, w.ruleFile(&w.site.Routes, rel, disk)
	case "_worker.js":
		w.site.Worker = disk
	case "functions", ".wrangler":
	default:
		return false, nil
	}
	return true, nil
}

// ruleFile notes what will be opened and read: from a pipe, that would wait for a writer for ever.
func (w *walker) ruleFile(place *string, rel, disk string) error {
	info, err := os.Stat(disk)
	switch {
	case err != nil:
		return w.fault(rel, shownError(err))
	case !info.Mode().IsRegular():
		return w.fault(rel, fmt.Errorf("%s is not a regular file (%s), so that no rules can be read from it: make it one, or remove it", shown(disk), info.Mode().Type()))
	}
	*place = disk
	return nil
}

// ignored is wrangler's list for any depth. Its glob `**` skips segments that begin with a dot, so that what lies below
// a dot-directory is deployed: the same here, or two tools would publish two different sites.
func ignored(rel string) bool {
	switch path.Base(rel) {
	case ".DS_Store", "node_modules", ".git":
	default:
		return false
	}
	for segment := range strings.SplitSeq(path.Dir(rel), "/") {
		if segment != "." && strings.HasPrefix(segment, ".") {
			return false
		}
	}
	return true
}
