package store

import (
	"encoding/binary"
	"iter"

	"berth/assets/manifest"
)

func encodedKey(d manifest.Digest) []byte { return append([]byte{tableEncoded}, d[:]...) }

// Encoded returns the encoded forms of a blob.
func (r *Reader) Encoded(d manifest.Digest) (Encoded, error) {
	x, err := getRecord(r, encodedKey(d), decodeEncoded, "encoded forms of blob %s", d)
	x.Blob = d
	return zeroIf(x, err), err
}

// AllEncoded yields the encoded forms of every blob that has been looked at, for the sweep and fsck.
func (r *Reader) AllEncoded() iter.Seq2[Encoded, error] {
	return records(r, []byte{tableEncoded}, decodeEncodedRecord)
}

// PutEncoded stores the encoded forms of a blob.
func (tx *Tx) PutEncoded(x Encoded) error {
	if x.Blob == (manifest.Digest{}) || x.Gzip.Size < 0 || x.Zstd.Size < 0 || x.Brotli.Size < 0 {
		return invalid("encoded forms of blob %s", x.Blob)
	}
	return tx.set(encodedKey(x.Blob), encodeEncoded(x))
}

// DeleteEncoded forgets them.
func (tx *Tx) DeleteEncoded(d manifest.Digest) error {
	_, err := tx.dropIfThere(encodedKey(d))
	return err
}

// Variants returns where the listing of a deployment's encoded forms is. ErrNotFound: it was not made yet.
func (r *Reader) Variants(no DeploymentNo) (FileRef, error) {
	return getRecord(r, key64(tableVariants, no), decodeVariants, "encoded forms of deployment %d", no)
}

// AllVariants yields every such listing.
func (r *Reader) AllVariants() iter.Seq2[Variants, error] {
	return records(r, []byte{tableVariants}, func(k, v []byte) (Variants, error) {
		no, err := numberOfKey(k)
		if err != nil {
			return Variants{}, err
		}
		f, err := decodeVariants(v)
		return Variants{no, f}, err
	})
}

// VariantsWanted yields the deployments whose encoded forms are to be made, oldest first.
func (r *Reader) VariantsWanted() iter.Seq2[DeploymentNo, error] {
	return records(r, []byte{tableVariantsTodo}, func(k, _ []byte) (DeploymentNo, error) { return numberOfKey(k) })
}

func numberOfKey(k []byte) (DeploymentNo, error) {
	if len(k) != 9 {
		return 0, errTruncated
	}
	return DeploymentNo(binary.BigEndian.Uint64(k[1:])), nil
}

// WantVariants notes that a deployment's encoded forms are to be made, until SetVariants or the deployment's end.
func (tx *Tx) WantVariants(no DeploymentNo) error {
	return tx.set(key64(tableVariantsTodo, no), nil)
}

// ForgetVariants takes that back.
func (tx *Tx) ForgetVariants(no DeploymentNo) error {
	_, err := tx.dropIfThere(key64(tableVariantsTodo, no))
	return err
}

// SetVariants stores the listing of a deployment's encoded forms, in whole or so far, and tells caches. ErrNotFound: the
// deployment is gone.
func (tx *Tx) SetVariants(no DeploymentNo, listing FileRef) error {
	if listing.Size < 0 {
		return invalid("listing of %d bytes for deployment %d", listing.Size, no)
	}
	if _, err := tx.Deployment(no); err != nil {
		return err
	}
	if err := tx.set(key64(tableVariants, no), encodeVariants(listing)); err != nil {
		return err
	}
	return tx.TouchDeployment(no)
}

// TouchDeployment puts a deployment into the Commit, so that caches drop what they have of it: for changes of what it
// is served with.
func (tx *Tx) TouchDeployment(no DeploymentNo) error {
	if err := tx.usable(); err != nil {
		return err
	}
	tx.deployments = append(tx.deployments, no)
	tx.wrote = true
	return nil
}
