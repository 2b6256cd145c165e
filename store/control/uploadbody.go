package control

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"berth/assets/hints"
	"berth/assets/manifest"
	"berth/store"
)

// The body of an asset upload is a JSON array of files:
//
//	[{"key":"197e…","value":"<base64>","metadata":{"contentType":"text/css"},"base64":true}, …]
//
// It is up to 64 MiB, and many come at once. So it is read as a stream: a value goes from the wire through base64
// straight into a blob, and no part of a body is ever in memory but for its buffers. The members of an item may come in
// any order. The content type is not kept: equal bytes come with several, so what is served is told from the path. It is only
// used to guess the extension; `berth deploy` says that, as "extension" in the metadata.

// uploadedFile is one item of an upload.
type uploadedFile struct {
	Key    manifest.AssetKey
	Blob   store.FileRef
	Proved bool   // its bytes make Key
	Ext    string // with this extension, if Proved

	hints      hints.Found
	hintsKnown bool
}

// valueWriter takes the bytes of one file; a blob.Writer is one.
type valueWriter interface {
	io.Writer
	Finish() (manifest.Digest, int64, error)
	Abort()
}

type uploadLimits struct {
	fileBytes int64
	files     int
}

// uploadReader reads one body.
type uploadReader struct {
	json   *jsonStream
	base64 *base64Stream
	limits uploadLimits
	create func() (valueWriter, error)
	proof  *uploadProver
	item   int // the one under way, from 1

	mediaType string  // of that one
	extension *string // so; nil: not said
}

const maxUploadName = 32 // of the longest member name or key that we look for

// readUpload returns the files of an upload, their bytes written but not committed.
func readUpload(src io.Reader, limits uploadLimits, proof *uploadProver, create func() (valueWriter, error)) ([]uploadedFile, error) {
	r := &uploadReader{json: newJSONStream(src), base64: newBase64Stream(), limits: limits, create: create, proof: proof}
	var files []uploadedFile
	err := r.json.elements(func(i int) error {
		r.item = i + 1
		if i >= limits.files {
			return refuse(http.StatusRequestEntityTooLarge, codeTooLarge, "the upload has more than %d files, the limit of one upload (--max-upload-files)", limits.files)
		}
		f, err := r.file()
		files = append(files, f)
		return err
	})
	if err == nil {
		err = r.json.ended()
	}
	if err != nil {
		return nil, r.explain(err)
	}
	return files, nil
}

// explain says where a fault of the text stands.
func (r *uploadReader) explain(err error) error {
	fault, ok := errors.AsType[jsonError](err)
	if !ok {
		return err // the source's, a blob's, or ready to be answered
	}
	where := fmt.Sprintf("byte %d of the upload", r.json.offset())
	if r.item > 0 {
		where = fmt.Sprintf("file %d, %s", r.item, where)
	}
	if fault == errFileTooLarge {
		return refuse(http.StatusRequestEntityTooLarge, codeTooLarge, "%s: the file has more than %d bytes, the limit of one file (--max-file-bytes)", where, r.limits.fileBytes)
	}
	return refuse(http.StatusBadRequest, codeBadRequest, "%s: %s", where, string(fault))
}

// file reads one item.
func (r *uploadReader) file() (uploadedFile, error) {
	var f uploadedFile
	r.mediaType, r.extension = "", nil
	r.proof.begin()
	seen := make(map[string]bool, 4)
	err := r.json.members(maxUploadName, func(name string) error {
		switch name {
		case "key", "value", "metadata", "base64":
			if seen[name] {
				return jsonError(name + " comes twice")
			}
			seen[name] = true
		}
		return r.member(name, &f)
	})
	switch {
	case err != nil:
		return f, err
	case !seen["key"]:
		return f, jsonError("the file has no key")
	case !seen["value"]:
		return f, jsonError("the file has no value")
	}
	if f.Ext, f.Proved = r.proof.prove(f.Key, r.mediaType, r.extension); f.Proved {
		f.hints, f.hintsKnown = r.proof.hints(f.Ext)
	}
	return f, nil
}

func (r *uploadReader) member(name string, f *uploadedFile) (err error) {
	switch name {
	case "key":
		f.Key, err = r.key()
	case "value":
		f.Blob, err = r.value()
	case "metadata":
		err = r.metadata()
	case "base64":
		var is bool
		if is, err = r.json.boolean(); err == nil && !is {
			err = jsonError("base64 is false: values are taken in base64 only")
		}
	default:
		err = r.json.skip(0)
	}
	return err
}

// want makes sure of the type of a member before it is read.
func (r *uploadReader) want(first byte, what string) error {
	c, err := r.json.token()
	if err == nil && c != first {
		err = jsonError("want " + what)
	}
	return err
}

func (r *uploadReader) key() (manifest.AssetKey, error) {
	if err := r.want('"', "a string as key"); err != nil {
		return manifest.AssetKey{}, err
	}
	text, err := r.json.text(maxUploadName)
	if err != nil {
		return manifest.AssetKey{}, err
	}
	key, err := manifest.ParseAssetKey(text)
	if err != nil {
		return key, jsonError("key is not 32 lower-case hex digits")
	}
	return key, nil
}

func (r *uploadReader) value() (store.FileRef, error) {
	if err := r.want('"', "a string as value"); err != nil {
		return store.FileRef{}, err
	}
	w, err := r.create()
	if err != nil {
		return store.FileRef{}, fmt.Errorf("store an uploaded file: %w", err)
	}
	r.base64.reset(io.MultiWriter(w, r.proof), r.limits.fileBytes)
	if err := r.json.chars(r.encoded); err != nil {
		w.Abort()
		return store.FileRef{}, err
	}
	if err := r.base64.finish(); err != nil {
		w.Abort()
		return store.FileRef{}, err
	}
	digest, size, err := w.Finish()
	if err != nil {
		return store.FileRef{}, fmt.Errorf("store an uploaded file: %w", err)
	}
	return store.FileRef{Digest: digest, Size: size}, nil
}

// encoded takes a piece of a value.
func (r *uploadReader) encoded(p []byte) error {
	r.proof.encoded(p)
	return r.base64.take(p)
}

func (r *uploadReader) metadata() error {
	if c, err := r.json.token(); err != nil {
		return err
	} else if c == 'n' {
		return r.json.word("null")
	}
	if err := r.want('{', "an object as metadata"); err != nil {
		return err
	}
	return r.json.members(maxUploadName, func(name string) (err error) {
		switch name {
		case "contentType":
			r.mediaType, err = r.shortText("a string as contentType", maxMediaType)
		case "extension":
			var ext string
			ext, err = r.shortText("a string as extension", maxExtension)
			r.extension = &ext
		default:
			err = r.json.skip(1)
		}
		return err
	})
}

// shortText reads a string. What is longer than most is as good as another one.
func (r *uploadReader) shortText(what string, most int) (string, error) {
	if err := r.want('"', what); err != nil {
		return "", err
	}
	return r.json.text(most)
}
