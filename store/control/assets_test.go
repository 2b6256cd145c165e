package control

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/assets/manifest"
	"berth/store"
)

// clientKey is the key that a client makes for a file.
func clientKey(content, ext string) string { return manifest.AssetKeyOf([]byte(content), ext).String() }

// upload is the body of an upload of key → content, of a type from which no extension can be guessed: all become claims.
func upload(files map[string]string) string {
	var items []map[string]any
	for key, content := range files {
		items = append(items, map[string]any{
			"key": key, "value": base64.StdEncoding.EncodeToString([]byte(content)), "base64": true,
			"metadata": map[string]string{"contentType": "application/x-of-no-extension"},
		})
	}
	raw, err := json.Marshal(items)
	if err != nil {
		panic(err) // strings and booleans only
	}
	return string(raw)
}

// missing asks which of the keys to upload.
func (a *api) missing(keys ...string) []string {
	a.t.Helper()
	var got []string
	ans := a.must("POST", "/pages/assets/check-missing", map[string][]string{"hashes": append([]string{}, keys...)})
	if string(ans.Result) == "null" {
		a.t.Fatal("check-missing answers null")
	}
	ans.into(a.t, &got)
	return got
}

func TestAssetsAreAskedForOnce(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	hello, empty := clientKey("hello\n", "html"), clientKey("", "txt")
	if hello != "051240d22ab9086ec5997a6d1ad35ec1" {
		t.Fatalf("the key of hello is %s", hello)
	}
	if got := up.missing(); len(got) != 0 {
		t.Errorf("of nothing, %v is missing", got)
	}
	if d := cmp.Diff([]string{hello, empty}, up.missing(hello, empty, hello)); d != "" {
		t.Error(d)
	}
	up.must("POST", "/pages/assets/upload", upload(map[string]string{hello: "hello\n", empty: ""}))
	if got := up.missing(hello, empty); len(got) != 0 {
		t.Errorf("after the upload %v is missing", got)
	}
	before := s.deps.Store.Revision()
	up.must("POST", "/pages/assets/upsert-hashes", map[string][]string{"hashes": {hello, empty, clientKey("x", "")}})
	if s.deps.Store.Revision() != before {
		t.Error("upsert-hashes made a commit")
	}
	// Long after, it starts their grace again.
	s.clock.advance(30 * time.Hour)
	up = a.uploader("docs")
	up.must("POST", "/pages/assets/upsert-hashes", map[string][]string{"hashes": {hello, empty}})
	if info, err := s.deps.Blobs.Stat(s.claims(t, "docs", hello)[0].Blob.Digest); err != nil || !info.Touched.Equal(s.clock.Now()) {
		t.Errorf("touched at %v, %v; want %v", info.Touched, err, s.clock.Now())
	}
	// Hashes other than those that were just asked about are work of their own.
	s.clock.advance(30 * time.Hour)
	up = a.uploader("docs")
	up.missing(empty)
	up.must("POST", "/pages/assets/upsert-hashes", map[string][]string{"hashes": {hello}})
	if info, err := s.deps.Blobs.Stat(s.claims(t, "docs", hello)[0].Blob.Digest); err != nil || !info.Touched.Equal(s.clock.Now()) {
		t.Errorf("touched at %v, %v; want %v", info.Touched, err, s.clock.Now())
	}
	up.must("POST", "/pages/assets/upload", upload(map[string]string{hello: "hello\n"})) // again, as a retry does
	if claims := s.claims(t, "docs", hello); len(claims) != 1 {
		t.Errorf("%d claims of the same bytes", len(claims))
	}
	up.must("POST", "/pages/assets/upload", `[]`)
}

func (s *testService) claims(t *testing.T, project, key string) []store.Claim {
	t.Helper()
	p, err := s.deps.Store.ProjectByName(project)
	if err != nil {
		t.Fatal(err)
	}
	k, err := manifest.ParseAssetKey(key)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := s.deps.Store.Claims(p.No, k)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// What somebody uploaded is nobody else's business until it is proved, and then only their account's.
func TestAssetsAreKnownToTheirOwnersOnly(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	a.project("blog")
	other := a.as(otherAccount(a))
	var got struct{ JWT string }
	other.must("GET", "/accounts/other/pages/projects/theirs/upload-token", nil).into(t, &got)
	docs, blog, theirs := a.uploader("docs"), a.uploader("blog"), a.as(got.JWT)

	key := clientKey("secret", "txt")
	docs.must("POST", "/pages/assets/upload", upload(map[string]string{key: "secret"}))
	for name, c := range map[string]*api{"another project": blog, "another account": theirs} {
		if len(c.missing(key)) != 1 {
			t.Errorf("an unproved claim is known to %s", name)
		}
	}
	claim := s.claims(t, "docs", key)[0]
	account, err := s.deps.Store.AccountByID("default")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.deps.Store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.PutProof(store.Proof{Account: account.No, Key: claim.Key, Extension: "txt", Blob: claim.Blob})
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(blog.missing(key)) != 0 {
		t.Error("a proof does not serve the account")
	}
	if len(theirs.missing(key)) != 1 {
		t.Error("a proof is known to another account")
	}
}

func TestWantedAssetsAreAskedForAgain(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	key := clientKey("hello", "txt")
	up.must("POST", "/pages/assets/upload", upload(map[string]string{key: "poison"}))
	claim := s.claims(t, "docs", key)[0]
	_, err := s.deps.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.SetWanted(claim.Project, claim.Key, true) })
	if err != nil {
		t.Fatal(err)
	}
	if len(up.missing(key)) != 1 {
		t.Error("a wanted key counts as here")
	}
	up.must("POST", "/pages/assets/upload", upload(map[string]string{key: "hello"}))
	if len(up.missing(key)) != 0 {
		t.Error("an upload does not end the want")
	}
	if n := len(s.claims(t, "docs", key)); n != 2 {
		t.Errorf("%d candidates, want 2", n)
	}
}

