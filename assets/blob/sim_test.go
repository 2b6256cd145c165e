package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// simFS is a file system that keeps apart what programs see and what a loss of power leaves, and fails on demand.
//
// A file's content survives from its last successful sync; unsynced content is gone, cut, zeroed or whole. An entry of a
// directory survives from the directory's last successful sync; of what happened to it since, any state may be found.
type simFS struct {
	mu          sync.Mutex
	dirs        map[string]*simDir
	ops         int
	fault       fault
	fired       string // the operation that failed first
	dead        bool   // the power is gone
	parcels     bool   // every small blob goes into a parcel
	handleCount int    // handles
	peak        int
	hook        func(op, name string) // called before each operation, without mu
	then        func(op, name string) // called after each operation, without mu
}

// fault is what goes wrong: the at-th operation (from 1; 0: none), and those after it if it lasts.
type fault struct {
	at    int
	mode  faultMode
	lasts bool
}

type faultMode int

const (
	failBefore faultMode = iota // nothing was done
	failAfter                   // it was done all the same; a write half
	failLose                    // a failed sync drops what was unsynced, so that the next one finds nothing to do and succeeds
	powerOff                    // nothing was done, and nothing will be
)

func (m faultMode) String() string {
	return [...]string{"before", "after", "lose", "power"}[m]
}

type simNode struct {
	data    []byte
	durable []byte
	dirty   bool // data may not survive
	lost    bool // a sync failed and forgot
	told    bool // and it was one of everything: who has the file open is told by the next sync of that
	mtime   time.Time
}

type simDir struct {
	durable bool
	now     map[string]*simNode
	// maybe holds, for each name, what may be found after a loss of power, nil for nothing; the last is the present state
	// unless a failed sync has lost it.
	maybe map[string][]*simNode
}

func newSim() *simFS {
	root := &simDir{durable: true, now: map[string]*simNode{}, maybe: map[string][]*simNode{}}
	return &simFS{dirs: map[string]*simDir{"": root}}
}

var errPower = errors.New("the power is gone")

// do runs one operation, or lets it fail. lose is what a failing sync does; nil for other operations.
func (s *simFS) do(op, name string, act func() error, lose func()) error {
	if s.hook != nil {
		s.hook(op, name)
	}
	if s.then != nil {
		defer func() { s.then(op, name) }() // after the unlocking
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops++
	if s.dead {
		return &fs.PathError{Op: op, Path: name, Err: errPower}
	}
	hit := s.fault.at > 0 && (s.ops == s.fault.at || s.fault.lasts && s.ops > s.fault.at)
	if !hit {
		return act()
	}
	if s.fired == "" {
		s.fired = op
	}
	failed := &fs.PathError{Op: op, Path: name, Err: syscall.ENOSPC}
	switch s.fault.mode {
	case powerOff:
		s.dead = true
		failed.Err = errPower
	case failAfter:
		if err := act(); err != nil {
			return err
		}
	case failLose:
		if lose != nil {
			lose()
		}
	}
	return failed
}

func (s *simFS) dirOf(name string) (*simDir, string, error) {
	dir, base := path.Split(name)
	d := s.dirs[strings.TrimSuffix(dir, "/")]
	if d == nil {
		return nil, "", &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
	}
	return d, base, nil
}

func (s *simFS) node(name string) (*simNode, error) {
	d, base, err := s.dirOf(name)
	if err != nil {
		return nil, err
	}
	if n := d.now[base]; n != nil {
		return n, nil
	}
	return nil, &fs.PathError{Op: "find", Path: name, Err: fs.ErrNotExist}
}

// put changes an entry; nil removes it.
func (d *simDir) put(base string, n *simNode) {
	if d.maybe[base] == nil {
		d.maybe[base] = []*simNode{d.now[base]}
	}
	d.maybe[base] = append(d.maybe[base], n)
	if n == nil {
		delete(d.now, base)
	} else {
		d.now[base] = n
	}
}

// crash is what the next boot finds.
func (s *simFS) crash(rng *rand.Rand) *simFS {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := newSim()
	next.parcels = s.parcels
	survivors := map[*simNode]*simNode{}
	for _, name := range slices.Sorted(maps.Keys(s.dirs)) {
		d := s.dirs[name]
		if !d.durable && rng.IntN(2) == 0 {
			continue
		}
		found := maps.Clone(d.now)
		for _, base := range slices.Sorted(maps.Keys(d.maybe)) {
			states := d.maybe[base]
			found[base] = states[rng.IntN(len(states))]
		}
		nd := &simDir{durable: true, now: map[string]*simNode{}, maybe: map[string][]*simNode{}}
		next.dirs[name] = nd
		for _, base := range slices.Sorted(maps.Keys(found)) {
			n := found[base]
			if n == nil {
				continue
			}
			if survivors[n] == nil {
				survivors[n] = n.survive(rng)
			}
			nd.now[base] = survivors[n]
		}
	}
	return next
}

func (n *simNode) survive(rng *rand.Rand) *simNode {
	data := n.durable
	if n.dirty {
		switch rng.IntN(4) {
		case 0: // as last synced
		case 1:
			data = n.data[:rng.IntN(len(n.data)+1)]
		case 2:
			data = make([]byte, len(n.data))
		case 3:
			data = n.data
		}
	}
	data = slices.Clip(data)
	return &simNode{data: data, durable: data, mtime: n.mtime}
}

// spoil changes a file from outside, durably.
func (s *simFS) spoil(name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.node(name)
	if err != nil {
		return fmt.Errorf("spoil: %w", err)
	}
	n.data, n.durable, n.dirty = slices.Clone(data), slices.Clone(data), false
	return nil
}

// temps lists the temporaries.
func (s *simFS) temps() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.dirs[tmpDir].now))
}
