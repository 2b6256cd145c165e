package blob

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"berth/assets/manifest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model is what a store should hold, in the plainest form.
type model struct {
	clock   *clock
	blobs   map[manifest.Digest]*modelBlob
	batch   *Batch
	pending map[manifest.Digest]pending
	pins    map[manifest.Digest]int
	unpins  []pinned
}

type modelBlob struct {
	data    []byte
	touched time.Time
}

// pending is a blob of the open batch; found says that it was stored already when it was finished.
type pending struct {
	data  []byte
	at    time.Time
	found bool
}

type pinned struct {
	gs    []manifest.Digest
	unpin func()
}

func (m *model) touch(g manifest.Digest) {
	if b := m.blobs[g]; m.clock.t.Sub(b.touched) >= TouchSlack {
		b.touched = m.clock.t
	}
}

func (m *model) store(g manifest.Digest, data []byte) {
	if m.blobs[g] == nil {
		m.blobs[g] = &modelBlob{data, m.clock.t}
	}
	m.touch(g)
}

func (m *model) busy(g manifest.Digest) bool {
	_, inBatch := m.pending[g]
	return inBatch || m.pins[g] > 0
}

// contents are few, so that operations meet.
func contents() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		n := rapid.SampledFrom([]int{0, 1, 900, maxBuffer + 5}).Draw(t, "size")
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "fill") % 2}, n)
	})
}

func TestModel(t *testing.T) {
	for name, open := range map[string]func(*testing.T) bed{"dir": unsyncedBed, "mem": memBed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			rapid.Check(t, func(rt *rapid.T) { runModel(rt, s) })
		})
	}
}

// unsynced is the disk without its slowest part, which a model cannot see.
type unsynced struct{ *osFS }

type unsyncedFile struct{ tempFile }

func (unsyncedFile) Sync() error      { return nil }
func (unsynced) syncDir(string) error { return nil }
func (u unsynced) create(name string) (tempFile, error) {
	f, err := u.osFS.create(name)
	return unsyncedFile{f}, err
}

func unsyncedBed(t *testing.T) bed {
	c, d := newClock(), new(Dir)
	disk, err := openOS(t.TempDir())
	if err == nil {
		err = d.init(unsynced{disk}, c.options())
	}
	if err != nil {
		t.Fatal(err)
	}
	return bed{store: d, clock: c}
}

// runModel leaves the store empty: opening one is slow on disk.
func runModel(rt *rapid.T, s bed) {
	c := s.clock
	m := &model{clock: c, blobs: map[manifest.Digest]*modelBlob{}, batch: s.NewBatch(), pending: map[manifest.Digest]pending{}, pins: map[manifest.Digest]int{}}
	defer m.clear(rt, s)
	rt.Repeat(map[string]func(*rapid.T){
		"put":    func(rt *rapid.T) { m.put(rt, s) },
		"finish": func(rt *rapid.T) { m.finish(rt) },
		"commit": func(rt *rapid.T) { m.commit(rt, s) },
		"abort":  func(*rapid.T) { m.abort(s) },
		"touch":  func(rt *rapid.T) { m.touchOne(rt, s) },
		"pin":    func(rt *rapid.T) { m.pin(rt, s) },
		"unpin":  func(rt *rapid.T) { m.unpin() },
		"remove": func(rt *rapid.T) { m.remove(rt, s) },
		"wait":   func(rt *rapid.T) { c.advance(time.Duration(rapid.IntRange(0, 100).Draw(rt, "seconds")) * time.Second) },
		"all":    func(rt *rapid.T) { m.all(rt, s) },
		"":       func(rt *rapid.T) { m.check(rt, s) },
	})
}

func (m *model) put(rt *rapid.T, s store) {
	data := contents().Draw(rt, "data")
	g, n, err := s.Put(bytes.NewReader(data))
	if err != nil || g != digestOf(data) || n != int64(len(data)) {
		rt.Fatalf("Put: %s, %d, %v", label(g), n, err)
	}
	m.store(g, data)
}

func (m *model) finish(rt *rapid.T) {
	data := contents().Draw(rt, "data")
	w, err := m.batch.Create()
	if err == nil {
		_, err = w.ReadFrom(bytes.NewReader(data))
	}
	var g manifest.Digest
	if err == nil {
		g, _, err = w.Finish()
	}
	if err != nil {
		rt.Fatal(err)
	}
	if _, known := m.pending[g]; known {
		return
	}
	found := m.blobs[g] != nil
	if found {
		m.touch(g)
	}
	m.pending[g] = pending{data, m.clock.t, found}
}