func TestBlobsThatAreGoneCountAsMissing(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	key := clientKey("hello", "txt")
	up.must("POST", "/pages/assets/upload", upload(map[string]string{key: "hello"}))
	blob := s.claims(t, "docs", key)[0].Blob.Digest

	// Having been asked for, it is young again, and no sweep takes it.
	s.clock.advance(48 * time.Hour)
	up = a.uploader("docs")
	asked := s.clock.Now()
	if len(up.missing(key)) != 0 {
		t.Fatal("it is missing")
	}
	if info, err := s.deps.Blobs.Stat(blob); err != nil || !info.Touched.Equal(asked) {
		t.Errorf("touched at %v, %v; want %v", info.Touched, err, asked)
	}
	if err := s.deps.Blobs.Remove(blob, asked); err == nil {
		t.Fatal("a sweep takes what was just asked for")
	}
	if err := s.deps.Blobs.Remove(blob, asked.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if len(up.missing(key)) != 1 {
		t.Error("a claim of a blob that is gone counts as here")
	}
}

func TestCandidatesOfAKeyAreBounded(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	key := clientKey("x", "")
	for i := range maxCandidates + 3 {
		s.clock.advance(time.Second)
		a.uploader("docs").must("POST", "/pages/assets/upload", upload(map[string]string{key: fmt.Sprint("content ", i)}))
	}
	kept := make(map[manifest.Digest]bool)
	for _, c := range s.claims(t, "docs", key) {
		kept[c.Blob.Digest] = true
	}
	for i := range maxCandidates + 3 {
		if want := i >= 3; kept[manifest.DigestOf(fmt.Append(nil, "content ", i))] != want {
			t.Errorf("candidate %d is kept: %v, want %v", i, !want, want)
		}
	}
}

func TestHashListsAreChecked(t *testing.T) {
	a := newTestService(t, nil).api(t)
	a.project("docs")
	up := a.uploader("docs")
	for _, path := range []string{"/pages/assets/check-missing", "/pages/assets/upsert-hashes"} {
		for name, body := range map[string]string{
			"nothing": ``, "no hashes": `{}`, "null": `{"hashes":null}`, "array": `[]`, "number": `{"hashes":[1]}`, "string": `{"hashes":"x"}`,
			"short": `{"hashes":["` + key1[1:] + `"]}`, "upper case": `{"hashes":["` + strings.ToUpper(key1) + `"]}`, "path": `{"hashes":["../../../../../../../../etc/passwd"]}`,
			"truncated": `{"hashes":["` + key1,
		} {
			t.Run(path+" "+name, func(t *testing.T) { up.refused("POST", path, body, 400, codeBadRequest) })
		}
		up.must("POST", path, `{"hashes":["`+key1+`","`+key1+`"],"more":1}`)
	}
}

// A failed upload fails as a whole, and what came before the fault counts for nothing.
func TestFailedUploadClaimsNothing(t *testing.T) {
	s := newTestService(t, func(p *testParts) { p.opts.MaxFileBytes, p.opts.MaxUploadFiles = 1000, 5 })
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	key := clientKey("good", "")
	good := strings.TrimSuffix(upload(map[string]string{key: "good"}), "]")
	for name, tt := range map[string]struct {
		body         string
		status, code int
	}{
		"truncated":      {good + `,{"key":"` + key1 + `","value":"YQ`, 400, codeBadRequest},
		"not base64":     {good + `,` + item(key2, "****") + `]`, 400, codeBadRequest},
		"file too large": {good + `,` + item(key2, base64.StdEncoding.EncodeToString(make([]byte, 1001))) + `]`, 413, codeTooLarge},
		"too many":       {good + strings.Repeat(`,`+item(key2, ""), 5) + `]`, 413, codeTooLarge},
		"not JSON":       {`<html>`, 400, codeBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			ans := up.refused("POST", "/pages/assets/upload", tt.body, tt.status, tt.code)
			if ans.code()%256 == 0 {
				t.Error("wrangler would exit with status 0")
			}
			if len(up.missing(key)) != 1 {
				t.Error("a failed upload left a claim")
			}
		})
	}
	// The disk fails.
	if err := os.RemoveAll(filepath.Join(s.opts.DataDir, "blobs", "tmp")); err != nil {
		t.Fatal(err)
	}
	up.refused("POST", "/pages/assets/upload", good+"]", 500, codeInternal)
	if len(s.claims(t, "docs", key)) != 0 {
		t.Error("a failed upload left a claim")
	}
}

// Buckets of one deploy may hold the same file, at the same time.
func TestParallelUploadsOfTheSameFile(t *testing.T) {
	s := newTestService(t, nil)
	a := s.api(t)
	a.project("docs")
	up := a.uploader("docs")
	key := clientKey("same", "txt")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() { up.must("POST", "/pages/assets/upload", upload(map[string]string{key: "same"})) })
	}
	wg.Wait()
	if n := len(s.claims(t, "docs", key)); n != 1 {
		t.Errorf("%d claims", n)
	}
}

// zeros is the body of an upload of files of zero bytes, made as it is read.
// Three clients with three uploads each, of more than 60 MiB, must cost buffers and no more.
// keysFor makes n keys, of which the account has proved the first proved.
