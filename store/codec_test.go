package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/router/hostkey"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files of the record codecs")

// recode decodes and encodes again; every record codec of the package is in the table.
var recode = map[string]func([]byte) ([]byte, error){
	"route":      recoder(decodeRoute, func(r Route) []byte { return appendRoute(nil, r) }),
	"account":    recoder(decodeAccount, encodeAccount),
	"project":    recoder(decodeProject, encodeProject),
	"deployment": recoder(decodeDeployment, encodeDeployment),
	"log":        recoder(decodeLog, encodeLog),
	"branch":     recoder(decodeBranch, encodeBranch),
	"domain":     recoder(decodeDomain, encodeDomain),
	"host":       recoder(decodeHostOwner, encodeHostOwner),
	"token":      recoder(decodeToken, encodeToken),
	"proof":      recoder(decodeProof, encodeProof),
	"target":     recoder(decodeTarget, encodeTarget),
	"encoded":    recoder(decodeEncoded, encodeEncoded),
	"variants":   recoder(decodeVariants, encodeVariants),
	"imported":   recoder(decodeImported, encodeImported),
	"claim":      recoder(func(b []byte) (Claim, error) { return decodeClaim(b, manifest.Digest{}) }, encodeClaim),
	"head":       recoder(decodeHead, encodeHead),
	"number":     recoder(decodeNumber, encodeNumber[uint64]),
	"commit": recoder(decodeCommit, func(c commitRecord) []byte {
		return encodeCommit(nil, c.at, c.touched)
	}),
}

func recoder[T any](dec func([]byte) (T, error), enc func(T) []byte) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		v, err := dec(b)
		if err != nil {
			return nil, err
		}
		return enc(v), nil
	}
}

type commitRecord struct {
	at      time.Time
	touched []touch
}

// decodeCommit reads a whole record of the commit log; the store itself only ever looks for one key in it.
func decodeCommit(b []byte) (c commitRecord, err error) {
	d := decoder{b: b}
	d.version(commitVersion)
	c.at = d.time()
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail(errTruncated)
	}
	for i := uint64(0); i < n && d.err == nil; i++ {
		t := touch{routeID: routeID{table: d.u8()}}
		d.fixed(t.key[:])
		t.before = d.bytes()
		c.touched = append(c.touched, t)
	}
	return c, d.finish()
}

func digestOf(b byte) (d manifest.Digest) {
	for i := range d {
		d[i] = b + byte(i)
	}
	return d
}

var sampleTime = time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)

