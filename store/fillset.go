package store

import (
	"context"
	"encoding/binary"
	"sync/atomic"

	"berth/router/hostkey"
)

// Nearly every host key that a backfill asks for has no record, and to find that out in the database is most of what filling
// costs. So while somebody fills, a filter in memory knows of every key whether it may have a record: it is made from all records, and
// the committer, which alone writes, adds what it writes. Without it, or where it says "perhaps", the database is asked.

const (
	// fillSetBytes is the memory of the filter while there is one. It answers one in fifty wrongly with "perhaps" at 14 million
	// records, and more at more.
	fillSetBytes = 16 << 20
	fillBlock    = 8 // words, a cache line
	fillBits     = 6 // of a key, all in one block
)

// fillSet is a Bloom filter of host keys. Keys are keyed hashes, so they are their own hash functions. It is safe for concurrent use.
type fillSet struct {
	words []atomic.Uint64
	whole atomic.Bool // all records that there are were added
}

func newFillSet(bytes int) *fillSet { return &fillSet{words: make([]atomic.Uint64, bytes/8)} }

// place is where the bits of a key are: a block, and nine bits for each place in it.
func (f *fillSet) place(k hostkey.Key) (block []atomic.Uint64, bits uint64) {
	n := binary.LittleEndian.Uint64(k[:]) % uint64(len(f.words)/fillBlock)
	return f.words[n*fillBlock : (n+1)*fillBlock], binary.LittleEndian.Uint64(k[8:])
}

func (f *fillSet) add(k hostkey.Key) {
	block, bits := f.place(k)
	for range fillBits {
		block[bits>>6&(fillBlock-1)].Or(1 << (bits & 63))
		bits >>= 9
	}
}

// mayHave is false only for what was never added.
func (f *fillSet) mayHave(k hostkey.Key) bool {
	block, bits := f.place(k)
	for range fillBits {
		if block[bits>>6&(fillBlock-1)].Load()&(1<<(bits&63)) == 0 {
			return false
		}
		bits >>= 9
	}
	return true
}

// ExpectFills makes FillRoutes cheap from about now on, for as long as somebody who called it has not called release. It reads all
// route records once in the background, and takes 16 MiB.
func (s *Store) ExpectFills(ctx context.Context) (release func()) {
	s.fills.mu.Lock()
	defer s.fills.mu.Unlock()
	if s.fills.users++; s.fills.users == 1 {
		f := newFillSet(s.fillBytes)
		s.fills.set.Store(f)
		ctx, s.fills.stop = context.WithCancel(ctx)
		s.fills.done.Go(func() { f.whole.Store(s.addAll(ctx, f)) })
	}
	var released atomic.Bool
	return func() {
		if !released.Swap(true) {
			s.releaseFills()
		}
	}
}

func (s *Store) releaseFills() {
	s.fills.mu.Lock()
	defer s.fills.mu.Unlock()
	if s.fills.users--; s.fills.users == 0 {
		s.fills.stop()
		s.fills.done.Wait()
		s.fills.set.Store(nil)
	}
}

// addAll adds every key that has a record, and reports whether it came to the end. Whoever wrote before the committer knew of f is done
// when an Update of ours is, so the snapshot behind that has what he wrote; whoever writes later adds it himself.
func (s *Store) addAll(ctx context.Context, f *fillSet) bool {
	if _, err := s.Update(ctx, func(*Tx) error { return nil }); err != nil {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	sn := s.Snapshot()
	defer sn.Close()
	for k, err := range scan(&sn.Reader, []byte{tableRoute}, []byte{tableRoute + 1},
		func(k, _ []byte) (hk hostkey.Key, _ error, _ error) {
			if len(k) != 1+len(hk) {
				return hk, nil, errTruncated
			}
			copy(hk[:], k[1:])
			return hk, nil, nil
		}, func(err error) (hostkey.Key, error) { return hostkey.Key{}, err }) {
		if err != nil || ctx.Err() != nil {
			return false
		}
		f.add(k)
	}
	return true
}
