package assets

import "strings"

type outcome uint8

const (
	missing outcome = iota
	found
	moved
)

// resolution is what a path comes to: found has an entry; moved has a path to go to, and whether a slash follows it.
type resolution struct {
	outcome outcome
	entry   int
	path    string
	slash   bool
}

// resolve finds the file for a decoded path, or the canonical path to send the client to: pages are served without
// ".html", directories with a slash, neither with "index".
func (s *Site) resolve(p *Plan, path string) resolution {
	if strings.HasSuffix(path, "/") {
		return s.resolveDirectory(p, path)
	}
	if i, ok := s.files.Lookup(path); ok {
		return s.resolveFile(i, path)
	}
	if strings.HasSuffix(path, "/index") { // whether or not anything is there
		return resolution{outcome: moved, path: strings.TrimSuffix(path, "index")}
	}
	if i, ok := s.find(p, path, ".html"); ok {
		return resolution{outcome: found, entry: i}
	}
	if _, ok := s.find(p, path, "/index.html"); ok {
		return resolution{outcome: moved, path: path, slash: true}
	}
	return resolution{}
}

func (s *Site) resolveDirectory(p *Plan, path string) resolution {
	if path == "/" && s.index >= 0 {
		return resolution{outcome: found, entry: s.index}
	}
	if i, ok := s.find(p, path, "index.html"); ok {
		return resolution{outcome: found, entry: i}
	}
	if strings.HasSuffix(path, "/index/") {
		return resolution{outcome: moved, path: strings.TrimSuffix(path, "index/")}
	}
	page := strings.TrimSuffix(path, "/")
	if _, ok := s.find(p, page, ".html"); ok {
		return resolution{outcome: moved, path: page}
	}
	return resolution{}
}

// resolveFile is for a path that names a file. A page has a shorter name, unless another file has that name.
func (s *Site) resolveFile(i int, path string) resolution {
	page, isPage := strings.CutSuffix(path, ".html")
	switch {
	case !isPage || page == "/":
		return resolution{outcome: found, entry: i}
	case strings.HasSuffix(page, "/index"):
		return resolution{outcome: moved, path: strings.TrimSuffix(page, "index")}
	}
	if _, taken := s.files.Lookup(page); taken {
		return resolution{outcome: found, entry: i}
	}
	return resolution{outcome: moved, path: page}
}

// find looks path + suffix up.
func (s *Site) find(p *Plan, path, suffix string) (int, bool) {
	start := len(p.scratch)
	p.scratch = append(append(p.scratch, path...), suffix...)
	i, ok := s.files.LookupBytes(p.scratch[start:])
	p.scratch = p.scratch[:start]
	return i, ok
}
