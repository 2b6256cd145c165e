package variants

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"berth/assets/httpsem"
	"berth/assets/sparse"
)

func part(raw []byte, entries int) (*Listing, error) {
	return OpenPart(sparse.New(bytes.NewReader(raw), int64(len(raw))), entries)
}

func TestPartRefusesWhatIsNone(t *testing.T) {
	good := encode(t, 3, Variant{1, httpsem.Gzip, digest("a"), 5})
	for name, raw := range map[string][]byte{"nothing": nil, "no header": good[:headerLen-1], "cut off": good[:len(good)-1]} {
		if _, err := part(raw, 3); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := part(good, 4); !errors.Is(err, ErrCorrupt) {
		t.Errorf("of another manifest: %v", err)
	}
	binary.LittleEndian.PutUint32(good[headerLen+offRank:], 1<<31) // records before it that there are not
	l, err := part(good, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _ = l.At(1, httpsem.Gzip); l.Err() == nil {
		t.Error("a record behind the end is believed")
	}
	if none := (*Listing)(nil); none.Err() != nil {
		t.Error(none.Err())
	}
}
