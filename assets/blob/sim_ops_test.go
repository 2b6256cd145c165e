package blob

import (
	"bytes"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"syscall"
	"time"
)

// The operations of simFS.

func (s *simFS) mkdir(name string) error {
	return s.do("mkdir", name, func() error {
		if s.dirs[name] == nil {
			s.dirs[name] = &simDir{now: map[string]*simNode{}, maybe: map[string][]*simNode{}}
		}
		return nil
	}, nil)
}

func (s *simFS) create(name string) (tempFile, error) {
	var n *simNode
	err := s.do("create", name, func() error {
		d, base, err := s.dirOf(name)
		if err != nil {
			return err
		}
		if d.now[base] != nil {
			return fs.ErrExist
		}
		n = &simNode{dirty: true}
		d.put(base, n)
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	s.handles(1)
	return &simTemp{s, n, name}, nil
}

func (s *simFS) handles(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handleCount += by
	s.peak = max(s.peak, s.handleCount)
}

type simTemp struct {
	s    *simFS
	n    *simNode
	name string
}

func (t *simTemp) Write(p []byte) (int, error) {
	written := 0
	err := t.s.do("write", t.name, func() error {
		written = len(p)
		if t.s.ops == t.s.fault.at && t.s.fault.mode == failAfter {
			written /= 2
		}
		t.n.data = append(t.n.data, p[:written]...)
		t.n.dirty = true
		return nil
	}, nil)
	return written, err
}

func (t *simTemp) Sync() error {
	return t.s.do("sync", t.name, func() error {
		if t.n.told {
			t.n.told = false
			return &fs.PathError{Op: "sync", Path: t.name, Err: syscall.ENOSPC}
		}
		if !t.n.lost {
			t.n.durable, t.n.dirty = t.n.data, false // it only ever grows
		}
		return nil
	}, func() { t.n.lost = true })
}

func (t *simTemp) Close() error {
	t.s.handles(-1)
	return t.s.do("close", t.name, func() error { return nil }, nil)
}

type simOpen struct {
	s    *simFS
	name string
	data []byte
}

func (o *simOpen) ReadAt(p []byte, off int64) (n int, err error) {
	err = o.s.do("read", o.name, func() error {
		n, err = bytes.NewReader(o.data).ReadAt(p, off)
		return err
	}, nil)
	return n, err
}

func (o *simOpen) Close() error {
	o.s.handles(-1)
	return nil
}

func (s *simFS) open(name string) (f readFile, fi fileInfo, err error) {
	err = s.do("open", name, func() error {
		n, err := s.node(name)
		if err != nil {
			return err
		}
		f, fi = &simOpen{s, name, n.data}, n.info()
		return nil
	}, nil)
	if err != nil {
		return nil, fi, err
	}
	s.handles(1)
	return f, fi, nil
}

func (n *simNode) info() fileInfo {
	return fileInfo{size: int64(len(n.data)), mtime: n.mtime, regular: true}
}

func (s *simFS) stat(name string) (fi fileInfo, err error) {
	err = s.do("stat", name, func() error {
		n, err := s.node(name)
		if err == nil {
			fi = n.info()
		}
		return err
	}, nil)
	return fi, err
}

func (s *simFS) rename(from, to string) error {
	return s.do("rename", from, func() error {
		n, err := s.node(from)
		if err != nil {
			return err
		}
		dst, toBase, err := s.dirOf(to)
		if err != nil {
			return err
		}
		src, fromBase, _ := s.dirOf(from)
		dst.put(toBase, n)
		src.put(fromBase, nil)
		return nil
	}, nil)
}

func (s *simFS) remove(name string) error {
	return s.do("remove", name, func() error {
		if _, err := s.node(name); err != nil {
			return err
		}
		d, base, _ := s.dirOf(name)
		d.put(base, nil)
		return nil
	}, nil)
}

func (s *simFS) setTime(name string, t time.Time) error {
	return s.do("setTime", name, func() error {
		n, err := s.node(name)
		if err == nil {
			n.mtime = t
		}
		return err
	}, nil)
}

func (s *simFS) syncDir(name string) error {
	d := s.dirs[name]
	return s.do("syncDir", name, func() error {
		if name == "" {
			for _, sub := range s.dirs {
				sub.durable = true
			}
		}
		d.settle()
		return nil
	}, d.lose)
}

func (s *simFS) syncsAll() bool { return true }

// syncAll is a sync of every file and every directory.
func (s *simFS) syncAll() error {
	return s.do("syncAll", "", func() error {
		for _, d := range s.dirs {
			d.durable = true
			for n := range d.nodes() {
				if !n.lost {
					n.durable, n.dirty = n.data, false
				}
			}
			d.settle()
		}
		return nil
	}, func() {
		for _, d := range s.dirs {
			for n := range d.nodes() {
				n.told = n.dirty && !n.lost
				n.lost = n.lost || n.dirty
			}
			d.lose()
		}
	})
}

// nodes are the files that have a name in d.
func (d *simDir) nodes() iter.Seq[*simNode] { return maps.Values(d.now) }

// settle makes the present entries durable, those apart that a failed sync forgot.
func (d *simDir) settle() {
	for base, states := range d.maybe {
		if states[len(states)-1] == d.now[base] {
			delete(d.maybe, base)
		}
	}
}

// lose forgets what was not synced.
func (d *simDir) lose() {
	for base, states := range d.maybe {
		if len(states) > 1 && states[len(states)-1] == d.now[base] {
			d.maybe[base] = states[:len(states)-1]
		}
	}
}

func (s *simFS) list(name string) iter.Seq2[dirEntry, error] {
	var names []string
	err := s.do("list", name, func() error {
		names = slices.Sorted(maps.Keys(s.dirs[name].now))
		if name == "" {
			names = slices.AppendSeq(names, maps.Keys(s.dirs))
			names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
		}
		return nil
	}, nil)
	return func(yield func(dirEntry, error) bool) {
		if err != nil {
			yield(dirEntry{}, err)
			return
		}
		for _, n := range names {
			if !yield(dirEntry{name: n}, nil) {
				return
			}
		}
	}
}
