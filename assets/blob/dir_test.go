package blob

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/assets/manifest"

	"github.com/google/go-cmp/cmp"
)

func TestOpenDirIsExclusive(t *testing.T) {
	path := t.TempDir()
	d, err := OpenDir(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenDir(path, Options{})
	wantErr(t, "second open", err, ErrLocked)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err = OpenDir(path, Options{})
	if err != nil {
		t.Fatalf("open after Close: %v", err)
	}
	d.Close()
}

func TestOpenDirRefusesOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "untouched")
	_, err := OpenDir(path, Options{MaxBlobBytes: -1, SyncWorkers: -1})
	if err == nil || !strings.Contains(err.Error(), "MaxBlobBytes") || !strings.Contains(err.Error(), "SyncWorkers") {
		t.Errorf("error %v, want one that names both faults", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the directory was touched: %v", err)
	}
	NewMem(Options{MaxBlobBytes: -1, SyncWorkers: -1})
}

func TestOpenDirSaysWhatIsInTheWay(t *testing.T) {
	for _, name := range []string{"blobs", "blobs/tmp", "blobs/ab"} {
		path := t.TempDir()
		in := filepath.Join(path, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(in), dirMode); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in, nil, fileMode); err != nil {
			t.Fatal(err)
		}
		_, err := OpenDir(filepath.Join(path, "blobs"), Options{})
		if err == nil || !strings.Contains(err.Error(), in+" is in the way") {
			t.Errorf("%s is a file: %v", name, err)
		}
	}
}

// TestDirOnDisk looks at the files: where they are, who may read them, and what a second open makes of leftovers.
func TestDirOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "with", "parents")
	d, err := OpenDir(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := put(t, d, []byte("on disk"))
	w, _ := d.NewBatch().Create()
	if _, err := w.Write(make([]byte, 2*maxBuffer)); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(path, tmpDir, "*"))
	if err != nil || len(left) != 1 {
		t.Fatalf("temporaries %v, %v", left, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = OpenDir(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := map[string]fs.FileMode{
		"":          fs.ModeDir | dirMode,
		tmpDir:      fs.ModeDir | dirMode,
		parcelDir:   fs.ModeDir | dirMode,
		lockFile:    fileMode,
		fileName(g): fileMode,
	}
	for i := range shards {
		want[shardName(byte(i))] = fs.ModeDir | dirMode
	}
	if diff := cmp.Diff(want, tree(t, path)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	w.Abort() // its file is gone, and so is the Dir it belongs to
	if err := d.Verify(g); err != nil {
		t.Error(err)
	}
}

func tree(t *testing.T, path string) map[string]fs.FileMode {
	t.Helper()
	got := map[string]fs.FileMode{}
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		got[strings.TrimPrefix(strings.TrimPrefix(name, path), "/")] = fi.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	path := t.TempDir()
	d, err := OpenDir(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	g := put(t, d, []byte("ours"))
	name := fileName(g)
	var link manifest.Digest
	link[0] = 0xfe
	foreign := []string{"README", "ab/notes.txt", "lost+found", strings.ToUpper(name[:3]) + name[3:], name[:3] + strings.ToUpper(name[3:]), name + "0", fileName(link)}
	foreign = slices.DeleteFunc(foreign, func(f string) bool {
		return strings.ToUpper(name[:2]) != name[:2] && f[:3] == strings.ToUpper(name[:3])
	})
	for _, f := range foreign[:len(foreign)-1] {
		if err := os.WriteFile(filepath.Join(path, f), []byte("theirs"), fileMode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(path, "README"), filepath.Join(path, fileName(link))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[manifest.Digest]int64{g: 4}, listing(t, d)); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
	got := map[string]bool{}
	for f, err := range d.Foreign() {
		if err != nil {
			t.Fatal(err)
		}
		got[f] = true
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(foreign)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("Foreign (-want +got):\n%s", diff)
	}
	_, err = d.Stat(link)
	wantErr(t, "stat of a link", err, ErrCorrupt)
}

func TestOpenGivesTheFile(t *testing.T) {
	d := dirBed(t)
	g := put(t, d, []byte("for sendfile"))
	f, err := d.Open(g, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, ok := f.(interface{ OSFile() *os.File }); !ok {
		t.Errorf("%T has no OSFile", f)
	}
}

// TestAllStopsWhenAsked breaks out of the iterators, which must not go on then.
func TestAllStopsWhenAsked(t *testing.T) {
	d := dirBed(t)
	for _, s := range []string{"one", "two", "three"} {
		put(t, d, []byte(s))
	}
	n := 0
	for range d.All() {
		n++
		break
	}
	if n != 1 {
		t.Errorf("went on %d times", n)
	}
}

func FuzzParseName(f *testing.F) {
	f.Add(byte(0xab), strings.Repeat("0f", 31))
	f.Add(byte(0), strings.Repeat("0F", 31))
	f.Add(byte(1), "notes.txt")
	f.Fuzz(func(t *testing.T, shard byte, name string) {
		g, ok := parseName(shard, name)
		if ok && fileName(g) != shardName(shard)+"/"+name {
			t.Errorf("%x/%s parses as %s", shard, name, fileName(g))
		}
	})
}

func FuzzWriter(f *testing.F) {
	f.Add([]byte("seed"), 3, 5)
	f.Add([]byte{1, 2}, 70000, 1000)
	m := NewMem(Options{MaxBlobBytes: 300 << 10})
	f.Fuzz(func(t *testing.T, unit []byte, times, chunk int) {
		times, chunk = times&0x1ffff, max(chunk&0x3ffff, 1)
		data := make([]byte, 0, 200<<10)
		for i := 0; i < times && len(data)+len(unit) <= 200<<10; i++ {
			data = append(data, unit...)
		}
		b := m.NewBatch()
		defer b.Abort()
		w, _ := b.Create()
		for part := range slices.Chunk(data, chunk) {
			if n, err := w.Write(part); n != len(part) || err != nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
		}
		g, n, err := w.Finish()
		if g != digestOf(data) || n != int64(len(data)) || err != nil {
			t.Errorf("Finish = %s, %d, %v", label(g), n, err)
		}
	})
}
