package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// The wire form of record values. Every value starts with a version byte, except those that are a bare number. Numbers
// are shortest-form uvarints, strings have their length before them. Reading is strict: a value that could not have been
// written by the encoder is an error, so that decode and encode are inverses and damage shows.

var (
	errTruncated = errors.New("truncated")
	errTrailing  = errors.New("bytes after the end")
	errOverlong  = errors.New("number not in its shortest form")
	errRange     = errors.New("number out of range")
)

type encoder struct{ b []byte }

func (e *encoder) u8(v uint8)      { e.b = append(e.b, v) }
func (e *encoder) uint(v uint64)   { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) fixed(p []byte)  { e.b = append(e.b, p...) }
func (e *encoder) string(s string) { e.uint(uint64(len(s))); e.b = append(e.b, s...) }
func (e *encoder) bytes(p []byte)  { e.uint(uint64(len(p))); e.b = append(e.b, p...) }

// time writes seconds (zigzag) and nanoseconds, so that the zero time survives, which UnixNano does not.
func (e *encoder) time(t time.Time) {
	e.b = binary.AppendVarint(e.b, t.Unix())
	e.uint(uint64(t.Nanosecond()))
}

// decoder reads what encoder wrote. The first fault sticks, and later reads give zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
		d.b = nil
	}
}

func (d *decoder) version(want uint8) {
	if v := d.u8(); d.err == nil && v != want {
		d.fail(fmt.Errorf("record version %d, this berth reads %d", v, want))
	}
}

// oneOf writes the version of a record that has a longer and a shorter form, and decoder.oneOf tells which it is.
func (e *encoder) oneOf(long bool, longVersion, version uint8) {
	if long {
		version = longVersion
	}
	e.u8(version)
}

func (d *decoder) oneOf(longVersion, version uint8) bool {
	if len(d.b) > 0 && d.b[0] == longVersion {
		d.b = d.b[1:]
		return true
	}
	d.version(version)
	return false
}

func (d *decoder) u8() uint8 {
	if len(d.b) == 0 {
		d.fail(errTruncated)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	switch {
	case n == 0:
		d.fail(errTruncated)
	case n < 0:
		d.fail(errRange)
	case n > 1 && d.b[n-1] == 0:
		d.fail(errOverlong)
	default:
		d.b = d.b[n:]
		return v
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	v := d.uint()
	if v > math.MaxUint32 {
		d.fail(errRange)
		return 0
	}
	return uint32(v)
}

func (d *decoder) int64() int64 {
	v := d.uint()
	if v > math.MaxInt64 {
		d.fail(errRange)
		return 0
	}
	return int64(v)
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail(errTruncated)
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) fixed(dst []byte) { copy(dst, d.take(uint64(len(dst)))) }
func (d *decoder) string() string   { return string(d.take(d.uint())) }

// bytes returns a copy; nil if empty.
func (d *decoder) bytes() []byte { return append([]byte(nil), d.take(d.uint())...) }

func (d *decoder) bool() bool {
	v := d.u8()
	if v > 1 {
		d.fail(errRange)
	}
	return v == 1
}

func (d *decoder) enum(last uint8) uint8 {
	v := d.u8()
	if v == 0 || v > last {
		d.fail(errRange)
	}
	return v
}

func (d *decoder) time() time.Time {
	u, n := binary.Uvarint(d.b)
	if n > 1 && d.b[n-1] == 0 {
		d.fail(errOverlong)
	}
	if n <= 0 {
		d.fail(errTruncated)
		return time.Time{}
	}
	d.b = d.b[min(n, len(d.b)):]
	sec := int64(u>>1) ^ -int64(u&1)
	ns := d.uint()
	if ns >= 1e9 {
		d.fail(errRange)
	}
	if d.err != nil {
		return time.Time{}
	}
	return time.Unix(sec, int64(ns)).UTC()
}

// finish returns the first fault, or that something is left over.
func (d *decoder) finish() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail(errTrailing)
	}
	return d.err
}
