// Package hints finds the links that a document announces early, writes them as the value of a Link field, and holds
// the values of one deployment's documents.
package hints

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Defaults of Options. Browsers take more, but a response head of 8 KiB is where common proxies give up, and nobody's page
// loads faster for a hundred preloads.
const (
	DefaultMaxLinks = 100
	DefaultMaxBytes = 4 << 10
)

// maxToken bounds what is held of a document at a time: one tag, comment, or run of text. Only an inline script or style
// of that size is ever met in good faith.
const maxToken = 1 << 20

// originRoom is what a link relative to the origin counts beyond its own bytes, because Append may write the origin.
const originRoom = 64

// Options bound the result. Zero fields mean the defaults.
type Options struct {
	MaxLinks int // links in the field
	MaxBytes int // bytes of its value
}

// Found is what a document says about other documents.
type Found struct {
	// Link is the value of the Link field: UTF-8 without controls. "" is none.
	Link string
	// Based says that the document has a <base href>. Link then holds resolved targets, of which those on the document's
	// own server are written without its origin; Listing.Append puts it in front.
	Based bool
	// Dropped counts the links that were left out because of a limit.
	Dropped int
	// Cut says that the document was not read beyond a tag, comment, script or text of maxToken bytes.
	Cut bool
}

// Parse reads a document to its end. Like the original it takes <link> elements anywhere outside of comments, scripts
// and <noscript>, in the document's order, if their rel has preconnect, preload or modulepreload and they have no attribute
// but rel, as and href: a hint that ignores crossorigin or media would fetch what the page then fetches again. The text of
// attributes is taken as it is written; character references are not decoded. Memory is bounded whatever the
// document is; the error is r's own.
func Parse(r io.Reader, o Options) (Found, error) {
	if o.MaxLinks <= 0 {
		o.MaxLinks = DefaultMaxLinks
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	d := document{max: o, tok: html.NewTokenizer(r)}
	d.tok.SetMaxBuf(maxToken)
	for {
		switch d.tok.Next() {
		case html.ErrorToken:
			err := d.tok.Err()
			d.found.Cut = errors.Is(err, html.ErrBufferExceeded)
			if err != io.EOF && !d.found.Cut {
				return Found{}, fmt.Errorf("read the document: %w", err)
			}
			d.write()
			return d.found, nil
		case html.StartTagToken:
			d.open(false)
		case html.SelfClosingTagToken:
			d.open(true)
		case html.EndTagToken:
			if name, _ := d.tok.TagName(); foreign(name) && d.foreign > 0 {
				d.foreign--
			}
		}
	}
}

// document is one on its way through Parse.
type document struct {
	tok     *html.Tokenizer
	max     Options
	foreign int // depth in <svg> and <math>

	base    reference
	hasBase bool // the first <base href> was met; it counts even for links before it
	links   []link

	found Found
}

// link is one that will be announced, as it was written.
type link struct{ href, rel, as string }

func foreign(name []byte) bool { return string(name) == "svg" || string(name) == "math" }

func (d *document) open(selfClosing bool) {
	name, more := d.tok.TagName()
	if selfClosing && d.foreign > 0 {
		d.tok.NextIsNotRawText() // <title/> is empty in an image; elsewhere the slash means nothing
	}
	switch {
	case foreign(name):
		if !selfClosing {
			d.foreign++
		}
	case more && string(name) == "base":
		d.takeBase()
	case more && string(name) == "link":
		d.takeLink()
	}
}

// takeBase keeps the first base that has a reference. One that is no http URL has no effect, as in browsers.
func (d *document) takeBase() {
	if d.hasBase {
		return
	}
	for name, value := range attributes(d.tok.Raw()) {
		if is(name, "href") {
			d.hasBase = true
			if d.max.MaxBytes < len(value) {
				d.max.MaxBytes = 0 // no resolved link fits, and none means what it says without the base
				return
			}
			var ok bool
			d.base, ok = parseReference(string(value))
			d.base = d.base.normal()
			d.found.Based = ok && d.base != (reference{})
			return
		}
	}
}

func (d *document) takeLink() {
	var l link
	var hasHref, hasRel, hasAs bool
	for name, value := range attributes(d.tok.Raw()) {
		switch {
		case is(name, "href"):
			first(&l.href, &hasHref, value)
		case is(name, "rel"):
			first(&l.rel, &hasRel, value)
		case is(name, "as"):
			first(&l.as, &hasAs, value)
		default:
			return
		}
	}
	if !announced(l.rel) || l.href == "" || isData(l.href) {
		return
	}
	if len(d.links) == d.max.MaxLinks || len(l.href)+len(l.rel)+len(l.as) > d.max.MaxBytes {
		d.found.Dropped++
		return
	}
	d.links = append(d.links, l)
}

// first keeps the value of an attribute's first spelling; HTML drops the others.
func first(dst *string, has *bool, value []byte) {
	if !*has {
		*dst, *has = string(value), true
	}
}

func announced(rel string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(rel, isSpace), func(token string) bool {
		return strings.EqualFold(token, "preload") || strings.EqualFold(token, "modulepreload") || strings.EqualFold(token, "preconnect")
	})
}

func isData(href string) bool {
	href = strings.TrimLeftFunc(href, func(r rune) bool { return r <= ' ' })
	return len(href) >= len("data:") && strings.EqualFold(href[:len("data:")], "data:")
}

// isSpace is ASCII white space of HTML.
func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\f' || r == '\r' }

// write makes the field of what was collected. Only now it is certain which base there is.
func (d *document) write() {
	var out []byte
	budget := d.max.MaxBytes
	for _, l := range d.links {
		value, atOrigin, ok := d.format(l)
		if !ok {
			continue
		}
		cost := len(value)
		if len(out) > 0 {
			cost += len(separator)
		}
		if atOrigin {
			cost += originRoom
		}
		if cost > budget {
			d.found.Dropped++
			continue
		}
		budget -= cost
		if len(out) > 0 {
			out = append(out, separator...)
		}
		out = append(out, value...)
	}
	d.found.Link = string(out)
	d.found.Based = d.found.Based && len(out) > 0
}
