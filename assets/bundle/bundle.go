// Package bundle is a format: the _worker.bundle in which wrangler sends the code of a deployment's Functions. It reads one to
// its last boundary and knows no store.
package bundle

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a bundle, whoever made it.
const (
	MaxModules    = 2000
	maxMetadata   = 1 << 20
	maxModuleName = 1 << 10
	maxBoundary   = 70 // RFC 2046, section 5.1.1
)

// Kind is what a module is to the code that imports it.
type Kind uint8

const (
	JS        Kind = iota // an ES module
	CommonJS              // its export is module.exports
	Wasm                  // a WebAssembly.Module
	Text                  // a string
	Data                  // an ArrayBuffer
	SourceMap             // nothing: it is for people
)

// Info is what a bundle says of itself.
type Info struct {
	Metadata
	Modules int // source maps not counted
}

func bad(format string, args ...any) error { return fmt.Errorf(format, args...) }

// Read checks a bundle to its last boundary, holding no module in memory, and has visit see each module in the order in which they
// come; nil: nobody looks. What visit leaves unread is skipped. An error of r or of visit is returned as it is, wrapped.
//
// The bundle is a multipart document of its own inside a part labelled application/octet-stream, so no header tells its
// boundary; its first line does.
func Read(r io.Reader, visit func(name string, kind Kind, r io.Reader) error) (Info, error) {
	br := bufio.NewReaderSize(r, 4<<10)
	boundary, err := readBoundary(br)
	if err != nil {
		return Info{}, err
	}
	b := reader{names: make(map[string]bool), visit: visit}
	mr := multipart.NewReader(br, boundary)
	for n := 0; ; n++ {
		part, err := mr.NextRawPart()
		if err == io.EOF {
			return b.finish()
		}
		if err != nil {
			return Info{}, err
		}
		if n > MaxModules {
			return Info{}, bad("more than %d modules", MaxModules)
		}
		// Not FileName: it drops the directory of names such as chunks/a.js.
		if err := b.part(n, part.FormName(), part.Header.Get("Content-Type"), part); err != nil {
			return Info{}, err
		}
	}
}

// readBoundary peeks at the first line, which is "--" and the boundary.
func readBoundary(br *bufio.Reader) (string, error) {
	head, err := br.Peek(maxBoundary + len("--\r\n"))
	if err != nil && err != io.EOF {
		return "", err
	}
	line, _, ok := bytes.Cut(head, []byte("\n"))
	boundary, dashes := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\r")), []byte("--"))
	if !ok || !dashes || len(boundary) == 0 || len(boundary) > maxBoundary {
		return "", bad("it does not begin with a multipart boundary")
	}
	return string(boundary), nil
}

type reader struct {
	info  Info
	names map[string]bool
	visit func(name string, kind Kind, r io.Reader) error
}

func (b *reader) part(n int, name, contentType string, r io.Reader) (err error) {
	if n == 0 {
		if name != "metadata" {
			return bad("its first part is %.80q, not metadata", name)
		}
		b.info.Metadata, err = readMetadata(r)
		return err
	}
	if err := checkName(name); err != nil {
		return err
	}
	if b.names[name] {
		return bad("two modules are called %.80q", name)
	}
	b.names[name] = true
	kind := kindOf(contentType)
	if name == b.info.MainModule && kind != JS && kind != CommonJS {
		return bad("its main module %.80q is %.80q, not JavaScript", name, contentType)
	}
	if kind != SourceMap {
		b.info.Modules++
	}
	if b.visit != nil {
		if err := b.visit(name, kind, r); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// kindOf reads the type that wrangler labels a module with. What it has no label for is bytes.
func kindOf(contentType string) Kind {
	mediaType, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(mediaType)) {
	case "application/javascript+module", "text/javascript+module":
		return JS
	case "application/javascript", "text/javascript":
		return CommonJS
	case "application/wasm":
		return Wasm
	case "text/plain":
		return Text
	case "application/source-map":
		return SourceMap
	}
	return Data
}

func (b *reader) finish() (Info, error) {
	switch {
	case b.info.MainModule == "":
		return Info{}, bad("it is empty")
	case !b.names[b.info.MainModule]:
		return Info{}, bad("its main module %.80q is not in it", b.info.MainModule)
	}
	return b.info, nil
}

// checkName refuses what could leave a directory that somebody unpacks the bundle to. Names may hold "/" and start with "./".
func checkName(name string) error {
	switch {
	case name == "" || len(name) > maxModuleName:
		return bad("a module's name has %d bytes; 1 to %d are allowed", len(name), maxModuleName)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return bad("the name of module %.80q is not UTF-8 text", name)
	case strings.HasPrefix(name, "/") || slices.Contains(strings.Split(name, "/"), ".."):
		return bad("module %.80q lies outside the bundle", name)
	}
	return nil
}