// samples are the values of the goldens: a usual one, then one with every field at an extreme.
var samples = map[string][][]byte{
	"route": {
		appendRoute(nil, Route{Kind: RouteSite, Class: ClassProduction, Flags: FlagNoIndex, Project: 300, Deployment: 70000}),
		appendRoute(nil, Route{RouteSite, ClassCustom, math.MaxUint8, math.MaxUint32, math.MaxUint64, math.MaxUint32}),
	},
	"account": {encodeAccount(Account{ID: "default", Name: "Default", Created: sampleTime}), encodeAccount(Account{})},
	"project": {
		encodeProject(Project{Account: 1, UUID: UUID{1, 2, 15: 3}, Name: "docs", ProductionBranch: "main", State: ProjectActive,
			Created: sampleTime, Modified: sampleTime.Add(time.Hour), Live: 7, Latest: 9, Settings: []byte(`{"a":1}`)}),
		encodeProject(Project{State: ProjectDeleting, Account: math.MaxUint32, Live: math.MaxUint64}),
		encodeProject(Project{State: ProjectActive, Name: "docs", Site: SiteSettings{CORS: Off, Skew: On, KeepAssets: -1}}),
	},
	"deployment": {
		encodeDeployment(sampleDeployment),
		encodeDeployment(Deployment{Environment: Production, Status: StatusFailure}),
		encodeDeployment(Deployment{Environment: Production, Status: StatusSuccess, Hints: FileRef{digestOf(5), 99},
			Site: SiteSettings{KeepAssets: 72 * time.Hour}}),
	},
	"log": {
		encodeLog([]LogLine{{sampleTime, "Uploading"}, {sampleTime.Add(time.Second), "Søren was here"}}),
		encodeLog(nil),
	},
	"branch": {encodeBranch(Branch{Latest: 9, Exact: "feat-login-8f2c41", Plain: "feat-login"}), encodeBranch(Branch{})},
	"domain": {
		encodeDomain(Domain{UUID: UUID{9}, Branch: "main", Status: DomainPending, Proof: "berth=abc", Error: "no TXT record",
			Created: sampleTime, Checked: sampleTime}),
		encodeDomain(Domain{Status: DomainActive}),
	},
	"host": {encodeHostOwner(HostOwner{1, 2}), encodeHostOwner(HostOwner{math.MaxUint32, math.MaxUint32})},
	"token": {
		encodeToken(Token{Hash: digestOf(3), Account: 1, Scope: ScopeDeploy, Name: "ci", Projects: []string{"docs", "blog"},
			Created: sampleTime, Expires: sampleTime.AddDate(1, 0, 0)}),
		encodeToken(Token{Scope: ScopeServerAdmin}),
	},
	"proof": {
		encodeProof(Proof{Blob: FileRef{digestOf(1), 4096}}), encodeProof(Proof{Blob: FileRef{Size: math.MaxInt64}}),
		encodeProof(Proof{Blob: FileRef{digestOf(1), 4096}, LinkKnown: true}),
		encodeProof(Proof{Blob: FileRef{digestOf(1), 4096}, LinkKnown: true, Link: `</a.css>; rel="preload"; as=style`}),
	},
	"target": {
		encodeTarget(Target{Past: []Past{{7, sampleTime}, {5, sampleTime.Add(-time.Hour)}}, Kept: FileRef{digestOf(6), 800}, KeptFiles: 12}),
		encodeTarget(Target{}),
	},
	"encoded": {
		encodeEncoded(Encoded{Gzip: FileRef{digestOf(1), 10}, Brotli: FileRef{digestOf(2), 9}, Made: sampleTime}), encodeEncoded(Encoded{}),
	},
	"variants": {encodeVariants(FileRef{digestOf(1), 10}), encodeVariants(FileRef{})},
	"imported": {encodeImported(ImportedHost{Class: ClassBranch, Host: "test.docs.pages.localhost"}), encodeImported(ImportedHost{Class: ClassCustom})},
	"claim":    {encodeClaim(Claim{Blob: FileRef{Size: 12}, Time: sampleTime}), encodeClaim(Claim{})},
	"head": {
		encodeHead(head{rev: 1000, logOldest: 900, wildcards: 2, wildcardGen: 5, lastAccount: 1, lastProject: 40, lastDeployment: 800}),
		encodeHead(head{logOldest: 1}),
		encodeHead(head{rev: 7, logOldest: 1, epoch: 3}),
	},
	"number": {encodeNumber(uint64(300)), encodeNumber(uint64(math.MaxUint64))},
	"commit": {
		encodeCommit(nil, sampleTime, []touch{
			{routeID: routeID{tableRoute, hostkey.Key{1, 15: 2}}, before: appendRoute(nil, testRoute(5))},
			{routeID: routeID{tableWildcard, hostkey.Key{3}}},
		}),
		encodeCommit(nil, time.Time{}, nil),
	},
}

var sampleDeployment = Deployment{
	UUID: UUID{0x2b, 0x46, 0x9e, 0x16}, Environment: Preview, Status: StatusSuccess, Created: sampleTime,
	Branch: "feat/Login", CommitHash: "0123abcd", CommitMessage: "Add a login\n\nIt was time.", CommitDirty: true,
	Manifest: FileRef{digestOf(1), 1 << 20}, Files: 20000, Bytes: 80 << 20, Headers: FileRef{digestOf(2), 40},
	WorkerBundle: FileRef{digestOf(4), 5}, UsesFunctions: true, WranglerConfigHash: "cafe", BuildOutputDir: "dist",
}

// TestCodecGolden holds the bytes on disk still. When it fails, databases out there can no longer be read: give the
// record a new version and keep the old reader, then run with -rewrite.
func TestCodecGolden(t *testing.T) {
	for name := range recode {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			for _, b := range samples[name] {
				fmt.Fprintln(&got, hex.EncodeToString(b))
			}
			path := filepath.Join("testdata", "codec", name+".hex")
			if *rewrite {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("the format changed (-golden +now):\n%s", diff)
			}
		})
	}
}

