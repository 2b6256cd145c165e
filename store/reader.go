package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"berth/assets/manifest"
	"berth/router/hostkey"
)

// Reader has every read. *Store embeds one over the newest acknowledged state, *Snapshot over one revision, *Tx over the
// group's batch, so that checks inside Update are serialised. Get-like methods wrap ErrNotFound when there is no such
// record. Sequences yield in key order; a corrupt record is yielded as an error and the scan goes on behind it, a failed
// read ends it. What they yield stays valid.
type Reader struct{ src source }

// RouteOrErr is an element of AllRoutes.
type RouteOrErr struct {
	Route Route
	Err   error
}

// HostOwnerOrErr is an element of HostsUnder.
type HostOwnerOrErr struct {
	Owner HostOwner
	Err   error
}

// getRecord reads one record; absent says how the record is called in the error.
func getRecord[T any](r *Reader, key []byte, dec func([]byte) (T, error), absent string, args ...any) (T, error) {
	var zero T
	b, c, err := r.src.get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return zero, notFound(absent, args...)
	}
	if err != nil {
		return zero, readError(key, err)
	}
	v, err := dec(b)
	if cerr := c.Close(); cerr != nil && err == nil {
		return zero, readError(key, cerr)
	}
	if err != nil {
		r.src.noteCorrupt()
		return zero, corrupt(key, err)
	}
	return v, nil
}

func readError(key []byte, err error) error {
	if errors.Is(err, ErrClosed) {
		return err
	}
	if errors.Is(err, pebble.ErrCorruption) {
		return fmt.Errorf("%w: read %s: %w", ErrCorrupt, keyName(key), err)
	}
	return fmt.Errorf("store: read %s: %w", keyName(key), err)
}

// scan yields what dec makes of each record in [lo, hi).
func scan[K, V any](r *Reader, lo, hi []byte, dec func(k, v []byte) (K, V, error), fail func(error) (K, V)) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		it, done, err := r.src.iter(lo, hi)
		if err != nil {
			yield(fail(readError(lo, err)))
			return
		}
		defer done()
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			val, err := it.ValueAndErr()
			if err != nil {
				yield(fail(readError(it.Key(), err)))
				return
			}
			k, v, err := dec(it.Key(), val)
			if err != nil {
				r.src.noteCorrupt()
				k, v = fail(corrupt(it.Key(), err))
			}
			if !yield(k, v) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(fail(readError(lo, err)))
		}
	}
}

// records is scan for the usual shape.
func records[T any](r *Reader, prefix []byte, dec func(k, v []byte) (T, error)) iter.Seq2[T, error] {
	return recordsIn(r, prefix, prefixEnd(prefix), dec)
}

func recordsIn[T any](r *Reader, lo, hi []byte, dec func(k, v []byte) (T, error)) iter.Seq2[T, error] {
	return scan(r, lo, hi,
		func(k, v []byte) (T, error, error) { t, err := dec(k, v); return t, nil, err },
		func(err error) (t T, _ error) { return t, err })
}

// joined is records for an index whose entries name records elsewhere: both are read from the same state, so that an
// entry without its record is damage and not a race.
func joined[T any](r *Reader, prefix []byte, dec func(r *Reader, k, v []byte) (T, error)) iter.Seq2[T, error] {
	return joinedIn(r, prefix, prefixEnd(prefix), dec)
}

// joinedIn is joined for a range.
func joinedIn[T any](r *Reader, lo, hi []byte, dec func(r *Reader, k, v []byte) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		src, done, err := r.src.pin()
		if err != nil {
			var zero T
			yield(zero, err)
			return
		}
		defer done()
		pinned := &Reader{src}
		seq := recordsIn(pinned, lo, hi, func(k, v []byte) (T, error) { return dec(pinned, k, v) })
		seq(yield)
	}
}

// collect reads a bounded range into a slice; the first error ends it.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var all []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// has reports whether a key is there, whatever its value.
func (r *Reader) has(key []byte) (bool, error) {
	_, c, err := r.src.get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, readError(key, err)
	}
	return true, c.Close()
}

// number reads an index entry: a bare uvarint.
func (r *Reader) number(key []byte, absent string, args ...any) (uint64, error) {
	return getRecord(r, key, decodeNumber, absent, args...)
}

func decodeNumber(b []byte) (uint64, error) {
	d := decoder{b: b}
	n := d.uint()
	return n, d.finish()
}

func encodeNumber[N ~uint32 | ~uint64](n N) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// Route returns the route record of a host key, of whatever epoch. The request path uses LookupRoute.
func (r *Reader) Route(k hostkey.Key) (Route, error) {
	return getRecord(r, routeKey(tableRoute, k), decodeRoute, "route of host key %x", k[:])
}

// Wildcard returns the wildcard record of a parent host's key.
func (r *Reader) Wildcard(k hostkey.Key) (Route, error) {
	return getRecord(r, routeKey(tableWildcard, k), decodeRoute, "wildcard under host key %x", k[:])
}

// AllRoutes yields every route record, in the order of the host keys.
func (r *Reader) AllRoutes() iter.Seq2[hostkey.Key, RouteOrErr] { return r.routes(tableRoute) }

