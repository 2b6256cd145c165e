package store

import (
	"slices"
	"time"

	"berth/assets/manifest"
)

func (e *encoder) site(s SiteSettings) {
	e.u8(uint8(s.CORS))
	e.u8(uint8(s.Skew))
	e.uint(zigzag(int64(s.KeepAssets)))
}

func (d *decoder) site() SiteSettings {
	return SiteSettings{CORS: d.choice(), Skew: d.choice(), KeepAssets: time.Duration(unzigzag(d.uint()))}
}

func (d *decoder) choice() Choice {
	v := Choice(d.u8())
	if v > Off {
		d.fail(errRange)
	}
	return v
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

func encodeTarget(t Target) []byte {
	var e encoder
	e.u8(targetVersion)
	e.uint(uint64(len(t.Past)))
	for _, p := range t.Past {
		e.uint(uint64(p.Deployment))
		e.time(p.Left)
	}
	e.file(t.Kept)
	e.uint(uint64(t.KeptFiles))
	return e.b
}

func decodeTarget(b []byte) (Target, error) {
	d := decoder{b: b}
	d.version(targetVersion)
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail(errTruncated)
	}
	var t Target
	for i := uint64(0); i < n && d.err == nil; i++ {
		t.Past = append(t.Past, Past{Deployment: DeploymentNo(d.uint()), Left: d.time()})
	}
	t.Kept, t.KeptFiles = d.file(), d.uint32()
	return t, d.finish()
}

func checkTarget(t Target) error {
	seen := make([]DeploymentNo, 0, len(t.Past))
	for _, p := range t.Past {
		if p.Deployment == 0 || slices.Contains(seen, p.Deployment) {
			return invalid("target %q of project %d has deployment %d twice, or one without a number", t.Branch, t.Project, p.Deployment)
		}
		seen = append(seen, p.Deployment)
	}
	if t.Project == 0 || t.Kept.Size < 0 || len(t.Branch) > maxNameBytes {
		return invalid("target %q of project %d", t.Branch, t.Project)
	}
	return nil
}

// encodeEncoded writes what the key, the blob's digest, does not say.
func encodeEncoded(x Encoded) []byte {
	var e encoder
	e.u8(encodedVersion)
	e.file(x.Gzip)
	e.file(x.Zstd)
	e.file(x.Brotli)
	e.time(x.Made)
	return e.b
}

func decodeEncoded(b []byte) (Encoded, error) {
	d := decoder{b: b}
	d.version(encodedVersion)
	x := Encoded{Gzip: d.file(), Zstd: d.file(), Brotli: d.file(), Made: d.time()}
	return x, d.finish()
}

func decodeEncodedRecord(k, v []byte) (Encoded, error) {
	if len(k) != 1+len(manifest.Digest{}) {
		return Encoded{}, errTruncated
	}
	x, err := decodeEncoded(v)
	copy(x.Blob[:], k[1:])
	return x, err
}

func encodeVariants(listing FileRef) []byte {
	var e encoder
	e.u8(variantsVersion)
	e.file(listing)
	return e.b
}

func decodeVariants(b []byte) (FileRef, error) {
	d := decoder{b: b}
	d.version(variantsVersion)
	f := d.file()
	return f, d.finish()
}
