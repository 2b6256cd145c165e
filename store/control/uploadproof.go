package control

import (
	"bytes"
	"strings"

	"berth/assets/hints"
	"berth/assets/httpsem"
	"berth/assets/manifest"
)

// What is uploaded under a key can be proved only by who knows the extension that the key was made with, and no client has to say it.
// But `berth deploy` does, and of all others the content type tells nearly always. Where a guess makes the key, it was right: the
// upload is a proof at once. Otherwise every file would be read once more when the deployment is made, with somebody waiting.

const (
	maxExtension  = 64 // bytes of one that a client says
	maxMediaType  = 96
	maxGuesses    = 8        // extensions that are tried for one file
	maxMisses     = 16       // files of a type in a row for which none is right; then no more is tried
	maxHintedText = 64 << 10 // of a document that is held until its extension is known
)

// extensionsOf lists, by content type without its parameters, the extensions that have it.
type extensionsOf map[string][]string

func newExtensionsOf() extensionsOf {
	m := extensionsOf{"application/octet-stream": {""}} // what has no extension has this type
	for ext, typ := range httpsem.Extensions() {
		name, _, _ := strings.Cut(typ.String(), ";")
		m[name] = append(m[name], ext)
	}
	return m
}

// uploadProver tries to prove the files of one upload. It is not safe for concurrent use.
type uploadProver struct {
	extensions extensionsOf
	key        *manifest.KeyText
	found      map[string]string // by content type: what was right last
	missed     map[string]int    // by content type, in a row

	text []byte // of the file under way, as long as it may be a document
	over bool   // it is longer
}

func newUploadProver(extensions extensionsOf) *uploadProver {
	return &uploadProver{extensions: extensions, key: manifest.NewKeyText(), found: map[string]string{}, missed: map[string]int{}}
}

// begin forgets the file before.
func (p *uploadProver) begin() {
	p.key.Reset()
	p.text, p.over = p.text[:0], false
}

// encoded takes the file's base64 text as it comes.
func (p *uploadProver) encoded(b []byte) { _, _ = p.key.Write(b) } // never fails

// Write takes the file's content as it comes.
func (p *uploadProver) Write(b []byte) (int, error) {
	if p.over = p.over || len(p.text)+len(b) > maxHintedText; !p.over {
		p.text = append(p.text, b...)
	}
	return len(b), nil
}

// prove finds the extension with which the content makes the key. said is what the client says it is, nil if it says nothing.
func (p *uploadProver) prove(key manifest.AssetKey, mediaType string, said *string) (ext string, ok bool) {
	if said != nil {
		if e := *said; len(e) <= maxExtension && !strings.ContainsAny(e, "./") {
			return e, p.key.Key(e) == key
		}
		return "", false
	}
	mediaType, _, _ = strings.Cut(mediaType, ";")
	if p.missed[mediaType] >= maxMisses {
		return "", false
	}
	last, known := p.found[mediaType]
	if known && p.key.Key(last) == key {
		p.missed[mediaType] = 0
		return last, true
	}
	candidates := p.extensions[mediaType]
	for _, ext := range candidates[:min(len(candidates), maxGuesses)] {
		if (!known || ext != last) && p.key.Key(ext) == key {
			p.found[mediaType], p.missed[mediaType] = ext, 0
			return ext, true
		}
	}
	p.missed[mediaType]++
	return "", false
}

// hints are those of the file, if an asset with the extension may be a document and they can be told.
func (p *uploadProver) hints(ext string) (found hints.Found, ok bool) {
	if p.over || !isDocument("/x."+ext) {
		return found, false
	}
	found, err := hints.Parse(bytes.NewReader(p.text), hints.Options{})
	return found, err == nil
}
