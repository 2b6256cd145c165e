package store

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A database of an earlier format may have hosts that nobody noted, but only if it has, or had, tables of the old design.
func TestImportedHostsOfEarlierFormats(t *testing.T) {
	for name, tc := range map[string]struct {
		write func(*Tx) error
		from  uint64
		known bool
	}{
		"never migrated":      {func(tx *Tx) error { return setRoute(1)(tx) }, 2, true},
		"with a table":        {func(tx *Tx) error { return tx.PutTableChunk(TableChunk{Project: 1, No: 1, JSON: []byte("{}")}) }, 2, false},
		"tables were deleted": {func(tx *Tx) error { return tx.PutDocument("state", []byte("{}")) }, 1, false},
		"of this format":      {func(tx *Tx) error { return tx.PutDocument("state", []byte("{}")) }, FormatVersion, true},
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			s := openMem(t, disk, Options{})
			update(t, s, tc.write)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			tamper(t, disk, keyFormat, encodeNumber(tc.from))
			for range 2 { // what is to be done stays so over a restart
				s = openMem(t, disk, Options{})
				if known, err := s.ImportedHostsKnown(); known != tc.known || err != nil {
					t.Errorf("known: %v, %v", known, err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s = openMem(t, disk, Options{})
			update(t, s, func(tx *Tx) error { return errors.Join(setRoute(2)(tx), tx.SetImportedHostsKnown(true)) })
			if known, err := s.ImportedHostsKnown(); !known || err != nil {
				t.Errorf("made: %v, %v", known, err)
			}
		})
	}
}

func TestImportedHostsAreChecked(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	update(t, s, putSamples)
	for _, h := range []ImportedHost{{Deployment: 7}, {Deployment: 7, Class: ClassCustom + 1}, {Deployment: 7, Class: ClassCustom, Host: string(make([]byte, maxNameBytes+1))}} {
		_, err := s.Update(t.Context(), func(tx *Tx) error { return tx.PutImportedHost(h) })
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", h, err)
		}
	}
}
