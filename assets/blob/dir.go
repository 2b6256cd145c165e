package blob

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"berth/assets/manifest"
)

// Dir is the durable directory. It is safe for concurrent use.
//
//	PATH/ab/cdef…   the blob whose digest is abcdef…
//	PATH/tmp/       bytes on their way in; emptied at open
//	PATH/parcels/   small blobs once more, until their own files are known to be durable
//	PATH/lock       held while the directory is open
type Dir struct {
	fs   filesystem
	opts Options
	lock io.Closer // nil in memory

	// life is held for reading by what changes the directory and must not be cut short, for writing by Close.
	life   sync.RWMutex
	closed atomic.Bool

	stripes [shards]stripe

	// veiled are the blobs whose file may have its name already though no finished commit vouches for it: those being
	// committed now, and those of failed commits whose file could not be removed again. They do not exist for anybody.
	veiled digestSet
	// rollbacks counts the blobs of failed commits. Who looked at a file before, and finds no veil after, tells from it whether the
	// veil was lifted because the blob became durable.
	rollbacks atomic.Uint64
	// damaged are the blobs that Verify found to have the wrong content. The next upload of their bytes replaces them.
	damaged digestSet

	syncing chan struct{} // a slot for each file or directory being synced

	parcels       parcels
	parcelFrom    int  // of a batch's small blobs, the first to go into a parcel; negative: none
	settlesByHand bool // tests do without the timer
	ownTime       bool // files get the time of opts.Now, not the system's

	// Names of temporaries: a number after what is this Dir's own, lest a batch that outlives Close removes a file of the
	// Dir that opened the directory next.
	tempPrefix string
	temps      atomic.Uint64

	buffers buffers
	hashers hashers
	stats   stats
}

const (
	shards   = 256
	tmpDir   = "tmp"
	lockFile = "lock"
)

// OpenDir opens or makes the directory. It takes away what an interrupted process left half-written, and makes durable
// the names it finds: a process that was killed between rename and sync has left names that a loss of power could take.
func OpenDir(path string, opts Options) (*Dir, error) {
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("open blob directory %s: %w", path, err)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	if err := mkdirDurably(path); err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	lock, err := lockDir(filepath.Join(path, lockFile))
	if err != nil {
		return nil, fmt.Errorf("open blob directory: %w", err)
	}
	d := &Dir{lock: lock}
	disk, err := openOS(path)
	if err == nil {
		err = d.init(disk, opts)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open blob directory: %w", err), lock.Close())
	}
	return d, nil
}

// init sets up a Dir in place over a file system whose root exists. Options that make no sense are replaced by the defaults.
func (d *Dir) init(files filesystem, opts Options) error {
	d.fs, d.opts, d.ownTime = files, opts.withDefaults(), opts.Now != nil
	d.syncing = make(chan struct{}, d.opts.SyncWorkers)
	d.tempPrefix = tmpDir + "/" + strconv.FormatUint(rand.Uint64(), 36) + "-"
	if d.parcelFrom = parcelFrom; !d.fs.syncsAll() {
		d.parcelFrom = -1
	}
	for _, name := range []string{tmpDir, parcelDir} {
		if err := d.fs.mkdir(name); err != nil {
			return err
		}
	}
	for i := range shards {
		if err := d.fs.mkdir(shardName(byte(i))); err != nil {
			return err
		}
	}
	if err := d.fs.syncDir(""); err != nil {
		return err
	}
	if err := d.clearTemps(); err != nil {
		return err
	}
	if err := d.restore(); err != nil {
		return err
	}
	all := make([]byte, shards)
	for i := range all {
		all[i] = byte(i)
	}
	return d.syncShards(all)
}

// clearTemps removes leftover files. Removing while listing may hide entries from the listing: it goes on until one
// finds nothing.
func (d *Dir) clearTemps() error {
	for again := true; again; {
		again = false
		for e, err := range d.fs.list(tmpDir) {
			if err != nil {
				return err
			}
			if !e.mode.IsRegular() {
				continue
			}
			if err := d.fs.remove(tmpDir + "/" + e.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			again = true
		}
	}
	return nil
}

// syncShards syncs the directories of the given first bytes, as many at a time as there are slots.
func (d *Dir) syncShards(firsts []byte) error {
	var wg sync.WaitGroup
	errs := make([]error, len(firsts))
	for i, b := range firsts {
		d.syncing <- struct{}{}
		wg.Go(func() {
			errs[i] = d.fs.syncDir(shardName(b))
			<-d.syncing
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err // one is enough: a sick disk gives the same 256 times
		}
	}
	return nil
}

// Close waits for commits that are under way and releases the directory. End all batches before: those still open can
// only be aborted. Open Files stay readable.
func (d *Dir) Close() error {
	d.life.Lock()
	defer d.life.Unlock()
	if d.closed.Swap(true) {
		return nil
	}
	d.endParcels()
	if d.lock == nil {
		return nil
	}
	return d.lock.Close()
}

func (d *Dir) tempName() string { return d.tempPrefix + strconv.FormatUint(d.temps.Add(1), 10) }

func shardName(first byte) string { return hex.EncodeToString([]byte{first}) }

// fileName is where a blob lives.
func fileName(g manifest.Digest) string {
	var b [2*len(g) + 1]byte
	hex.Encode(b[:2], g[:1])
	b[2] = '/'
	hex.Encode(b[3:], g[1:])
	return string(b[:])
}

// parseName is the inverse of fileName for an entry of a shard.
func parseName(shard byte, name string) (g manifest.Digest, ok bool) {
	if len(name) != 2*(len(g)-1) {
		return g, false
	}
	if _, err := hex.Decode(g[1:], []byte(name)); err != nil {
		return g, false
	}
	g[0] = shard
	return g, fileName(g)[3:] == name // upper case is not ours
}
