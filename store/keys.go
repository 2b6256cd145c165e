package store

import (
	"encoding/binary"
	"fmt"
	"strings"

	"berth/assets/manifest"
	"berth/router/hostkey"
)

// The key layout. The first byte says which table a key belongs to; numbers are big-endian, so that byte order is
// numeric order; a variable-length part always comes last.
//
//	prefix  key after it                         value
//	m       name of the record                   format version (uvarint) · head · base domain · check value of a secret
//	r       host key (16)                        route
//	w       key of the parent host (16)          route of "*." + parent
//	v       revision (8)                         commit: its time, and each touched route's previous value
//	a       account (4)                          account
//	A       account ID                           account number
//	p       project (4)                          project
//	P       project name                         project number
//	q       account (4) · project name           project number
//	d       project (4) · ^deployment (8)        deployment; inverted, so that a scan goes newest first
//	D       deployment (8)                       project number
//	u       deployment UUID (16)                 deployment number
//	l       project (4) · first 4 bytes of UUID  deployment number
//	g       deployment (8) · chunk (4)           log lines
//	b       project (4) · branch name            branch
//	B       project (4) · alias label            branch name
//	n       project (4) · host                   domain
//	h       host, labels reversed                host owner
//	t       token ID                             token
//	T       account (4) · token ID               nothing
//	x       account (4) · asset key (16) · ext   proof
//	c       project (4) · asset key (16) · blob  claim
//	y       project (4) · asset key (16)         nothing: the asset is wanted again
//	k       project (4) · branch name            target; no name: production
//	e       digest of a blob (32)                encoded forms of the blob
//	f       deployment (8)                       listing of its files' encoded forms
//	F       deployment (8)                       nothing: that listing is to be made
//	L       project (4) · chunk (4)              piece of the project's table of the old design
//	i       project (4) · host, labels reversed  chunk that has the host's entry
//	s       pipeline of the old design           deployment number
//	M       name                                 document of the migration
//	I       deployment (8) · wildcard (1) · host key (16)  host that a table of the old design pointed there
//
// Keys of the first table:
var (
	keyFormat     = []byte("mformat")
	keyHead       = []byte("mhead")
	keyBaseDomain = []byte("mdomain")
	// keyImportedTodo is there until the index of imported hosts is made, see ImportedHostsKnown.
	keyImportedTodo = []byte("mimported")
)

const (
	tableMeta         = 'm'
	tableRoute        = 'r'
	tableWildcard     = 'w'
	tableCommit       = 'v'
	tableAccount      = 'a'
	tableAccountID    = 'A'
	tableProject      = 'p'
	tableProjectName  = 'P'
	tableAccountProj  = 'q'
	tableDeployment   = 'd'
	tableDeploymentNo = 'D'
	tableUUID         = 'u'
	tableLabel        = 'l'
	tableLog          = 'g'
	tableBranch       = 'b'
	tableBranchLabel  = 'B'
	tableDomain       = 'n'
	tableHost         = 'h'
	tableToken        = 't'
	tableAccountToken = 'T'
	tableProof        = 'x'
	tableClaim        = 'c'
	tableWanted       = 'y'
	tableTarget       = 'k'
	tableEncoded      = 'e'
	tableVariants     = 'f'
	tableVariantsTodo = 'F'
	tableLegacy       = 'L'
	tableLegacyHost   = 'i'
	tablePipeline     = 's'
	tablePipelineOf   = 'S'
	tableMigration    = 'M'
	tableImported     = 'I'
)

// keyName shows a key in errors: its table and the rest in hex. Hosts and names are not shown in clear, so that the
// error may be logged.
func keyName(k []byte) string {
	if len(k) == 0 {
		return "empty key"
	}
	if k[0] == tableMeta {
		return string(k)
	}
	return fmt.Sprintf("%c:%x", k[0], k[1:])
}

func routeKey(table byte, k hostkey.Key) []byte { return append([]byte{table}, k[:]...) }

func key32[N ~uint32](table byte, n N, rest ...byte) []byte {
	b := make([]byte, 0, 5+len(rest))
	b = binary.BigEndian.AppendUint32(append(b, table), uint32(n))
	return append(b, rest...)
}

func key32s[N ~uint32](table byte, n N, rest string) []byte { return append(key32(table, n), rest...) }

func key64[N ~uint64](table byte, n N) []byte {
	return binary.BigEndian.AppendUint64([]byte{table}, uint64(n))
}

func keyString(table byte, s string) []byte { return append([]byte{table}, s...) }

func deploymentKey(p ProjectNo, no DeploymentNo) []byte {
	return binary.BigEndian.AppendUint64(key32(tableDeployment, p), ^uint64(no))
}

// deploymentOf is the inverse of deploymentKey.
func deploymentOf(k []byte) (ProjectNo, DeploymentNo, bool) {
	if len(k) != 13 {
		return 0, 0, false
	}
	return ProjectNo(binary.BigEndian.Uint32(k[1:])), DeploymentNo(^binary.BigEndian.Uint64(k[5:])), true
}

func logKey(no DeploymentNo, chunk uint32) []byte {
	return binary.BigEndian.AppendUint32(key64(tableLog, no), chunk)
}

func proofKey(a AccountNo, k manifest.AssetKey, ext string) []byte {
	return append(key32(tableProof, a, k[:]...), ext...)
}

func claimKey(p ProjectNo, k manifest.AssetKey, d manifest.Digest) []byte {
	return append(key32(tableClaim, p, k[:]...), d[:]...)
}

// hostKey puts a host under its labels in reverse, "a.example.com" under "com.example.a", so that all hosts under a
// suffix are one range. It is its own inverse.
func hostKey(host string) []byte { return keyString(tableHost, reverseLabels(host)) }

func reverseLabels(host string) string {
	var b strings.Builder
	b.Grow(len(host))
	for {
		i := strings.LastIndexByte(host, '.')
		b.WriteString(host[i+1:])
		if i < 0 {
			return b.String()
		}
		b.WriteByte('.')
		host = host[:i]
	}
}

// prefixEnd is the first key after all keys that begin with prefix.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil // all 0xff: no bound
}

// revisionOf reads the revision from the key of a commit.
func revisionOf(k []byte) (Revision, error) {
	if len(k) != 9 {
		return 0, errTruncated
	}
	return Revision(binary.BigEndian.Uint64(k[1:])), nil
}

// chunkOf reads the chunk number that ends the key of log lines.
func chunkOf(k []byte) uint32 { return binary.BigEndian.Uint32(k[len(k)-4:]) }