// AllWildcards is AllRoutes for wildcards.
func (r *Reader) AllWildcards() iter.Seq2[hostkey.Key, RouteOrErr] { return r.routes(tableWildcard) }

func (r *Reader) routes(table byte) iter.Seq2[hostkey.Key, RouteOrErr] {
	return scan(r, []byte{table}, []byte{table + 1},
		func(k, v []byte) (hk hostkey.Key, _ RouteOrErr, _ error) {
			if len(k) != 1+len(hk) {
				return hk, RouteOrErr{}, errTruncated
			}
			copy(hk[:], k[1:])
			route, err := decodeRoute(v)
			if err != nil {
				r.src.noteCorrupt() // with its key, so that fsck can say which host it was
				return hk, RouteOrErr{Err: corrupt(k, err)}, nil
			}
			return hk, RouteOrErr{Route: route}, nil
		},
		func(err error) (hostkey.Key, RouteOrErr) { return hostkey.Key{}, RouteOrErr{Err: err} })
}

// HostOwner returns who holds a custom host; a wildcard is "*." and its parent.
func (r *Reader) HostOwner(host string) (HostOwner, error) {
	return getRecord(r, hostKey(host), decodeHostOwner, "owner of host %q", host)
}

// HostsUnder yields the claimed hosts that end in "." + suffix, wildcards included.
func (r *Reader) HostsUnder(suffix string) iter.Seq2[string, HostOwnerOrErr] {
	return r.hostOwners(append(hostKey(suffix), '.'))
}

func (r *Reader) hostOwners(prefix []byte) iter.Seq2[string, HostOwnerOrErr] {
	return scan(r, prefix, prefixEnd(prefix),
		func(k, v []byte) (string, HostOwnerOrErr, error) {
			o, err := decodeHostOwner(v)
			return reverseLabels(string(k[1:])), HostOwnerOrErr{Owner: o}, err
		},
		func(err error) (string, HostOwnerOrErr) { return "", HostOwnerOrErr{Err: err} })
}

// Token returns a token by its public part.
func (r *Reader) Token(id string) (Token, error) {
	t, err := getRecord(r, keyString(tableToken, id), decodeToken, "token %q", id)
	t.ID = id
	return zeroIf(t, err), err
}

// Tokens yields the tokens of an account, by ID.
func (r *Reader) Tokens(a AccountNo) iter.Seq2[Token, error] {
	return joined(r, key32(tableAccountToken, a), func(r *Reader, k, _ []byte) (Token, error) {
		return r.Token(string(k[5:]))
	})
}

// Proof returns what an asset key with an extension is within an account.
func (r *Reader) Proof(a AccountNo, k manifest.AssetKey, ext string) (Proof, error) {
	p, err := getRecord(r, proofKey(a, k, ext), decodeProof, "proof of asset %x with extension %q", k[:], ext)
	p.Account, p.Key, p.Extension = a, k, ext
	return zeroIf(p, err), err
}

// HasProof returns the proofs of an asset key, one for each extension it was proved with; none is no error.
func (r *Reader) HasProof(a AccountNo, k manifest.AssetKey) ([]Proof, error) {
	return collect(records(r, proofKey(a, k, ""), decodeProofRecord))
}

// AllProofs yields every proof, for the sweep and fsck.
func (r *Reader) AllProofs() iter.Seq2[Proof, error] {
	return records(r, []byte{tableProof}, decodeProofRecord)
}

func decodeProofRecord(k, v []byte) (p Proof, err error) {
	if len(k) < 21 {
		return p, errTruncated
	}
	p, err = decodeProof(v)
	p.Account = AccountNo(binary.BigEndian.Uint32(k[1:]))
	copy(p.Key[:], k[5:])
	p.Extension = string(k[21:])
	return p, err
}

// Claims returns the candidates for an asset key within a project, in the order of their digests; none is no error.
func (r *Reader) Claims(p ProjectNo, k manifest.AssetKey) ([]Claim, error) {
	return collect(records(r, key32(tableClaim, p, k[:]...), decodeClaimRecord))
}

// AllClaims yields every claim, for the sweep and fsck.
func (r *Reader) AllClaims() iter.Seq2[Claim, error] {
	return records(r, []byte{tableClaim}, decodeClaimRecord)
}

func decodeClaimRecord(k, v []byte) (c Claim, err error) {
	if len(k) != 53 {
		return c, errTruncated
	}
	c, err = decodeClaim(v, manifest.Digest(k[21:53]))
	c.Project = ProjectNo(binary.BigEndian.Uint32(k[1:]))
	copy(c.Key[:], k[5:21])
	return c, err
}

// Wanted says that a refusal asked for k to be uploaded again to p: check-missing must then answer "missing".
func (r *Reader) Wanted(p ProjectNo, k manifest.AssetKey) (bool, error) {
	return r.has(key32(tableWanted, p, k[:]...))
}

func zeroIf[T any](v T, err error) T {
	if err != nil {
		var zero T
		return zero
	}
	return v
}
