package store

import (
	"encoding/binary"
	"errors"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"berth/router/hostkey"
)

// A route record says which deployment a host has, and the control plane's records say which hosts a deployment has; but for the hosts
// that came with tables of the old design. They may be called anything, and lead to any deployment of the project. This index has
// them by deployment, so that whoever deletes one finds what leads to it. Who moves a host takes its entry away; one that
// stayed does no harm, because where a host leads its record and its table say. All of them go with their deployment.

// ImportedHost is an entry of the index.
type ImportedHost struct {
	Deployment DeploymentNo
	Key        hostkey.Key // of Host
	Wildcard   bool
	Class      Class  // of the record
	Host       string // of a wildcard, the parent; "" if only its key is known
}

const importedVersion = 1

func importedKey(no DeploymentNo, k hostkey.Key, wildcard bool) []byte {
	b := make([]byte, 0, 26)
	b = binary.BigEndian.AppendUint64(append(b, tableImported), uint64(no))
	kind := byte(0)
	if wildcard {
		kind = 1
	}
	return append(append(b, kind), k[:]...)
}

func encodeImported(h ImportedHost) []byte {
	e := encoder{b: make([]byte, 0, 4+len(h.Host))}
	e.u8(importedVersion)
	e.u8(uint8(h.Class))
	e.string(h.Host)
	return e.b
}

// decodeImported leaves what the key says to the caller.
func decodeImported(b []byte) (ImportedHost, error) {
	d := decoder{b: b}
	d.version(importedVersion)
	h := ImportedHost{Class: Class(d.enum(uint8(ClassCustom))), Host: d.string()}
	return h, d.finish()
}

func decodeImportedRecord(k, v []byte) (ImportedHost, error) {
	h, err := decodeImported(v)
	if err != nil {
		return h, err
	}
	if len(k) != 10+len(h.Key) || k[9] > 1 {
		return h, errTruncated
	}
	h.Deployment, h.Wildcard = DeploymentNo(binary.BigEndian.Uint64(k[1:])), k[9] == 1
	copy(h.Key[:], k[10:])
	return h, nil
}

// ImportedHosts yields the hosts that a table of the old design pointed to a deployment.
func (r *Reader) ImportedHosts(no DeploymentNo) iter.Seq2[ImportedHost, error] {
	return records(r, key64(tableImported, no), decodeImportedRecord)
}

// AllImportedHosts yields the whole index, by deployment.
func (r *Reader) AllImportedHosts() iter.Seq2[ImportedHost, error] {
	return records(r, []byte{tableImported}, decodeImportedRecord)
}

// IsImportedHost says whether the index has a host, or a wildcard, of a deployment.
func (r *Reader) IsImportedHost(no DeploymentNo, k hostkey.Key, wildcard bool) (bool, error) {
	return r.has(importedKey(no, k, wildcard))
}

// PutImportedHost notes a host, in the batch that points it to the deployment. ErrNotFound: there is no such deployment.
func (tx *Tx) PutImportedHost(h ImportedHost) error {
	if h.Class < ClassDeployment || h.Class > ClassCustom || len(h.Host) > maxNameBytes {
		return invalid("imported host of class %d with a name of %d bytes", h.Class, len(h.Host))
	}
	there, err := tx.has(key64(tableDeploymentNo, h.Deployment))
	if err != nil {
		return err
	}
	if !there {
		return notFound("deployment %d", h.Deployment)
	}
	return tx.set(importedKey(h.Deployment, h.Key, h.Wildcard), encodeImported(h))
}

// DeleteImportedHost forgets a host that does not lead there any more.
func (tx *Tx) DeleteImportedHost(no DeploymentNo, k hostkey.Key, wildcard bool) error {
	_, err := tx.dropIfThere(importedKey(no, k, wildcard))
	return err
}

func (tx *Tx) dropImported(no DeploymentNo) error {
	hosts, err := collect(tx.ImportedHosts(no))
	for _, h := range hosts {
		err = errors.Join(err, tx.drop(importedKey(no, h.Key, h.Wildcard)))
	}
	return err
}

// ImportedHostsKnown says whether the index is whole. Formats before the third had none: until somebody has made it, what leads to
// a deployment is not known on a server that has tables, or had some.
func (r *Reader) ImportedHostsKnown() (bool, error) {
	todo, err := r.has(keyImportedTodo)
	return !todo, err
}

// SetImportedHostsKnown says whether it is.
func (tx *Tx) SetImportedHostsKnown(known bool) error {
	if !known {
		return tx.set(keyImportedTodo, nil)
	}
	_, err := tx.dropIfThere(keyImportedTodo)
	return err
}

// wantImported notes, in the batch that raises the format to the third, that the index is to be made, if there may be something in it.
func (s *Store) wantImported(b *pebble.Batch) error {
	for _, table := range []byte{tableLegacy, tableMigration} {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{table}, UpperBound: []byte{table + 1}})
		if err != nil {
			return readError([]byte{table}, err)
		}
		there := it.First()
		if err := it.Close(); err != nil {
			return readError([]byte{table}, err)
		}
		if there {
			return b.Set(keyImportedTodo, nil, nil)
		}
	}
	return nil
}
