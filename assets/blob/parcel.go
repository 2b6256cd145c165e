package blob

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"berth/assets/manifest"
)

// A parcel is one file with the bytes of many small blobs. A deployment may bring thousands of them, and to sync a file for each is
// most of the work of storing them. So the batch writes them twice: into files of their own, which are not synced, and into a
// parcel, which is. Once the parcel is durable they are, and can be seen; its file goes when theirs are known to be durable as
// well. If the machine loses its power before, the next start makes them again from the parcel.
//
// The file is a header, then for each blob its digest, its size (u32, little-endian) and its bytes. It is synced before it gets its
// name, so that one that is found is whole.
const (
	parcelMagic  = "berthpc\x01"
	parcelHead   = len(manifest.Digest{}) + 4
	parcelDir    = "parcels"
	parcelBuffer = 4 * maxBuffer
)

// The bounds of parcels.
const (
	// parcelFrom is how many small blobs of a batch are synced one by one, before it starts a parcel: of so few, the parcel
	// would cost more than it saves.
	parcelFrom = 8
	// maxParcels bounds the bytes of parcels that wait for their blobs' own files to be durable, and so the work of a start after a
	// crash. A batch that meets it goes on without.
	maxParcels = 128 << 20
)

// parcel is being written by one batch.
type parcel struct {
	parcelFile
	file tempFile
	buf  []byte
	err  error // it is of no use
}

func (d *Dir) newParcel() (*parcel, error) {
	p := &parcel{parcelFile: parcelFile{name: d.tempName(), since: d.parcels.failures.Load()}, buf: make([]byte, 0, parcelBuffer)}
	f, err := d.fs.create(p.name)
	if err != nil {
		d.dropTemp(p.name) // it may be there in spite of the error
		return nil, err
	}
	p.file = f
	p.buf = append(p.buf, parcelMagic...)
	return p, nil
}

// add appends a blob. After an error nothing behind it could be found again: the parcel, and its batch with it, has failed.
func (p *parcel) add(g manifest.Digest, b []byte) error {
	if p.err == nil && len(p.buf)+parcelHead+len(b) > cap(p.buf) {
		p.flush()
	}
	if p.err != nil {
		return p.err
	}
	p.buf = binary.LittleEndian.AppendUint32(append(p.buf, g[:]...), uint32(len(b)))
	p.buf = append(p.buf, b...)
	return nil
}

func (p *parcel) flush() {
	n, err := p.file.Write(p.buf)
	if err == nil && n < len(p.buf) {
		err = io.ErrShortWrite
	}
	p.size += int64(n)
	p.buf, p.err = p.buf[:0], err
}

// finish makes the content durable.
func (p *parcel) finish() error {
	if p.err == nil {
		p.flush()
	}
	if p.err == nil {
		p.err = p.file.Sync()
	}
	return errors.Join(p.err, p.close())
}

// close lets go of the file, once.
func (p *parcel) close() error {
	if p.file == nil {
		return nil
	}
	err := p.file.Close()
	p.file = nil
	return err
}

// readParcel hands the blobs of a parcel to f, one by one. Bytes that are not what their digest says are passed over: nothing can be
// made of them.
func (d *Dir) readParcel(name string, f func(manifest.Digest, []byte) error) (err error) {
	file, fi, err := d.fs.open(name)
	if err != nil {
		return err
	}
	defer file.Close() // read only: nothing to lose
	r := io.NewSectionReader(file, 0, fi.size)
	magic := make([]byte, len(parcelMagic))
	if err := readExactly(r, magic); err != nil || string(magic) != parcelMagic {
		return damagedParcel(name, err)
	}
	head, buf := make([]byte, parcelHead), d.buffers.get(maxBuffer)
	defer func() { d.buffers.put(buf) }()
	for {
		err := readExactly(r, head)
		if err == io.EOF {
			return nil
		}
		g, n := manifest.Digest(head[:len(manifest.Digest{})]), binary.LittleEndian.Uint32(head[len(manifest.Digest{}):])
		if err != nil || n > maxBuffer {
			return damagedParcel(name, err)
		}
		if err := readExactly(r, buf[:n]); err != nil {
			return damagedParcel(name, err)
		}
		if manifest.DigestOf(buf[:n]) != g {
			continue
		}
		if err := f(g, buf[:n]); err != nil {
			return err
		}
	}
}

// readExactly reads all of b. io.EOF is the end before it.
func readExactly(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	return err
}

// errParcel says that the rest of a parcel cannot be read.
var errParcel = errors.New("blob: damaged parcel")

// damagedParcel tells a parcel that ends, or goes on, as none does from one that the disk does not give out.
func damagedParcel(name string, err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w %s", errParcel, name)
	}
	return fmt.Errorf("read parcel %s: %w", name, err)
}