func (m *model) commit(rt *rapid.T, s store) {
	if err := m.batch.Commit(); err != nil {
		rt.Fatal(err)
	}
	for g, p := range m.pending {
		old := m.clock.t.Sub(p.at) >= TouchSlack
		switch {
		case p.found && old:
			m.blobs[g].touched = m.clock.t
		case m.blobs[g] == nil && !old:
			m.blobs[g] = &modelBlob{p.data, p.at}
		case !p.found:
			m.store(g, p.data)
		}
	}
	m.batch, m.pending = s.NewBatch(), map[manifest.Digest]pending{}
}

func (m *model) abort(s store) {
	m.batch.Abort()
	m.batch, m.pending = s.NewBatch(), map[manifest.Digest]pending{}
}

func (m *model) clear(rt *rapid.T, s store) {
	m.abort(s)
	for len(m.unpins) > 0 {
		m.unpin()
	}
	for g := range m.blobs {
		if err := s.Remove(g, m.clock.t.Add(time.Hour)); err != nil {
			rt.Error(err)
		}
	}
}

func (m *model) touchOne(rt *rapid.T, s store) {
	g := digestOf(contents().Draw(rt, "data"))
	err := s.Touch(g)
	if m.blobs[g] == nil {
		if !errors.Is(err, ErrNotFound) {
			rt.Fatalf("Touch of nothing: %v", err)
		}
		return
	}
	if err != nil {
		rt.Fatal(err)
	}
	m.touch(g)
}

func (m *model) pin(rt *rapid.T, s store) {
	gs := []manifest.Digest{digestOf(contents().Draw(rt, "one")), digestOf(contents().Draw(rt, "other"))}
	unpin, missing := s.Pin(gs...)
	var want []manifest.Digest
	for _, g := range gs {
		m.pins[g]++
		if m.blobs[g] == nil {
			want = append(want, g)
		} else {
			m.touch(g)
		}
	}
	if diff := cmp.Diff(want, missing); diff != "" {
		rt.Fatalf("missing (-want +got):\n%s", diff)
	}
	m.unpins = append(m.unpins, pinned{gs, unpin})
}

func (m *model) unpin() {
	if len(m.unpins) == 0 {
		return
	}
	p := m.unpins[0]
	m.unpins = m.unpins[1:]
	p.unpin()
	for _, g := range p.gs {
		m.pins[g]--
	}
}

func (m *model) remove(rt *rapid.T, s store) {
	g := digestOf(contents().Draw(rt, "data"))
	before := m.clock.t.Add(-time.Duration(rapid.IntRange(-1, 100).Draw(rt, "grace")) * time.Second)
	err := s.Remove(g, before)
	b := m.blobs[g]
	switch {
	case b == nil:
		if !errors.Is(err, ErrNotFound) {
			rt.Fatalf("Remove of nothing: %v", err)
		}
	case m.busy(g) || !b.touched.Before(before):
		if !errors.Is(err, ErrInUse) {
			rt.Fatalf("Remove of what is in use: %v", err)
		}
	case err != nil:
		rt.Fatal(err)
	default:
		delete(m.blobs, g)
	}
}

func (m *model) check(rt *rapid.T, s store) {
	for g, b := range m.blobs {
		data, err := s.ReadAll(g, int64(len(b.data)))
		if err != nil || !bytes.Equal(data, b.data) {
			rt.Fatalf("ReadAll: %d bytes, %v", len(data), err)
		}
		info, err := s.Stat(g)
		info.Touched = info.Touched.UTC()
		if want := (Info{g, int64(len(b.data)), b.touched}); err != nil || info != want {
			rt.Fatalf("Stat = %v, %v, want %v", info, err, want)
		}
	}
}

func (m *model) all(rt *rapid.T, s store) {
	want, got := map[manifest.Digest]Info{}, map[manifest.Digest]Info{}
	for g, b := range m.blobs {
		want[g] = Info{g, int64(len(b.data)), b.touched}
	}
	for info, err := range s.All() {
		if err != nil {
			rt.Fatal(err)
		}
		info.Touched = info.Touched.UTC()
		got[info.Digest] = info
	}
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("All (-want +got):\n%s", diff)
	}
}