func TestCodecStrict(t *testing.T) {
	for name, dec := range recode {
		t.Run(name, func(t *testing.T) {
			for _, b := range samples[name] {
				again, err := dec(b)
				if err != nil || !bytes.Equal(again, b) {
					t.Fatalf("%x decodes to %x, %v", b, again, err)
				}
				for n := range b {
					if got, err := dec(b[:n]); err == nil && !bytes.Equal(got, b[:n]) {
						t.Errorf("truncated to %d bytes: no error", n)
					}
				}
				if _, err := dec(append(bytes.Clone(b), 1)); name != "route" && err == nil {
					t.Error("trailing byte: no error")
				}
				if name == "number" {
					continue
				}
				other := bytes.Clone(b)
				other[0] += 0x10 // the version of a route is the high nibble
				if _, err := dec(other); err == nil {
					t.Error("unknown version: no error")
				}
			}
		})
	}
}

func TestDecodeRouteFaults(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":               {},
		"kind 0":              {0x10, 1, 0, 1, 1},
		"kind 2":              {0x12, 1, 0, 1, 1},
		"class 0":             {0x11, 0, 0, 1, 1},
		"class 5":             {0x11, 5, 0, 1, 1},
		"overlong project":    {0x11, 1, 0, 0x81, 0, 1},
		"project over 32 bit": {0x11, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x1f, 1},
		"epoch 0 written out": {0x11, 1, 0, 1, 1, 0},
		"trailing":            {0x11, 1, 0, 1, 1, 7, 7},
	} {
		if r, err := decodeRoute(b); err == nil {
			t.Errorf("%s: decoded as %+v", name, r)
		}
	}
}

// TestDeploymentRoundTrip sees to it that no field is forgotten by both sides.
func TestDeploymentRoundTrip(t *testing.T) {
	got, err := decodeDeployment(encodeDeployment(sampleDeployment))
	if diff := cmp.Diff(sampleDeployment, got); diff != "" || err != nil {
		t.Errorf("deployment changed (%v):\n%s", err, diff)
	}
}

func fuzzCodecs(f *testing.F, names ...string) {
	for i, name := range names {
		for _, b := range samples[name] {
			f.Add(uint8(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		name := names[int(which)%len(names)]
		again, err := recode[name](b)
		if err == nil && !bytes.Equal(again, b) {
			t.Errorf("%s: %x is read and written again as %x", name, b, again)
		}
		if err != nil && errors.Is(err, ErrNotFound) {
			t.Errorf("%s: damage reported as absence", name)
		}
	})
}

func FuzzRoute(f *testing.F)      { fuzzCodecs(f, "route") }
func FuzzDeployment(f *testing.F) { fuzzCodecs(f, "deployment", "log") }
func FuzzRecords(f *testing.F) {
	fuzzCodecs(f, "account", "project", "branch", "domain", "host", "token", "proof", "target", "encoded", "variants", "claim", "head", "number", "commit")
}

// FuzzFindTouch compares the look-up in a commit record with decoding it.
func FuzzFindTouch(f *testing.F) {
	for _, b := range samples["commit"] {
		f.Add(b, byte(tableRoute), []byte{1})
	}
	f.Fuzz(func(t *testing.T, b []byte, table byte, key []byte) {
		id := routeID{table: table}
		copy(id.key[:], key)
		before, found, err := findTouch(b, id)
		c, cerr := decodeCommit(b)
		if cerr != nil {
			return
		}
		if err != nil {
			t.Fatalf("findTouch fails with %v on a good record", err)
		}
		var want []byte
		var there bool
		for _, x := range c.touched {
			if x.routeID == id && !there {
				want, there = x.before, true
			}
		}
		if there != found || !bytes.Equal(want, before) {
			t.Errorf("found %v %x, want %v %x", found, before, there, want)
		}
	})
}

func TestReverseLabels(t *testing.T) {
	for host, want := range map[string]string{
		"": "", "localhost": "localhost", "a.example.com": "com.example.a", "*.example.com": "com.example.*",
		"10.0.0.1": "1.0.0.10", "2001:db8::1": "2001:db8::1", "a..b": "b..a",
	} {
		if got := reverseLabels(host); got != want || reverseLabels(got) != host {
			t.Errorf("reverseLabels(%q) = %q, back %q; want %q", host, got, reverseLabels(got), want)
		}
	}
}

func TestPrefixEnd(t *testing.T) {
	for _, c := range []struct{ prefix, want []byte }{
		{[]byte("r"), []byte("s")}, {[]byte{'p', 0xff}, []byte("q")}, {[]byte{0xff, 0xff}, nil}, {[]byte{1, 0xfe, 0xff}, []byte{1, 0xff}},
	} {
		if got := prefixEnd(c.prefix); !bytes.Equal(got, c.want) {
			t.Errorf("prefixEnd(%x) = %x, want %x", c.prefix, got, c.want)
		}
	}
}
