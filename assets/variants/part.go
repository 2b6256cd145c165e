package variants

import "berth/assets/sparse"

// OpenPart is Open for bytes that are read as they are wanted: it checks the header alone, and a look-up reads what it needs. What cannot
// be read is zero, a listing's own mistakes are not found, and Err says only that something could not be read, or had to be behind the end.
func OpenPart(b *sparse.Bytes, entries int) (*Listing, error) {
	if _, err := checkHeader(b.At(0, min(b.Len(), headerLen)), b.Len(), entries); err != nil {
		return nil, err
	}
	return &Listing{entries: entries, part: b}, b.Err()
}

// Err is why a view of a part is not to be believed; nil of all others.
func (l *Listing) Err() error {
	if l == nil || l.part == nil {
		return nil
	}
	return l.part.Err()
}
