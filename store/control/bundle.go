package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxBundleModules  = 2000
	maxBundleMetadata = 1 << 20
	maxModuleName     = 1 << 10
	maxBoundary       = 70 // RFC 2046, section 5.1.1
)

// bundleInfo is what the server has to know of a _worker.bundle before it can run one.
type bundleInfo struct {
	MainModule string
	Modules    int // source maps not counted
}

// readBundle checks a _worker.bundle to its last boundary, holding no module in memory.
//
// The bundle is a multipart document of its own inside a part labelled application/octet-stream, so no header tells its
// boundary; its first line does.
func readBundle(r io.Reader) (bundleInfo, error) {
	br := bufio.NewReaderSize(r, 4<<10)
	boundary, err := bundleBoundary(br)
	if err != nil {
		return bundleInfo{}, err
	}
	b := bundleReader{names: make(map[string]bool)}
	mr := multipart.NewReader(br, boundary)
	for n := 0; ; n++ {
		part, err := mr.NextRawPart()
		if err == io.EOF {
			return b.finish()
		}
		if err != nil {
			return bundleInfo{}, bundleError(err)
		}
		if n > maxBundleModules {
			return bundleInfo{}, badBundle("more than %d modules", maxBundleModules)
		}
		// Not FileName: it drops the directory of names such as chunks/a.js.
		if err := b.part(n, part.FormName(), part.Header.Get("Content-Type"), part); err != nil {
			return bundleInfo{}, bundleError(err)
		}
	}
}

// bundleBoundary peeks at the first line, which is "--" and the boundary.
func bundleBoundary(br *bufio.Reader) (string, error) {
	head, err := br.Peek(maxBoundary + len("--\r\n"))
	if err != nil && err != io.EOF {
		return "", bundleError(err)
	}
	line, _, ok := bytes.Cut(head, []byte("\n"))
	boundary, dashes := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\r")), []byte("--"))
	if !ok || !dashes || len(boundary) == 0 || len(boundary) > maxBoundary {
		return "", badBundle("it does not begin with a multipart boundary")
	}
	return string(boundary), nil
}

type bundleReader struct {
	info  bundleInfo
	names map[string]bool
}

func (b *bundleReader) part(n int, name, contentType string, r io.Reader) error {
	if n == 0 {
		if name != "metadata" {
			return badBundle("its first part is %.80q, not metadata", name)
		}
		return b.metadata(r)
	}
	if err := checkModuleName(name); err != nil {
		return err
	}
	if b.names[name] {
		return badBundle("two modules are called %.80q", name)
	}
	b.names[name] = true
	if name == b.info.MainModule && !strings.HasPrefix(contentType, "application/javascript") && !strings.HasPrefix(contentType, "text/javascript") {
		return badBundle("its main module %.80q is %.80q, not JavaScript", name, contentType)
	}
	if contentType != "application/source-map" {
		b.info.Modules++
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

// metadata reads the one field that the bundle's shape depends on. The rest stays in the stored bytes for who runs it.
func (b *bundleReader) metadata(r io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxBundleMetadata+1))
	if err != nil {
		return err
	}
	if len(raw) > maxBundleMetadata {
		return badBundle("its metadata is over %d bytes", maxBundleMetadata)
	}
	var meta struct {
		MainModule *string `json:"main_module"`
	}
	if err := json.Unmarshal(raw, &meta); err != nil {
		return badBundle("its metadata is not the JSON that it should be: %v", err)
	}
	if meta.MainModule == nil || *meta.MainModule == "" {
		return badBundle("its metadata names no main_module")
	}
	b.info.MainModule = *meta.MainModule
	return nil
}

func (b *bundleReader) finish() (bundleInfo, error) {
	switch {
	case b.info.MainModule == "":
		return bundleInfo{}, badBundle("it is empty")
	case !b.names[b.info.MainModule]:
		return bundleInfo{}, badBundle("its main module %.80q is not in it", b.info.MainModule)
	}
	return b.info, nil
}

// checkModuleName refuses what could leave a directory that somebody unpacks the bundle to. Names may hold "/" and start
// with "./".
func checkModuleName(name string) error {
	switch {
	case name == "" || len(name) > maxModuleName:
		return badBundle("a module's name has %d bytes; 1 to %d are allowed", len(name), maxModuleName)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return badBundle("the name of module %.80q is not UTF-8 text", name)
	case strings.HasPrefix(name, "/") || slices.Contains(strings.Split(name, "/"), ".."):
		return badBundle("module %.80q lies outside the bundle", name)
	}
	return nil
}

func badBundle(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, codeBadRequest, "_worker.bundle is malformed: %s", fmt.Sprintf(format, args...))
}

// bundleError keeps a refusal (a cap, a broken body) that a parser wrapped.
func bundleError(err error) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return badBundle("%v", err)
}
