package store

import (
	"encoding/binary"
	"iter"

	"berth/router/hostkey"
)

// What a migration off the old design keeps here is opaque to the store: each project's table in pieces, in the order in which
// its entries are tried; an index from hosts to pieces; and documents of its own.

// TableChunk is a piece of a project's table.
type TableChunk struct {
	Project ProjectNo
	No      uint32
	JSON    []byte
}

// TableChunks yields the pieces of a project's table, in order; none if it has no table.
func (r *Reader) TableChunks(p ProjectNo) iter.Seq2[TableChunk, error] {
	return records(r, key32(tableLegacy, p), decodeTableChunk)
}

// AllTableChunks yields every piece, by project, starting with the piece of that project and number.
func (r *Reader) AllTableChunks(p ProjectNo, from uint32) iter.Seq2[TableChunk, error] {
	return recordsIn(r, tableChunkKey(p, from), []byte{tableLegacy + 1}, decodeTableChunk)
}

// TableChunk returns one piece.
func (r *Reader) TableChunk(p ProjectNo, no uint32) (TableChunk, error) {
	c, err := getRecord(r, tableChunkKey(p, no), func(b []byte) (TableChunk, error) {
		return TableChunk{Project: p, No: no, JSON: append([]byte(nil), b...)}, nil
	}, "piece %d of the table of project %d", no, p)
	return c, err
}

func tableChunkKey(p ProjectNo, no uint32) []byte {
	return binary.BigEndian.AppendUint32(key32(tableLegacy, p), no)
}

func decodeTableChunk(k, v []byte) (TableChunk, error) {
	if len(k) != 9 {
		return TableChunk{}, errTruncated
	}
	return TableChunk{
		Project: ProjectNo(binary.BigEndian.Uint32(k[1:])), No: binary.BigEndian.Uint32(k[5:]), JSON: append([]byte(nil), v...),
	}, nil
}

// PutTableChunk stores a piece of a project's table.
func (tx *Tx) PutTableChunk(c TableChunk) error {
	if c.Project == 0 {
		return invalid("piece %d of a table without a project", c.No)
	}
	tx.tables = append(tx.tables, c.Project)
	return tx.set(tableChunkKey(c.Project, c.No), c.JSON)
}

// DeleteTableChunk deletes a piece.
func (tx *Tx) DeleteTableChunk(p ProjectNo, no uint32) error {
	there, err := tx.dropIfThere(tableChunkKey(p, no))
	if there {
		tx.tables = append(tx.tables, p)
	}
	return err
}

// DeleteTable deletes a project's whole table with its index.
func (tx *Tx) DeleteTable(p ProjectNo) error {
	tx.tables = append(tx.tables, p)
	if err := tx.dropAll(key32(tableLegacy, p)); err != nil {
		return err
	}
	return tx.dropAll(key32(tableLegacyHost, p))
}

func tableHostKey(p ProjectNo, host string) []byte {
	return key32s(tableLegacyHost, p, reverseLabels(host))
}

// TableHost returns the piece of a project's table that has the entry of a host; a wildcard is "*." and its parent.
func (r *Reader) TableHost(p ProjectNo, host string) (uint32, error) {
	no, err := r.number(tableHostKey(p, host), "host %q in the table of project %d", host, p)
	return uint32(no), err
}

// TableHosts yields the hosts of a project's table, in the order of their reversed labels.
func (r *Reader) TableHosts(p ProjectNo) iter.Seq2[string, error] {
	return records(r, key32(tableLegacyHost, p), func(k, _ []byte) (string, error) { return reverseLabels(string(k[5:])), nil })
}

// SetTableHost notes which piece has a host's entry.
func (tx *Tx) SetTableHost(p ProjectNo, host string, no uint32) error {
	if err := checkName("host", host); err != nil {
		return err
	}
	return tx.set(tableHostKey(p, host), encodeNumber(no))
}

// DeleteTableHost forgets it.
func (tx *Tx) DeleteTableHost(p ProjectNo, host string) error {
	_, err := tx.dropIfThere(tableHostKey(p, host))
	return err
}

// Document is a record of the migration's own.
type Document struct {
	Name  string
	Value []byte
}

// Document returns a document of the migration.
func (r *Reader) Document(name string) ([]byte, error) {
	return getRecord(r, keyString(tableMigration, name), func(b []byte) ([]byte, error) { return append([]byte(nil), b...), nil }, "document %q", name)
}

// Documents yields the documents whose names begin with prefix, from the given name on ("" for all of them).
func (r *Reader) Documents(prefix, from string) iter.Seq2[Document, error] {
	lo := keyString(tableMigration, max(prefix, from))
	return recordsIn(r, lo, prefixEnd(keyString(tableMigration, prefix)), func(k, v []byte) (Document, error) {
		return Document{string(k[1:]), append([]byte(nil), v...)}, nil
	})
}

// PutDocument stores a document.
func (tx *Tx) PutDocument(name string, value []byte) error {
	if err := checkName("document", name); err != nil {
		return err
	}
	tx.migration = true
	return tx.set(keyString(tableMigration, name), value)
}

// DeleteDocument deletes one.
func (tx *Tx) DeleteDocument(name string) error {
	there, err := tx.dropIfThere(keyString(tableMigration, name))
	tx.migration = tx.migration || there
	return err
}

// DeleteDocuments deletes all whose names begin with prefix.
func (tx *Tx) DeleteDocuments(prefix string) error {
	tx.migration = true
	return tx.dropAll(keyString(tableMigration, prefix))
}

// Epoch is the newest acknowledged one.
func (s *Store) Epoch() Epoch {
	if v := s.current.Load(); v != nil {
		return v.head.epoch
	}
	return 0
}

// Epoch is the one that records are written in.
func (tx *Tx) Epoch() Epoch { return tx.g.head.epoch }

// NextEpoch begins an epoch: every route record that there is counts as absent from now on.
func (tx *Tx) NextEpoch() (Epoch, error) {
	if err := tx.usable(); err != nil {
		return 0, err
	}
	if tx.g.head.epoch == ^Epoch(0) {
		return 0, invalid("no epoch is left")
	}
	tx.g.head.epoch++
	tx.wrote, tx.migration = true, true
	return tx.g.head.epoch, nil
}

// CurrentRoute returns the route record of a host key as LookupRoute would: of another epoch, it counts as absent.
func (tx *Tx) CurrentRoute(k hostkey.Key) (Route, error) { return tx.ofEpoch(tx.Route(k)) }

// CurrentWildcard is CurrentRoute for wildcards.
func (tx *Tx) CurrentWildcard(k hostkey.Key) (Route, error) { return tx.ofEpoch(tx.Wildcard(k)) }

func (tx *Tx) ofEpoch(r Route, err error) (Route, error) {
	if err == nil && r.Epoch != tx.g.head.epoch {
		return Route{}, notFound("route of epoch %d; there is one of epoch %d", tx.g.head.epoch, r.Epoch)
	}
	return r, err
}
